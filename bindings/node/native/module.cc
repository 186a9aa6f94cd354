// The module: loading the library, errors, what keeps the process alive.
#include "binding.h"
#include "functions.h"
#include "values.h"

namespace tim_node {

namespace {

/// load(path): "" or what is wrong
napi_value load_library(napi_env env, napi_callback_info info) {
  napi_value values[1];
  std::string path;
  if (!arguments(env, info, 1, values) || !take(env, values[0], &path)) return nullptr;
  return text(env, load(path.c_str()).c_str());
}

/// functions(): the names of the functions that are looked up
napi_value function_names(napi_env env, napi_callback_info) {
#define TIM_NAME(name) #name,
  static const char *const names[] = {TIM_FUNCTIONS(TIM_NAME)};
#undef TIM_NAME
  return texts(env, names, sizeof names / sizeof *names);
}

/// version(): the library's
napi_value version(napi_env env, napi_callback_info) { return text(env, tim.timVersion()); }

/// lastError(): the text of the call that was refused last on this thread
napi_value last_error(napi_env env, napi_callback_info) {
  char message[1024]; // 512 always suffice
  return text(env, tim.timLastErrorMessage(message, sizeof message, nullptr) == TIM_OK ? message : "");
}

/// describe(code): name, message, flags
napi_value describe(napi_env env, napi_callback_info info) {
  napi_value values[1], array;
  int32_t code;
  if (!arguments(env, info, 1, values) || !done(env, napi_get_value_int32(env, values[0], &code)) ||
      !done(env, napi_create_array_with_length(env, 3, &array))) {
    return nullptr;
  }
  const napi_value parts[] = {text(env, tim.timErrorName(code)), text(env, tim.timErrorMessage(code)), number(env, tim.timErrorFlags(code))};
  for (std::uint32_t i = 0; i < 3; i++) {
    if (parts[i] == nullptr || !done(env, napi_set_element(env, array, i, parts[i]))) return nullptr;
  }
  return array;
}

/// hold(more): one thing more, or one less, that keeps the process alive
napi_value hold(napi_env env, napi_callback_info info) {
  napi_value values[1];
  bool more;
  Binding *binding = Binding::of(env);
  if (binding == nullptr || !arguments(env, info, 1, values) || !take(env, values[0], &more)) return nullptr;
  binding->hold(more);
  return nullptr;
}

} // namespace

} // namespace tim_node

NAPI_MODULE_INIT() {
  using namespace tim_node;
  if (Binding::create(env) == nullptr) return nullptr;
  add(env, exports, "load", load_library);
  add(env, exports, "functions", function_names);
  add(env, exports, "version", version);
  add(env, exports, "lastError", last_error);
  add(env, exports, "describe", describe);
  add(env, exports, "hold", hold);
  add_client_functions(env, exports);
  add_server_functions(env, exports);
  return exports;
}
