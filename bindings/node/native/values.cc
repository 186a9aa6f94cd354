#include "values.h"

namespace tim_node {

bool done(napi_env env, napi_status status) {
  if (status == napi_ok) return true;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) {
    const napi_extended_error_info *info = nullptr;
    napi_get_last_error_info(env, &info);
    const char *message = info == nullptr ? nullptr : info->error_message;
    napi_throw_error(env, nullptr, message == nullptr ? "tim-presence: a call of Node failed" : message);
  }
  return false;
}

bool arguments(napi_env env, napi_callback_info info, std::size_t count, napi_value *values) {
  std::size_t given = count;
  if (!done(env, napi_get_cb_info(env, info, &given, values, nullptr, nullptr))) return false;
  if (given >= count) return true;
  napi_throw_type_error(env, nullptr, "tim-presence: an argument is missing");
  return false;
}

bool take(napi_env env, napi_value value, std::string *text) {
  std::size_t length = 0;
  if (!done(env, napi_get_value_string_utf8(env, value, nullptr, 0, &length))) return false;
  text->resize(length + 1);
  if (!done(env, napi_get_value_string_utf8(env, value, &(*text)[0], length + 1, &length))) return false;
  text->resize(length);
  return true;
}

bool take(napi_env env, napi_value value, std::vector<std::string> *texts) {
  std::uint32_t length = 0;
  if (!done(env, napi_get_array_length(env, value, &length))) return false;
  texts->resize(length);
  for (std::uint32_t i = 0; i < length; i++) {
    napi_value element;
    if (!done(env, napi_get_element(env, value, i, &element)) || !take(env, element, &(*texts)[i])) return false;
  }
  return true;
}

bool take(napi_env env, napi_value value, std::uint32_t *number) {
  return done(env, napi_get_value_uint32(env, value, number));
}

bool take(napi_env env, napi_value value, bool *flag) { return done(env, napi_get_value_bool(env, value, flag)); }

napi_value text(napi_env env, const char *text) {
  napi_value value = nullptr;
  return done(env, napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value)) ? value : nullptr;
}

napi_value number(napi_env env, double number) {
  napi_value value = nullptr;
  return done(env, napi_create_double(env, number, &value)) ? value : nullptr;
}

namespace {

bool append(napi_env env, napi_value array, std::uint32_t *at, napi_value value) {
  return value != nullptr && done(env, napi_set_element(env, array, (*at)++, value));
}

} // namespace

napi_value texts(napi_env env, const char *const *texts, std::size_t count) {
  napi_value array;
  if (!done(env, napi_create_array_with_length(env, count, &array))) return nullptr;
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < count; i++) {
    if (!append(env, array, &at, text(env, texts[i]))) return nullptr;
  }
  return array;
}

napi_value users(napi_env env, const TimUserStatus *const *users, std::size_t count) {
  napi_value array;
  if (!done(env, napi_create_array_with_length(env, count * 8, &array))) return nullptr;
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < count; i++) {
    const TimUserStatus &user = *users[i];
    // Values are let go of user by user: a query of 500 would keep 4 000 of them.
    napi_handle_scope scope;
    if (!done(env, napi_open_handle_scope(env, &scope))) return nullptr;
    const bool all = append(env, array, &at, text(env, user.user_id)) && append(env, array, &at, number(env, user.code)) &&
                     append(env, array, &at, number(env, user.status)) && append(env, array, &at, number(env, user.reason)) &&
                     append(env, array, &at, number(env, user.platforms)) &&
                     // Below 2^53, as are milliseconds: a double holds both.
                     append(env, array, &at, number(env, static_cast<double>(user.version))) &&
                     append(env, array, &at, number(env, static_cast<double>(user.since_ms))) &&
                     append(env, array, &at, text(env, user.custom_status));
    napi_close_handle_scope(env, scope);
    if (!all) return nullptr;
  }
  return array;
}

void add(napi_env env, napi_value object, const char *name, napi_callback function) {
  napi_value value;
  if (done(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value))) {
    done(env, napi_set_named_property(env, object, name, value));
  }
}

} // namespace tim_node
