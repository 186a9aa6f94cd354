// The functions of a client, as JavaScript calls them: each converts its arguments, calls the library, and answers the
// library's code. The handle that JavaScript holds is an external value; src/client.ts is the only one to hold it.
#include "binding.h"
#include "functions.h"
#include "values.h"

namespace tim_node {

namespace {

void on_handle_collected(napi_env, void *entry, void *) { release(static_cast<Entry *>(entry)); }

/// The entry behind a handle; nullptr with an exception pending.
Entry *entry_of(napi_env env, napi_value handle) {
  void *entry = nullptr;
  return done(env, napi_get_value_external(env, handle, &entry)) ? static_cast<Entry *>(entry) : nullptr;
}

/// What goes through the library as user_data and comes back with the result: the number that JavaScript gave the call.
void *numbered(std::uint32_t call) { return reinterpret_cast<void *>(static_cast<std::uintptr_t>(call)); }

/// Ends a client that nobody has heard of yet: nothing is connected, no call waits, so it is a matter of microseconds.
void abandon(Binding *binding, Entry *entry) {
  tim.timClientDestroy(entry->client, 1000);
  binding->gone(entry);
}

/// create(options, sink): the handle, or the library's code.
napi_value create(napi_env env, napi_callback_info info) {
  napi_value values[2];
  std::string options;
  Binding *binding = Binding::of(env);
  if (binding == nullptr || !arguments(env, info, 2, values) || !take(env, values[0], &options)) return nullptr;
  Entry *entry = new Entry;
  entry->binding = binding;
  int32_t code = tim.timClientCreate(options.c_str(), &entry->client);
  if (code != TIM_OK) {
    delete entry;
    return number(env, code);
  }
  binding->opened(entry);
  napi_value handle;
  if (!done(env, napi_create_reference(env, values[1], 1, &entry->sink)) ||
      !done(env, napi_create_external(env, entry, on_handle_collected, nullptr, &handle))) {
    abandon(binding, entry);
    release(entry); // there is no handle
    return nullptr;
  }
  code = listen(entry);
  if (code == TIM_OK) return handle;
  abandon(binding, entry);
  return number(env, code);
}

/// login(handle, call, user, userSig)
napi_value login(napi_env env, napi_callback_info info) {
  napi_value values[4];
  std::uint32_t call;
  std::string user, user_sig;
  if (!arguments(env, info, 4, values) || !take(env, values[1], &call) || !take(env, values[2], &user) || !take(env, values[3], &user_sig)) return nullptr;
  Entry *entry = entry_of(env, values[0]);
  if (entry == nullptr) return nullptr;
  return number(env, tim.timLogin(entry->client, user.c_str(), user_sig.c_str(), on_result, numbered(call)));
}

using Plain = int32_t (*)(TimClient, TimResultFn, void *);
using WithText = int32_t (*)(TimClient, const char *, TimResultFn, void *);
using WithUsers = int32_t (*)(TimClient, const char *const *, std::size_t, TimResultFn, void *);

/// function(handle, call)
napi_value plain(napi_env env, napi_callback_info info, Plain function) {
  napi_value values[2];
  std::uint32_t call;
  if (!arguments(env, info, 2, values) || !take(env, values[1], &call)) return nullptr;
  Entry *entry = entry_of(env, values[0]);
  return entry == nullptr ? nullptr : number(env, function(entry->client, on_result, numbered(call)));
}

/// function(handle, call, text)
napi_value with_text(napi_env env, napi_callback_info info, WithText function) {
  napi_value values[3];
  std::uint32_t call;
  std::string text;
  if (!arguments(env, info, 3, values) || !take(env, values[1], &call) || !take(env, values[2], &text)) return nullptr;
  Entry *entry = entry_of(env, values[0]);
  return entry == nullptr ? nullptr : number(env, function(entry->client, text.c_str(), on_result, numbered(call)));
}

/// function(handle, call, users), where null in place of the users is C's NULL
napi_value with_users(napi_env env, napi_callback_info info, WithUsers function) {
  napi_value values[3];
  std::uint32_t call;
  napi_valuetype type;
  std::vector<std::string> users;
  if (!arguments(env, info, 3, values) || !take(env, values[1], &call) || !done(env, napi_typeof(env, values[2], &type))) return nullptr;
  if (type != napi_null && !take(env, values[2], &users)) return nullptr;
  Entry *entry = entry_of(env, values[0]);
  if (entry == nullptr) return nullptr;
  // With a last NULL, so that an empty list is a pointer, too.
  std::vector<const char *> pointers;
  pointers.reserve(users.size() + 1);
  for (const std::string &user : users) pointers.push_back(user.c_str());
  pointers.push_back(nullptr);
  return number(env, function(entry->client, type == napi_null ? nullptr : pointers.data(), users.size(), on_result, numbered(call)));
}

napi_value logout(napi_env env, napi_callback_info info) { return plain(env, info, tim.timLogout); }
napi_value get_subscriptions(napi_env env, napi_callback_info info) { return plain(env, info, tim.timGetSubscriptions); }
napi_value get_friends(napi_env env, napi_callback_info info) { return plain(env, info, tim.timGetFriends); }
napi_value renew_user_sig(napi_env env, napi_callback_info info) { return with_text(env, info, tim.timRenewUserSig); }
napi_value set_self_status(napi_env env, napi_callback_info info) { return with_text(env, info, tim.timSetSelfStatus); }
napi_value get_user_status(napi_env env, napi_callback_info info) { return with_users(env, info, tim.timGetUserStatus); }
napi_value subscribe(napi_env env, napi_callback_info info) { return with_users(env, info, tim.timSubscribeUserStatus); }
napi_value unsubscribe(napi_env env, napi_callback_info info) { return with_users(env, info, tim.timUnsubscribeUserStatus); }

/// login_state(handle): one of TIM_LOGIN_*, or a code, which is negative
napi_value login_state(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, 1, values)) return nullptr;
  Entry *entry = entry_of(env, values[0]);
  if (entry == nullptr) return nullptr;
  int32_t state = 0;
  const int32_t code = tim.timGetLoginState(entry->client, &state);
  return number(env, code == TIM_OK ? state : code);
}

/// login_user(handle): a text, or a code
napi_value login_user(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, 1, values)) return nullptr;
  Entry *entry = entry_of(env, values[0]);
  if (entry == nullptr) return nullptr;
  char user[64]; // 33 always suffice
  const int32_t code = tim.timGetLoginUser(entry->client, user, sizeof user, nullptr);
  return code == TIM_OK ? text(env, user) : number(env, code);
}

/// server_time(handle): milliseconds, 0 before the first login; or a code
napi_value server_time(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, 1, values)) return nullptr;
  Entry *entry = entry_of(env, values[0]);
  if (entry == nullptr) return nullptr;
  int64_t ms = 0;
  const int32_t code = tim.timGetServerTime(entry->client, &ms);
  return number(env, code == TIM_OK ? static_cast<double>(ms) : code);
}

/// notify_network_changed(handle)
napi_value notify_network_changed(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, 1, values)) return nullptr;
  Entry *entry = entry_of(env, values[0]);
  return entry == nullptr ? nullptr : number(env, tim.timNotifyNetworkChanged(entry->client));
}

/// set_log_level(handle, level): 0 for no log
napi_value set_log_level(napi_env env, napi_callback_info info) {
  napi_value values[2];
  std::uint32_t level;
  if (!arguments(env, info, 2, values) || !take(env, values[1], &level)) return nullptr;
  Entry *entry = entry_of(env, values[0]);
  if (entry == nullptr) return nullptr;
  if (level == 0) return number(env, tim.timSetLogCallback(entry->client, 0, nullptr, nullptr, nullptr));
  return number(env, tim.timSetLogCallback(entry->client, static_cast<int32_t>(level), on_log, entry, nullptr));
}

/// close(handle): the sink is told when the client is gone, if the code is 0
napi_value close(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, 1, values)) return nullptr;
  Entry *entry = entry_of(env, values[0]);
  return entry == nullptr ? nullptr : number(env, tim.timClientDestroyAsync(entry->client, on_closed, entry));
}

} // namespace

void add_client_functions(napi_env env, napi_value exports) {
  add(env, exports, "create", create);
  add(env, exports, "login", login);
  add(env, exports, "logout", logout);
  add(env, exports, "renewUserSig", renew_user_sig);
  add(env, exports, "setSelfStatus", set_self_status);
  add(env, exports, "getUserStatus", get_user_status);
  add(env, exports, "subscribe", subscribe);
  add(env, exports, "unsubscribe", unsubscribe);
  add(env, exports, "getSubscriptions", get_subscriptions);
  add(env, exports, "getFriends", get_friends);
  add(env, exports, "loginState", login_state);
  add(env, exports, "loginUser", login_user);
  add(env, exports, "serverTime", server_time);
  add(env, exports, "notifyNetworkChanged", notify_network_changed);
  add(env, exports, "setLogLevel", set_log_level);
  add(env, exports, "close", close);
}

} // namespace tim_node
