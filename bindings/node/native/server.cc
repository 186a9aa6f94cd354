// The embedded server's functions, as JavaScript calls them. A server's handle is a BigInt.
#include "binding.h"
#include "functions.h"
#include "values.h"

namespace tim_node {

namespace {

bool take_server(napi_env env, napi_value value, TimServer *server) {
  bool lossless = false;
  return done(env, napi_get_value_bigint_uint64(env, value, server, &lossless));
}

/// serverStart(options or null): the handle, or a code
napi_value start(napi_env env, napi_callback_info info) {
  napi_value values[1], handle;
  napi_valuetype type;
  std::string options;
  if (!arguments(env, info, 1, values) || !done(env, napi_typeof(env, values[0], &type))) return nullptr;
  if (type != napi_null && !take(env, values[0], &options)) return nullptr;
  TimServer server = 0;
  const int32_t code = tim.timServerStart(type == napi_null ? nullptr : options.c_str(), &server);
  if (code != TIM_OK) return number(env, code);
  Binding::of(env)->started(server);
  return done(env, napi_create_bigint_uint64(env, server, &handle)) ? handle : nullptr;
}

/// serverAddress(handle): a text, or a code
napi_value address(napi_env env, napi_callback_info info) {
  napi_value values[1];
  TimServer server;
  if (!arguments(env, info, 1, values) || !take_server(env, values[0], &server)) return nullptr;
  char address[256]; // 64 always suffice
  const int32_t code = tim.timServerAddress(server, address, sizeof address, nullptr);
  return code == TIM_OK ? text(env, address) : number(env, code);
}

/// serverIssueUserSig(handle, user, seconds): a text, or a code
napi_value issue_user_sig(napi_env env, napi_callback_info info) {
  napi_value values[3];
  TimServer server;
  std::string user;
  std::uint32_t seconds;
  if (!arguments(env, info, 3, values) || !take_server(env, values[0], &server) || !take(env, values[1], &user) || !take(env, values[2], &seconds)) return nullptr;
  char user_sig[2048]; // 1 024 always suffice
  const int32_t code = tim.timServerIssueUserSig(server, user.c_str(), seconds, user_sig, sizeof user_sig, nullptr);
  return code == TIM_OK ? text(env, user_sig) : number(env, code);
}

/// A stop that waits on a thread of Node's pool for the server's threads.
struct Stop {
  TimServer server;
  std::uint32_t timeout_ms;
  int32_t code = TIM_OK;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

void wait_for_stop(napi_env, void *data) {
  Stop *stop = static_cast<Stop *>(data);
  stop->code = tim.timServerStop(stop->server, stop->timeout_ms);
}

void stopped(napi_env env, napi_status, void *data) {
  Stop *stop = static_cast<Stop *>(data);
  napi_value code = number(env, stop->code);
  if (code != nullptr) napi_resolve_deferred(env, stop->deferred, code);
  napi_delete_async_work(env, stop->work);
  delete stop;
}

/// serverStop(handle, timeoutMs): a promise of the code
napi_value stop(napi_env env, napi_callback_info info) {
  napi_value values[2], promise, name;
  Stop *stop = new Stop;
  if (!arguments(env, info, 2, values) || !take_server(env, values[0], &stop->server) || !take(env, values[1], &stop->timeout_ms) ||
      !done(env, napi_create_string_utf8(env, "tim-presence", NAPI_AUTO_LENGTH, &name)) ||
      !done(env, napi_create_promise(env, &stop->deferred, &promise)) ||
      !done(env, napi_create_async_work(env, nullptr, name, wait_for_stop, stopped, stop, &stop->work)) ||
      !done(env, napi_queue_async_work(env, stop->work))) {
    delete stop;
    return nullptr;
  }
  Binding::of(env)->stopped(stop->server);
  return promise;
}

} // namespace

void add_server_functions(napi_env env, napi_value exports) {
  add(env, exports, "serverStart", start);
  add(env, exports, "serverAddress", address);
  add(env, exports, "serverIssueUserSig", issue_user_sig);
  add(env, exports, "serverStop", stop);
}

} // namespace tim_node
