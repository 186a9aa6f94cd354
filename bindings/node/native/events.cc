// From the library's callbacks to JavaScript. All of them run inside timPoll, on the environment's thread, but for the wake
// callback, which only signals; or inside timClientDestroy when the environment ends, and then they do nothing.
#include "binding.h"
#include "functions.h"
#include "values.h"

namespace tim_node {

namespace {

/// What the first argument of a sink says; src/client.ts has the same numbers.
enum Kind { RESULT, STATUSES, CONNECTION, KICKED, EXPIRED, EVICTED, LOG, CLOSED };

/// How often and how long a new client waits for room for one more listener: five seconds in all.
constexpr int LISTEN_POLLS = 500;
constexpr std::uint32_t LISTEN_POLL_MS = 10;

/// One call of a client's sink, with the handle scope that it needs.
class Delivery {
public:
  Delivery(Entry *entry, Kind kind) : entry_(entry), env_(entry->binding->env()) {
    if (entry->binding->ending()) return;
    open_ = done(env_, napi_open_handle_scope(env_, &scope_));
    *this << number(env_, kind);
  }
  Delivery(const Delivery &) = delete;
  Delivery &operator=(const Delivery &) = delete;

  napi_env env() const { return env_; }
  /// Whether it is worth making values: not when the environment ends.
  explicit operator bool() const { return open_; }

  Delivery &operator<<(napi_value value) {
    if (value == nullptr) failed_ = true;
    else if (open_ && count_ < MAX) values_[count_++] = value;
    return *this;
  }

  ~Delivery() {
    if (!open_) return;
    napi_value sink, undefined;
    if (!failed_ && napi_get_reference_value(env_, entry_->sink, &sink) == napi_ok && napi_get_undefined(env_, &undefined) == napi_ok) {
      napi_call_function(env_, undefined, sink, count_, values_, nullptr);
    }
    // What a listener throws is nobody's but the process's, as with every event of Node's; the next callback comes all the same.
    bool pending = false;
    napi_value exception;
    if (napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
        napi_get_and_clear_last_exception(env_, &exception) == napi_ok) {
      napi_fatal_exception(env_, exception);
    }
    if (!entry_->binding->ending()) napi_close_handle_scope(env_, scope_);
  }

private:
  static constexpr std::size_t MAX = 8;
  Entry *entry_;
  napi_env env_;
  napi_handle_scope scope_ = nullptr;
  bool open_ = false;
  bool failed_ = false;
  std::size_t count_ = 0;
  napi_value values_[MAX];
};

Entry *of(void *user_data) { return static_cast<Entry *>(user_data); }

void on_wake(void *entry) { of(entry)->binding->ring(of(entry)); }

void on_statuses(const TimUserStatus *const *changes, std::size_t count, void *entry) {
  Delivery delivery(of(entry), STATUSES);
  if (delivery) delivery << users(delivery.env(), changes, count);
}

void on_connection(int32_t state, int32_t code, const char *message, void *entry) {
  Delivery delivery(of(entry), CONNECTION);
  if (delivery) delivery << number(delivery.env(), state) << number(delivery.env(), code) << text(delivery.env(), message);
}

void on_kicked(int32_t code, const char *message, void *entry) {
  Delivery delivery(of(entry), KICKED);
  if (delivery) delivery << number(delivery.env(), code) << text(delivery.env(), message);
}

void on_expired(void *entry) { Delivery delivery(of(entry), EXPIRED); }

void on_evicted(const char *const *user_ids, std::size_t count, void *entry) {
  Delivery delivery(of(entry), EVICTED);
  if (delivery) delivery << texts(delivery.env(), user_ids, count);
}

} // namespace

void on_result(const TimResult *result, void *call) {
  Entry *entry = polled;
  if (entry == nullptr) return; // the environment ends
  Delivery delivery(entry, RESULT);
  if (!delivery) return;
  napi_env env = delivery.env();
  delivery << number(env, static_cast<double>(reinterpret_cast<std::uintptr_t>(call))) << number(env, result->code)
           << text(env, result->message) << number(env, result->retry_after_ms) << users(env, result->items, result->item_count)
           << texts(env, result->evicted, result->evicted_count);
}

void on_log(int32_t level, const char *message, void *entry) {
  Delivery delivery(of(entry), LOG);
  if (delivery) delivery << number(delivery.env(), level) << text(delivery.env(), message);
}

void on_closed(void *entry) { Delivery delivery(of(entry), CLOSED); }

int32_t listen(Entry *entry) {
  const TimClient client = entry->client;
  // With an option queue_max below six there may be no room for one more setter: each takes a place among the calls that wait until
  // the library's thread has it and it is polled, which is a matter of microseconds. There is nothing to hear of yet.
  const auto set = [client, entry](auto setter, auto listener) {
    int32_t code = setter(client, listener, entry, nullptr);
    for (int poll = 0; code == TIM_ERR_BUSY && poll < LISTEN_POLLS; poll++) {
      tim.timPoll(client, 0, LISTEN_POLL_MS, nullptr);
      code = setter(client, listener, entry, nullptr);
    }
    return code;
  };
  int32_t code = set(tim.timSetUserStatusChangedCallback, on_statuses);
  if (code == TIM_OK) code = set(tim.timSetConnectionStateCallback, on_connection);
  if (code == TIM_OK) code = set(tim.timSetKickedOfflineCallback, on_kicked);
  if (code == TIM_OK) code = set(tim.timSetUserSigExpiredCallback, on_expired);
  if (code == TIM_OK) code = set(tim.timSetSubscriptionEvictedCallback, on_evicted);
  if (code == TIM_OK) code = set(tim.timSetWakeCallback, on_wake);
  return code;
}

} // namespace tim_node
