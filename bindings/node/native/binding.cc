#include "binding.h"

#include <vector>

#include "functions.h"
#include "values.h"

namespace tim_node {

thread_local Entry *polled = nullptr;

namespace {

/// How long the end of an environment waits for a client or server. They wait for nothing but their own tasks.
constexpr std::uint32_t END_TIMEOUT_MS = 5000;

void forget(napi_env, void *, void *) {}

} // namespace

Binding *Binding::create(napi_env env) {
  Binding *binding = new Binding(env);
  napi_value name;
  // Without a limit of its own: a client signals once until it is polled, so there are at most as many as clients.
  if (!done(env, napi_create_string_utf8(env, "tim-presence", NAPI_AUTO_LENGTH, &name)) ||
      !done(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, binding, on_signal, &binding->signal_)) ||
      !done(env, napi_unref_threadsafe_function(env, binding->signal_)) ||
      // After the threadsafe function, so that this hook runs before that one's: hooks run in reverse.
      !done(env, napi_add_env_cleanup_hook(env, on_environment_ends, binding)) ||
      !done(env, napi_set_instance_data(env, binding, forget, nullptr))) {
    return nullptr;
  }
  return binding;
}

Binding *Binding::of(napi_env env) {
  void *binding = nullptr;
  if (napi_get_instance_data(env, &binding) != napi_ok) return nullptr;
  return static_cast<Binding *>(binding);
}

void Binding::ring(Entry *entry) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ending_ || entry->ready) return;
  entry->ready = true;
  ready_.push_back(entry);
  // Cannot be full, and is not closing before `ending_`.
  napi_call_threadsafe_function(signal_, nullptr, napi_tsfn_nonblocking);
}

void Binding::opened(Entry *entry) { open_.insert(entry); }

void Binding::gone(Entry *entry) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (entry->ready) {
      for (auto at = ready_.begin(); at != ready_.end(); ++at) {
        if (*at == entry) {
          ready_.erase(at);
          break;
        }
      }
      entry->ready = false;
    }
  }
  open_.erase(entry);
  if (!ending_) napi_delete_reference(env_, entry->sink);
  entry->sink = nullptr;
  release(entry);
}

void Binding::hold(bool more) {
  if (ending_) return;
  if (more && held_++ == 0) napi_ref_threadsafe_function(env_, signal_);
  if (!more && --held_ == 0) napi_unref_threadsafe_function(env_, signal_);
}

void Binding::on_signal(napi_env env, napi_value, void *context, void *) {
  if (env != nullptr) static_cast<Binding *>(context)->turn();
}

/// One callback of the client that has waited longest.
void Binding::turn() {
  Entry *entry;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (ending_ || ready_.empty()) return;
    entry = ready_.front();
    ready_.pop_front();
    entry->ready = false;
  }
  std::size_t handled = 0;
  polled = entry;
  const int32_t code = tim.timPoll(entry->client, 1, 0, &handled);
  polled = nullptr;
  // A callback may have ended the process or the worker.
  if (ending_) return;
  if (code == TIM_ERR_CLOSED) gone(entry);
  // More may wait; the library rings only when its queue was empty.
  else if (code == TIM_OK && handled > 0) ring(entry);
}

/// Ends what is open, without a word to JavaScript: what waits for a result waits for ever, and so does nobody.
void Binding::on_environment_ends(void *context) {
  Binding *binding = static_cast<Binding *>(context);
  {
    const std::lock_guard<std::mutex> lock(binding->mutex_);
    binding->ending_ = true;
    binding->ready_.clear();
  }
  const std::vector<Entry *> open(binding->open_.begin(), binding->open_.end());
  // All at once, then one after the other.
  for (Entry *entry : open) tim.timClientDestroyAsync(entry->client, nullptr, nullptr);
  bool all = true;
  for (Entry *entry : open) {
    const int32_t code = tim.timClientDestroy(entry->client, END_TIMEOUT_MS);
    // From inside one of its callbacks, with process.exit(), a client cannot be awaited; then the process is over anyway.
    if (code == TIM_OK || code == TIM_ERR_INVALID_HANDLE) {
      binding->open_.erase(entry);
      release(entry);
    } else {
      all = false;
    }
  }
  for (const TimServer server : binding->servers_) tim.timServerStop(server, END_TIMEOUT_MS);
  // A thread of the library may yet ring for one that did not end.
  if (all) delete binding;
}

void release(Entry *entry) {
  if (--entry->owners == 0) delete entry;
}

} // namespace tim_node
