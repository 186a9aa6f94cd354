// Between JavaScript's values and C's.
#ifndef TIM_NODE_VALUES_H
#define TIM_NODE_VALUES_H

#include <node_api.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tim_presence.h"

namespace tim_node {

/// Whether a call of Node's went well; if not, an exception is pending afterwards.
bool done(napi_env env, napi_status status);

/// The arguments of a function; false with an exception pending if there are fewer than `count`.
bool arguments(napi_env env, napi_callback_info info, std::size_t count, napi_value *values);

// From JavaScript; false with an exception pending if the value is of another type.
bool take(napi_env env, napi_value value, std::string *text);
bool take(napi_env env, napi_value value, std::vector<std::string> *texts);
bool take(napi_env env, napi_value value, std::uint32_t *number);
bool take(napi_env env, napi_value value, bool *flag);

// To JavaScript; nullptr with an exception pending if that failed.
napi_value text(napi_env env, const char *text);
napi_value number(napi_env env, double number);
napi_value texts(napi_env env, const char *const *texts, std::size_t count);

/// Users as one flat array, eight values each: user id, code, status, reason, platforms, version, since, custom status. An
/// array of objects takes three times as long to make from here; src/status.ts makes the objects.
napi_value users(napi_env env, const TimUserStatus *const *users, std::size_t count);

/// Adds a function to an object.
void add(napi_env env, napi_value object, const char *name, napi_callback function);

} // namespace tim_node

#endif
