// Lifetimes: moves, destructors everywhere they may run, futures that are pending then, and who frees what.
#include <atomic>
#include <optional>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.hpp"

namespace {

/// A port that takes connections and never says a word.
class SilentServer {
public:
  SilentServer() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(::bind(socket_, reinterpret_cast<sockaddr *>(&address), size) == 0 && ::listen(socket_, 16) == 0);
    CHECK(::getsockname(socket_, reinterpret_cast<sockaddr *>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  SilentServer(const SilentServer &) = delete;
  SilentServer &operator=(const SilentServer &) = delete;
  ~SilentServer() { ::close(socket_); }

  tim::ClientOptions options() const {
    tim::ClientOptions options;
    options.server = "tim://127.0.0.1:" + std::to_string(port_);
    options.sdk_app_id = 1400000001;
    return options;
  }

private:
  int socket_;
  int port_ = 0;
};

/// Runs something that waits, on a thread that must be done by the end of the scope.
class Background {
public:
  explicit Background(std::function<void()> work) : thread_(std::move(work)) {}
  ~Background() { thread_.join(); }

private:
  std::thread thread_;
};

/// Returns when the end of the client has begun.
void await_closing(const tim::ClientRef &client) {
  const auto give_up = std::chrono::steady_clock::now() + DEADLINE;
  while (client.login_state().error().code != TIM_ERR_CLOSED) {
    if (std::chrono::steady_clock::now() > give_up) FAIL("the client does not close");
    std::this_thread::yield();
  }
}

} // namespace

CASE(a_client_moves_with_its_callbacks, "a moved client is the same client; the one it came from is none") {
  tim::Server server = tim::Server::start().value();
  tim::Client first = client_of(server);
  Inbox<tim::UserStatus> told;
  OK(first.on_status_changed([&](std::vector<tim::UserStatus> changes) {
    for (auto &change : changes) told.put(std::move(change));
  }));
  auto login = first.login("alice", sig_for(server, "alice"));
  const TimClient handle = first.handle().value;
  tim::Client second = std::move(first);
  CHECK(!first && second.handle().value == handle); // NOLINT: a moved-from client is documented
  FAILS(first.logout(nullptr), TIM_ERR_INVALID_HANDLE);
  OK(awaited(std::move(login)));
  CHECK(told.take().status == tim::Status::Online);
  std::vector<tim::Client> many;
  many.push_back(std::move(second));
  many.push_back(client_of(server)); /* moves the first to a new place */
  OK(awaited(many[0].set_self_status("moved")));
  CHECK_EQ(told.take().custom_status, "moved");
}

CASE(what_on_exception_captured_goes_with_the_client, "a name of the client too; and it hears what is thrown after the Client is gone") {
  tim::Server server = tim::Server::start().value();
  Gate closed, destroyed, destroyed_inside;
  {
    tim::Client client = client_of(server);
    OK(client.on_exception([name = client.ref(), held = token(closed)](std::exception_ptr) {}));
    OK(client.close(DEADLINE));
    CHECK(closed.is_open());
  }
  {
    tim::Client client = client_of(server);
    OK(client.on_exception([name = client.ref(), held = token(destroyed)](std::exception_ptr) {}));
  }
  CHECK(destroyed.is_open());
  Gate heard;
  auto client = std::make_unique<tim::Client>(client_of(server));
  OK(client->on_exception(
      [name = client->ref(), held = token(destroyed_inside), &heard](std::exception_ptr) { heard.open(); }));
  OK(client->logout([&client](const tim::Result &) {
    client.reset();
    throw std::runtime_error("after the end");
  }));
  heard.pass();
  destroyed_inside.pass();
}

CASE(move_assignment_ends_what_was_there, "the assigned client ends before the assignment returns; itself is left alone") {
  tim::Server server = tim::Server::start().value();
  tim::Client client = client_of(server);
  Gate gone;
  OK(client.on_status_changed([held = token(gone)](const std::vector<tim::UserStatus> &) {}));
  const tim::ClientRef old = client.ref();
  client = client_of(server);
  CHECK(gone.is_open());
  FAILS(old.login_state(), TIM_ERR_INVALID_HANDLE);
  OK(client.login_state());
  tim::Client &itself = client;
  client = std::move(itself);
  OK(client.login_state());
}

CASE(captures_are_freed_when_replaced_removed_and_ended, "each listener's function is destroyed once it is no longer used") {
  tim::Server server = tim::Server::start().value();
  Gate replaced, removed, ended, refused;
  {
    tim::Client client = client_of(server);
    OK(client.on_kicked_offline([held = token(replaced)](const tim::Error &) {}));
    OK(client.on_kicked_offline([held = token(removed)](const tim::Error &) {}));
    replaced.pass();
    CHECK(!removed.is_open());
    OK(client.on_kicked_offline(nullptr));
    removed.pass();
    OK(client.on_user_sig_expired([held = token(ended)] {}));
    CHECK(!ended.is_open());
  }
  CHECK(ended.is_open());
  FAILS(tim::ClientRef().on_user_sig_expired([held = token(refused)] {}), TIM_ERR_INVALID_HANDLE);
  CHECK(refused.is_open());
}

CASE(the_destructor_waits_for_a_running_callback, "after it nothing runs, so a callback may use what outlives the client") {
  tim::Server server = tim::Server::start().value();
  Gate entered, may_leave;
  std::atomic<bool> left{false};
  std::optional<Background> helper;
  {
    tim::Client client = client_of(server);
    OK(client.set_self_status("too early", [&](const tim::Result &) {
      entered.open();
      may_leave.pass();
      left = true;
    }));
    entered.pass();
    /* The callback leaves only once the destructor is under way. */
    helper.emplace([&, client = client.ref()] {
      await_closing(client);
      may_leave.open();
    });
  }
  CHECK(left.load());
}

CASE(a_thousand_pending_futures_at_the_end, "each becomes ready, with TIM_ERR_SHUTDOWN") {
  tim::Server server = tim::Server::start().value();
  std::vector<std::future<tim::Result>> futures;
  Inbox<tim::ConnectionState> states;
  {
    tim::Client client = online(server, "alice");
    OK(client.on_connection_state([&](tim::ConnectionState state, const tim::Error &) { states.put(state); }));
    OK(server.stop(DEADLINE));
    states.take_until([](tim::ConnectionState state) { return state != tim::ConnectionState::Connected; });
    for (int i = 0; i < 1000; ++i) futures.push_back(client.set_self_status(std::to_string(i)));
  }
  for (auto &future : futures) {
    CHECK(future.wait_for(0s) == std::future_status::ready);
    FAILS(future.get(), TIM_ERR_SHUTDOWN);
  }
}

CASE(a_login_without_an_answer_at_the_end, "its callback comes before the destructor returns, exactly once") {
  const SilentServer silent;
  std::atomic<int> calls{0};
  Inbox<tim::ConnectionState> states;
  {
    tim::Client client = tim::Client::create(silent.options()).value();
    OK(client.on_connection_state([&](tim::ConnectionState state, const tim::Error &) { states.put(state); }));
    OK(client.login("alice", "sig", [&](const tim::Result &result) {
      FAILS(result, TIM_ERR_SHUTDOWN);
      ++calls;
    }));
    states.take_until([](tim::ConnectionState state) { return state == tim::ConnectionState::Connecting; });
  }
  CHECK_EQ(calls.load(), 1);
}

CASE(a_future_may_be_dropped_or_outlive_everything, "nobody need look at it, and it may be looked at later") {
  tim::Server server = tim::Server::start().value();
  std::future<tim::Result> kept;
  {
    tim::Client client = online(server, "alice");
    (void)client.set_self_status("dropped");
    kept = client.set_self_status("kept");
    CHECK(kept.wait_for(DEADLINE) == std::future_status::ready);
    OK(awaited(client.logout()));
  }
  OK(server.stop(DEADLINE));
  OK(awaited(std::move(kept)));
}

CASE(destroyed_in_its_own_result_callback, "the end begins there, and what was pending is completed afterwards") {
  tim::Server server = tim::Server::start().value();
  Gate gone;
  auto client = std::make_unique<tim::Client>(client_of(server));
  const tim::ClientRef name = client->ref();
  OK(client->on_status_changed([held = token(gone)](const std::vector<tim::UserStatus> &) {}));
  /* Through the name: the client may be destroyed before the call returns. */
  OK(name.login("alice", sig_for(server, "alice"), [&](const tim::Result &result) {
    OK(result);
    FAILS(client->close(DEADLINE), TIM_ERR_WOULD_DEADLOCK);
    client.reset();
    CHECK_EQ(name.login_state().error().code, TIM_ERR_CLOSED);
  }));
  gone.pass();
}

CASE(destroyed_in_its_own_listener_with_calls_pending, "pending callbacks still come, once each, then captures are freed") {
  tim::Server server = tim::Server::start().value();
  constexpr int CALLS = 100;
  std::atomic<int> completed{0};
  Gate gone, ready;
  auto client = std::make_unique<tim::Client>(client_of(server));
  const tim::ClientRef name = client->ref();
  OK(client->on_status_changed([&, name, held = token(gone)](const std::vector<tim::UserStatus> &) {
    if (!client) return;
    ready.pass();
    for (int i = 0; i < CALLS; ++i) OK(name.subscriptions([&](const tim::Result &) { ++completed; }));
    client.reset();
  }));
  OK(client->login("alice", sig_for(server, "alice"), nullptr));
  ready.open();
  gone.pass(); /* listeners go after the results */
  CHECK_EQ(completed.load(), CALLS);
}

CASE(the_last_owner_is_a_capture, "a client that only its own callback keeps alive ends when that callback was called") {
  tim::Server server = tim::Server::start().value();
  Gate gone;
  auto client = std::make_shared<tim::Client>(client_of(server));
  OK(client->on_kicked_offline([held = token(gone)](const tim::Error &) {}));
  const tim::ClientRef name = client->ref();
  OK(name.login("alice", sig_for(server, "alice"), [client = std::move(client)](const tim::Result &result) { OK(result); }));
  gone.pass();
}

CASE(destroyed_in_a_callback_that_shares_its_thread, "with shared delivery one client's callback may end another") {
  tim::Server server = tim::Server::start().value();
  tim::ClientOptions options = options_for(server);
  options.delivery = tim::Delivery::Shared;
  tim::Client one = tim::Client::create(options).value();
  auto other = std::make_unique<tim::Client>(tim::Client::create(options).value());
  Gate gone;
  OK(other->on_kicked_offline([held = token(gone)](const tim::Error &) {}));
  OK(awaited(other->login("bob", sig_for(server, "bob"))));
  OK(one.login("alice", sig_for(server, "alice"), [&](const tim::Result &) { other.reset(); }));
  gone.pass();
}

CASE(close_waits_only_so_long, "a blocked callback: TIM_ERR_TIMEOUT, then again; at last the handle is void") {
  tim::Server server = tim::Server::start().value();
  Gate entered, may_leave;
  tim::Client client = client_of(server);
  OK(client.logout([&](const tim::Result &) {
    entered.open();
    may_leave.pass();
  }));
  entered.pass();
  FAILS(client.close(-1h), TIM_ERR_TIMEOUT); /* nothing is 0 */
  FAILS(client.close(1ms), TIM_ERR_TIMEOUT);
  FAILS(client.login_state(), TIM_ERR_CLOSED);
  FAILS(client.close_async([] { FAIL("a refused close_async was answered"); }), TIM_ERR_CLOSED);
  may_leave.open();
  OK(client.close(std::chrono::hours(24 * 365))); /* longer than C can say, which is as good as for ever */
  FAILS(client.close(0ms), TIM_ERR_INVALID_HANDLE);
  CHECK(client.handle().value != 0); /* and the destructor has nothing to do */
}

CASE(close_async_tells_when_it_is_done, "called once, when all else was; then the destructor does not wait") {
  tim::Server server = tim::Server::start().value();
  Gate gone, closed;
  tim::Client client = online(server, "alice");
  OK(client.on_kicked_offline([held = token(gone)](const tim::Error &) {}));
  OK(client.set_self_status("x", [&](const tim::Result &) {
    OK(client.close_async([&] {
      CHECK(gone.is_open());
      closed.open();
    }));
  }));
  closed.pass();
  FAILS(client.login_state(), TIM_ERR_INVALID_HANDLE);
}

CASE(a_ref_outlives_its_client, "a name of a client that is gone refuses every call, also a listener, which it frees") {
  tim::Server server = tim::Server::start().value();
  tim::ClientRef name;
  Gate freed;
  {
    const tim::Client client = client_of(server);
    name = client.ref();
    OK(name.login_state());
  }
  CHECK(static_cast<bool>(name));
  FAILS(awaited(name.logout()), TIM_ERR_INVALID_HANDLE);
  FAILS(name.on_connection_state([held = token(freed)](tim::ConnectionState, const tim::Error &) {}), TIM_ERR_INVALID_HANDLE);
  CHECK(freed.is_open());
  FAILS(name.poll(0, 0ms), TIM_ERR_INVALID_HANDLE);
}

CASE(racing_calls_and_destructor, "calls of four threads while the client ends: every future becomes ready") {
  tim::Server server = tim::Server::start().value();
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> threads;
    std::vector<std::vector<std::future<tim::Result>>> futures(4);
    {
      tim::Client client = online(server, "alice");
      Gate begun;
      for (auto &mine : futures)
        threads.emplace_back([&mine, &begun, name = client.ref()] {
          for (int i = 0; i < 50; ++i) {
            mine.push_back(name.set_self_status(std::to_string(i)));
            if (i == 10) begun.open();
          }
        });
      begun.pass();
      OK(client.close(DEADLINE));
      for (auto &thread : threads) thread.join();
    }
    for (auto &mine : futures)
      for (auto &future : mine) (void)awaited(std::move(future));
  }
}

CASE(a_forked_child_leaves_the_client_alone, "in the child destructors return at once, and calls answer TIM_ERR_FORKED") {
  tim::Server server = tim::Server::start().value();
  tim::Client client = online(server, "alice");
  const pid_t child = ::fork();
  if (child == 0) {
    FAILS(client.login_state(), TIM_ERR_FORKED);
    { const tim::Client inherited = std::move(client); }
    { const tim::Server inherited = std::move(server); }
    std::_Exit(7);
  }
  int status = 0;
  CHECK(child > 0 && ::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 7);
  OK(awaited(client.set_self_status("the parent goes on")));
}

CASE(a_static_client_ends_after_main, "its destructor runs with those of the program's statics") {
  static tim::Server server = tim::Server::start().value();
  static std::atomic<int> completed{0};
  static tim::Client client = online(server, "alice");
  OK(client.set_self_status("until the end", [](const tim::Result &) { ++completed; }));
}

MAIN
