// Poll delivery: callbacks on a thread of one's own, and a Client that is destroyed around or inside a poll.
#include <atomic>
#include <vector>

#include <poll.h>

#include "check.hpp"

namespace {

tim::Client polled_client(const tim::Server &server) {
  tim::ClientOptions options = options_for(server);
  options.delivery = tim::Delivery::Poll;
  return tim::Client::create(options).value();
}

/// Polls until something is so.
template <class Done> void poll_until(const tim::ClientRef &client, Done done) {
  const auto give_up = std::chrono::steady_clock::now() + DEADLINE;
  while (!done()) {
    if (std::chrono::steady_clock::now() > give_up) FAIL("polling brought nothing");
    OK(client.poll(0, 100ms));
  }
}

tim::Result polled(const tim::ClientRef &client, std::future<tim::Result> future) {
  poll_until(client, [&future] { return future.wait_for(0s) == std::future_status::ready; });
  return future.get();
}

bool readable(int fd, std::chrono::milliseconds timeout) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(timeout.count())) == 1 && (entry.revents & POLLIN) != 0;
}

} // namespace

CASE(callbacks_run_inside_poll, "on the polling thread and nowhere else; a future becomes ready by polling") {
  tim::Server server = tim::Server::start().value();
  tim::Client alice = polled_client(server);
  std::vector<std::thread::id> threads;
  OK(alice.on_status_changed([&](const std::vector<tim::UserStatus> &) { threads.push_back(std::this_thread::get_id()); }));
  OK(polled(alice, alice.login("alice", sig_for(server, "alice"))));
  poll_until(alice, [&threads] { return !threads.empty(); });
  OK(alice.on_status_changed(nullptr));
  for (const auto &thread : threads) CHECK(thread == std::this_thread::get_id());
}

CASE(max_events_is_kept, "one at a time, and then none") {
  tim::Server server = tim::Server::start().value();
  tim::Client alice = polled_client(server);
  int results = 0;
  for (int i = 0; i < 3; ++i) OK(alice.logout([&](const tim::Result &) { ++results; }));
  for (int expected = 1; expected <= 3; ++expected) {
    CHECK_EQ(alice.poll(1, DEADLINE).value(), 1U);
    CHECK_EQ(results, expected);
  }
  CHECK_EQ(alice.poll(0, -1s).value(), 0U);
}

CASE(the_wake_fd_is_readable_while_something_waits, "poll(2) sees it, and not after everything was handled") {
  tim::Server server = tim::Server::start().value();
  tim::Client alice = polled_client(server);
  const int fd = alice.wake_fd().value();
  CHECK(fd >= 0 && !readable(fd, 0ms));
  Gate result;
  OK(alice.logout([&](const tim::Result &) { result.open(); }));
  CHECK(readable(fd, DEADLINE));
  poll_until(alice, [&] { return result.is_open(); });
  CHECK(!readable(fd, 0ms));
}

CASE(the_wake_callback_signals, "it is called when callbacks wait, and freed in a poll after it was removed") {
  tim::Server server = tim::Server::start().value();
  tim::Client alice = polled_client(server);
  Gate woken, gone;
  bool answered = false;
  OK(alice.on_wake([&woken, held = token(gone)] { woken.open(); }));
  OK(alice.logout([&](const tim::Result &) { answered = true; }));
  woken.pass();
  poll_until(alice, [&] { return answered; });
  OK(alice.on_wake(nullptr));
  poll_until(alice, [&] { return gone.is_open(); });
}

CASE(other_deliveries_refuse, "poll, wake_fd and on_wake answer TIM_ERR_UNSUPPORTED") {
  tim::Server server = tim::Server::start().value();
  const tim::Client alice = client_of(server);
  FAILS(alice.poll(0, 0ms), TIM_ERR_UNSUPPORTED);
  FAILS(alice.wake_fd(), TIM_ERR_UNSUPPORTED);
  FAILS(alice.on_wake([] {}), TIM_ERR_UNSUPPORTED);
}

CASE(a_second_poll_is_refused, "TIM_ERR_BUSY, inside a callback and on another thread") {
  tim::Server server = tim::Server::start().value();
  tim::Client alice = polled_client(server);
  bool answered = false;
  OK(alice.logout([&](const tim::Result &) {
    FAILS(alice.poll(0, 0ms), TIM_ERR_BUSY);
    std::thread([&] { FAILS(alice.poll(0, 0ms), TIM_ERR_BUSY); }).join();
    answered = true;
  }));
  poll_until(alice, [&] { return answered; });
}

CASE(an_exception_does_not_leave_poll, "it goes to on_exception; poll counts the callback as handled") {
  tim::Server server = tim::Server::start().value();
  tim::Client alice = polled_client(server);
  int caught = 0;
  OK(alice.on_exception([&](std::exception_ptr) { ++caught; }));
  OK(alice.logout([](const tim::Result &) { throw 1; }));
  CHECK_EQ(alice.poll(0, DEADLINE).value(), 1U);
  CHECK_EQ(caught, 1);
}

CASE(the_destructor_delivers_the_rest, "what nobody polled is called by the destructor, on its thread") {
  tim::Server server = tim::Server::start().value();
  std::vector<std::future<tim::Result>> futures;
  int called = 0;
  const std::thread::id here = std::this_thread::get_id();
  Gate gone;
  {
    tim::Client alice = polled_client(server);
    OK(alice.on_kicked_offline([held = token(gone)](const tim::Error &) {}));
    for (int i = 0; i < 10; ++i) futures.push_back(alice.logout());
    OK(alice.login("alice", sig_for(server, "alice"), [&](const tim::Result &) {
      CHECK(std::this_thread::get_id() == here);
      ++called;
    }));
  }
  CHECK_EQ(called, 1);
  CHECK(gone.is_open());
  for (auto &future : futures) CHECK(future.wait_for(0s) == std::future_status::ready);
}

CASE(a_destructor_ends_a_poll_that_waits, "the waiting thread gets TIM_ERR_CLOSED") {
  tim::Server server = tim::Server::start().value();
  Inbox<std::int32_t> ends;
  std::thread poller;
  {
    tim::Client alice = polled_client(server);
    Gate inside;
    OK(alice.logout([&](const tim::Result &) { inside.open(); }));
    poller = std::thread([name = alice.ref(), &ends] {
      tim::Expected<std::size_t> handled = std::size_t{0};
      while (handled) handled = name.poll(0, DEADLINE);
      ends.put(handled.error().code);
    });
    inside.pass();
  }
  poller.join();
  const std::int32_t end = ends.take();
  CHECK(end == TIM_ERR_CLOSED || end == TIM_ERR_INVALID_HANDLE); /* the latter if it was between two polls */
}

CASE(destroyed_inside_a_close, "whose callbacks run on this thread: it still says that the client is gone") {
  tim::Server server = tim::Server::start().value();
  auto alice = std::make_unique<tim::Client>(polled_client(server));
  Gate gone;
  OK(alice->on_exception([held = token(gone)](std::exception_ptr) {}));
  OK(alice->logout([&alice](const tim::Result &) { alice.reset(); }));
  OK(alice->close(DEADLINE));
  CHECK(!alice && gone.is_open());
}

CASE(destroyed_inside_a_poll, "that poll completes the end: pending results come, captures are freed, then TIM_ERR_CLOSED") {
  tim::Server server = tim::Server::start().value();
  Gate gone;
  int pending = 0;
  auto alice = std::make_unique<tim::Client>(polled_client(server));
  const tim::ClientRef name = alice->ref();
  OK(alice->on_kicked_offline([held = token(gone)](const tim::Error &) {}));
  OK(alice->login("alice", sig_for(server, "alice"), [&](const tim::Result &result) {
    OK(result);
    for (int i = 0; i < 10; ++i) OK(name.subscriptions([&](const tim::Result &) { ++pending; }));
    alice.reset();
  }));
  tim::Expected<std::size_t> handled = std::size_t{0};
  /* Through the client itself as long as there is one, as a program's loop would. */
  while (handled) handled = alice->poll(0, DEADLINE);
  FAILS(handled, TIM_ERR_CLOSED);
  CHECK(gone.is_open() && alice == nullptr);
  CHECK_EQ(pending, 10);
  FAILS(name.poll(0, 0ms), TIM_ERR_INVALID_HANDLE);
}

MAIN
