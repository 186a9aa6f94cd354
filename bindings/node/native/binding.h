// What the package keeps in one JavaScript environment (the main thread's or a worker's), and how callbacks get there.
//
// Clients are made with poll delivery. When callbacks wait, the library's wake callback, on a thread of the library, puts the
// client on the list of those that are ready and signals the environment's one threadsafe function: no JavaScript runs on
// a foreign thread, and none is waited for. The environment's own thread then polls: one callback a turn, so that
// Node runs what a settled promise started before the next callback comes (R6.4: a call's result before its notification).
#ifndef TIM_NODE_BINDING_H
#define TIM_NODE_BINDING_H

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <unordered_set>

#include "tim_presence.h"

namespace tim_node {

class Binding;

/// One client. Lives until the client is gone and JavaScript holds no handle of it any more; both on one thread.
struct Entry {
  Binding *binding;
  TimClient client = 0;
  /// The JavaScript function that is called with everything that happens.
  napi_ref sink = nullptr;
  /// On the list of those that are ready. Guarded by the binding's mutex.
  bool ready = false;
  /// JavaScript's handle, and the client itself.
  int owners = 2;
};

/// One environment.
class Binding {
public:
  /// Makes the binding of an environment and keeps it there; nullptr with an exception pending.
  static Binding *create(napi_env env);
  /// That of this environment; nullptr once the environment ends.
  static Binding *of(napi_env env);

  /// Called by the library, on any thread, when callbacks of the client wait.
  void ring(Entry *entry);

  void opened(Entry *entry);
  /// The client is gone: nothing of the library refers to the entry any more.
  void gone(Entry *entry);

  /// Servers that end with the environment.
  void started(TimServer server) { servers_.insert(server); }
  void stopped(TimServer server) { servers_.erase(server); }

  /// How many things keep the process alive: clients and servers that are open and not unreferenced.
  void hold(bool more);

  /// The environment ends, and no JavaScript can be called any more.
  bool ending() const { return ending_; }

  napi_env env() const { return env_; }

private:
  explicit Binding(napi_env env) : env_(env) {}

  static void on_signal(napi_env env, napi_value function, void *context, void *unused);
  static void on_environment_ends(void *binding);

  void turn();

  napi_env env_;
  napi_threadsafe_function signal_ = nullptr;
  std::size_t held_ = 0;
  /// Written on the environment's thread, under the mutex.
  bool ending_ = false;
  std::unordered_set<Entry *> open_;
  std::unordered_set<TimServer> servers_;

  /// Guards what the library's threads touch: the list, `ready` of its entries, and the use of `signal_`.
  std::mutex mutex_;
  /// Bounded by the number of clients: each is in it once at most.
  std::deque<Entry *> ready_;
};

/// Gives up one of the two owners.
void release(Entry *entry);

/// Sets all listeners of a new client.
int32_t listen(Entry *entry);

/// Hands the result of the call with this number to the sink.
void on_result(const TimResult *result, void *number);

/// Told when a client that was closed is gone.
void on_closed(void *entry);

/// Receives a line of the client's log.
void on_log(int32_t level, const char *message, void *entry);

/// The client that is being polled on this thread: results are its.
extern thread_local Entry *polled;

// Parts of the module, each a group of functions for JavaScript.
void add_client_functions(napi_env env, napi_value exports);
void add_server_functions(napi_env env, napi_value exports);

} // namespace tim_node

#endif
