// Listeners: what each is told, that it owns what it gets, and what becomes of exceptions.
#include <atomic>
#include <stdexcept>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "check.hpp"

namespace {

/// Runs something in a forked child that must end through std::terminate.
void check_terminates(const std::function<void()> &run) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::set_terminate([] { std::_Exit(42); });
    run();
    std::_Exit(0);
  }
  int status = 0;
  CHECK(child > 0 && ::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 42);
}

std::string text_of(const std::exception_ptr &thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception &exception) {
    return exception.what();
  } catch (...) {
    return "something else";
  }
}

} // namespace

CASE(changes_are_copies, "R6.1, R6.7: what a listener is given may be kept after it returned") {
  tim::Server server = tim::Server::start().value();
  Inbox<tim::UserStatus> told;
  tim::Client alice = online(server, "alice");
  OK(alice.on_status_changed([&](std::vector<tim::UserStatus> changes) {
    for (auto &change : changes) told.put(std::move(change));
  }));
  OK(awaited(alice.subscribe({"bob"})));
  const auto of_bob = [](const tim::UserStatus &change) { return change.user_id == "bob"; };
  {
    tim::Client bob = online(server, "bob");
    const tim::UserStatus came = told.take_until(of_bob);
    CHECK(came.status == tim::Status::Online && came.reason == tim::Reason::Login && came.ok());
    OK(awaited(bob.set_self_status("a text that is longer than any small string is stored in place")));
    const tim::UserStatus set = told.take_until(of_bob);
    CHECK_EQ(set.custom_status, "a text that is longer than any small string is stored in place");
    CHECK(set.reason == tim::Reason::CustomStatus && set.version > came.version);
    OK(awaited(bob.logout()));
    const tim::UserStatus left = told.take_until(of_bob);
    CHECK(left.status == tim::Status::Unlogined && left.reason == tim::Reason::Logout && left.custom_status.empty());
  }
  OK(alice.close(DEADLINE));
}

CASE(the_connection_is_told, "states come with the reason that a connection went") {
  tim::Server server = tim::Server::start().value();
  Inbox<std::pair<tim::ConnectionState, tim::Error>> states;
  tim::Client alice = client_of(server);
  OK(alice.on_connection_state([&](tim::ConnectionState state, tim::Error why) { states.put({state, std::move(why)}); }));
  OK(awaited(alice.login("alice", sig_for(server, "alice"))));
  CHECK(states.take().first == tim::ConnectionState::Connecting);
  CHECK(states.take().first == tim::ConnectionState::Connected);
  OK(server.stop(DEADLINE));
  const auto lost = states.take();
  CHECK(lost.first != tim::ConnectionState::Connected && lost.second.code != TIM_OK && !lost.second.message.empty());
  OK(alice.close(DEADLINE));
}

CASE(a_kick_is_told, "R8.3: the displaced device hears 6208 and is logged out") {
  tim::Server server = tim::Server::start(R"({"multi_login": "single"})").value();
  Inbox<tim::Error> kicks;
  tim::Client first = online(server, "alice");
  OK(first.on_kicked_offline([&](tim::Error why) { kicks.put(std::move(why)); }));
  const tim::Client second = online(server, "alice");
  FAILS(kicks.take(), TIM_ERR_KICKED_OFFLINE);
  CHECK(first.login_state().value() == tim::LoginState::LoggedOut);
  OK(first.close(DEADLINE));
}

CASE(an_expired_user_sig_is_told, "R8.4: the listener hears it, and the client can log in again") {
  tim::Server server = tim::Server::start().value();
  Gate expired;
  tim::Client alice = client_of(server);
  OK(alice.on_user_sig_expired([&] { expired.open(); }));
  OK(awaited(alice.login("alice", server.issue_user_sig("alice", 1s).value())));
  expired.pass();
  OK(awaited(alice.login("alice", sig_for(server, "alice"))));
  OK(alice.close(DEADLINE));
}

CASE(log_lines_come_from_a_level_on, "lines of the asked level; the UserSig is in none of them") {
  tim::Server server = tim::Server::start().value();
  Inbox<std::string> lines;
  std::atomic<bool> leaked{false}, below{false};
  const std::string user_sig = sig_for(server, "alice");
  tim::Client alice = client_of(server);
  OK(alice.on_log(tim::LogLevel::Debug, [&](tim::LogLevel level, std::string_view line) {
    if (line.find(user_sig) != std::string_view::npos) leaked = true;
    if (level < tim::LogLevel::Debug) below = true;
    lines.put(std::string(line));
  }));
  OK(awaited(alice.login("alice", user_sig)));
  CHECK(!lines.take().empty());
  FAILS(alice.on_log(static_cast<tim::LogLevel>(9), [](tim::LogLevel, std::string_view) {}), TIM_ERR_INVALID_ARGUMENT);
  OK(alice.close(DEADLINE));
  CHECK(!leaked && !below);
}

CASE(thread_hooks_frame_the_callbacks, "start and end run on the thread that callbacks run on; either may be missing") {
  tim::Server server = tim::Server::start().value();
  std::thread::id started, called, stopped;
  bool only_stop = false, only_start = false;
  {
    tim::Client client = client_of(server);
    OK(client.on_thread([&] { started = std::this_thread::get_id(); }, [&] { stopped = std::this_thread::get_id(); }));
    OK(client.logout([&](const tim::Result &) { called = std::this_thread::get_id(); }));
  }
  CHECK(started == called && stopped == called && called != std::thread::id() && called != std::this_thread::get_id());
  {
    tim::Client client = client_of(server);
    OK(client.on_thread([&] { only_start = true; }, nullptr));
    FAILS(awaited(client.logout()), TIM_ERR_NOT_LOGGED_IN);
  }
  {
    tim::Client client = client_of(server);
    OK(client.on_thread(nullptr, [&] { only_stop = true; }));
    FAILS(awaited(client.logout()), TIM_ERR_NOT_LOGGED_IN);
  }
  CHECK(only_start && only_stop);
  Gate removed;
  tim::Client client = client_of(server);
  OK(client.on_thread([held = token(removed)] {}, nullptr));
  OK(client.on_thread(nullptr, nullptr));
  removed.pass();
}

CASE(an_exception_goes_to_its_listener, "from each kind of callback; delivery goes on, and C never sees it") {
  tim::Server server = tim::Server::start().value();
  Inbox<std::string> thrown;
  Gate closed;
  tim::Client alice = client_of(server);
  OK(alice.on_exception([&](std::exception_ptr exception) { thrown.put(text_of(exception)); }));
  OK(alice.on_thread([] { throw std::runtime_error("thread"); }, nullptr));
  OK(alice.on_connection_state([](tim::ConnectionState state, const tim::Error &) {
    if (state == tim::ConnectionState::Connected) throw std::runtime_error("connection");
  }));
  OK(alice.on_status_changed([](const std::vector<tim::UserStatus> &) { throw std::runtime_error("status"); }));
  OK(alice.login("alice", sig_for(server, "alice"), [](const tim::Result &) { throw std::runtime_error("result"); }));
  std::map<std::string, int> kinds;
  while (kinds.size() < 4) ++kinds[thrown.take()];
  CHECK(kinds.count("thread") && kinds.count("connection") && kinds.count("status") && kinds.count("result"));
  OK(awaited(alice.set_self_status("the client is as well as before")));
  OK(alice.on_log(tim::LogLevel::Info, [](tim::LogLevel, std::string_view) { throw 7; }));
  OK(awaited(alice.logout()));
  thrown.take_until([](const std::string &text) { return text == "something else"; });
  OK(alice.on_log(tim::LogLevel::Error, nullptr));
  OK(alice.close_async([&closed] {
    closed.open();
    throw std::runtime_error("closed");
  }));
  closed.pass();
  thrown.take_until([](const std::string &text) { return text == "closed"; });
}

CASE(an_exception_without_a_listener_terminates, "as one that leaves a std::thread; also one that on_exception throws") {
  check_terminates([] {
    tim::Server server = tim::Server::start().value();
    tim::Client alice = client_of(server);
    OK(alice.logout([](const tim::Result &) { throw std::runtime_error("unheard"); }));
    OK(alice.close(DEADLINE));
  });
  check_terminates([] {
    tim::Server server = tim::Server::start().value();
    tim::Client alice = client_of(server);
    OK(alice.on_exception([](std::exception_ptr) {}));
    OK(alice.on_exception([](std::exception_ptr) { throw std::runtime_error("again"); }));
    OK(alice.logout([](const tim::Result &) { throw std::runtime_error("first"); }));
    OK(alice.close(DEADLINE));
  });
}

CASE(calls_from_callbacks, "every call may be made inside a callback, and a listener may replace itself") {
  tim::Server server = tim::Server::start().value();
  tim::Client alice = client_of(server);
  const tim::ClientRef name = alice.ref();
  Gate replaced, second, done;
  OK(alice.on_status_changed([name, &second, held = token(replaced)](const std::vector<tim::UserStatus> &) {
    OK(name.on_status_changed([&second](const std::vector<tim::UserStatus> &) { second.open(); }));
    OK(name.set_self_status("from inside", nullptr));
  }));
  OK(alice.login("alice", sig_for(server, "alice"), [name, &done](const tim::Result &result) {
    OK(result);
    CHECK_EQ(name.login_user().value(), "alice");
    OK(name.user_status({"alice"}, [&done](const tim::Result &inner) {
      OK(inner);
      done.open();
    }));
  }));
  done.pass();
  replaced.pass();
  second.pass();
  OK(alice.close(DEADLINE));
}

MAIN
