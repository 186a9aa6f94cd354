// What every C++ test shares: cases, checks, things to await, and clients of an embedded server.
//
// A case is a function that returns when all is well and ends the process with a text when not. ctest runs each in a
// process of its own (`cpp.<compiler>.<program>.<case>`), under AddressSanitizer with its leak check and UBSan, so every
// case ends its clients: what is lost is a failure. Nothing sleeps; whatever must happen is awaited for DEADLINE.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

#include "tim_presence.hpp"

using namespace std::chrono_literals;

/// How long anything may take that must happen. Generous: a passing test never waits for it.
constexpr std::chrono::milliseconds DEADLINE = 20s;

[[noreturn]] inline void fail(const char *file, int line, const std::string &text) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, text.c_str());
  std::fflush(stderr);
  std::_Exit(1);
}

#define FAIL(text) fail(__FILE__, __LINE__, (text))
#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition)) FAIL("not true: " #condition);                                                                   \
  } while (0)
#define CHECK_EQ(actual, expected) check_equal((actual), (expected), #actual, __FILE__, __LINE__)
/// An Error, Expected or Result that must be a success.
#define OK(what) check_code(code_of(what), TIM_OK, #what, __FILE__, __LINE__)
/// One that must be a failure with this code, and say something.
#define FAILS(what, code) check_code(code_of(what), code, #what, __FILE__, __LINE__)

template <class Actual, class Expected>
void check_equal(const Actual &actual, const Expected &expected, const char *what, const char *file, int line) {
  if (actual == expected) return;
  std::ostringstream text;
  text << what << " is " << actual << ", not " << expected;
  fail(file, line, text.str());
}

inline tim::Error code_of(const tim::Error &error) { return error; }
inline tim::Error code_of(const tim::Result &result) { return result.error; }
template <class T> tim::Error code_of(const tim::Expected<T> &expected) { return expected.error(); }

inline void check_code(const tim::Error &error, std::int32_t code, const char *what, const char *file, int line) {
  if (error.code != code)
    fail(file, line, std::string(what) + ": " + error.name() + " (" + error.message + "), not " + timErrorName(code));
  if (code != TIM_OK && error.message.empty()) fail(file, line, std::string(what) + " failed without a text");
}

// ---- cases ----

using Cases = std::map<std::string, std::function<void()>>;

inline Cases &cases() {
  static Cases all;
  return all;
}

struct Registered {
  Registered(const char *name, void (*run)()) { cases()[name] = run; }
};

/// Defines a case; the sentence says what it proves.
#define CASE(name, sentence)                                                                                           \
  static void case_##name();                                                                                           \
  static const Registered registered_##name(#name, case_##name);                                                       \
  static void case_##name()

/// Runs the case that the command line names.
inline int run_case(int argc, char **argv) {
  const auto found = argc == 2 ? cases().find(argv[1]) : cases().end();
  if (found == cases().end()) {
    std::fprintf(stderr, "usage: %s CASE\n", argv[0]);
    for (const auto &known : cases()) std::fprintf(stderr, "  %s\n", known.first.c_str());
    return 2;
  }
  found->second();
  return 0;
}

#define MAIN                                                                                                           \
  int main(int argc, char **argv) { return run_case(argc, argv); }

// ---- awaiting ----

/// What callbacks put in, in order, and the case takes out.
template <class T> class Inbox {
public:
  void put(T item) {
    const std::lock_guard<std::mutex> lock(mutex_);
    items_.push_back(std::move(item));
    arrived_.notify_all();
  }
  /// The next item; fails if none comes.
  T take() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!arrived_.wait_for(lock, DEADLINE, [this] { return !items_.empty(); })) FAIL("nothing arrived");
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }
  /// The next item that fits; those before it are dropped.
  template <class Fits> T take_until(Fits fits) {
    for (;;) {
      T item = take();
      if (fits(item)) return item;
    }
  }
  std::size_t size() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return items_.size();
  }

private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<T> items_;
};

/// Closed until it is opened; then open for good.
class Gate {
public:
  void open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!opened_.wait_for(lock, DEADLINE, [this] { return open_; })) FAIL("the gate was not opened");
  }
  bool is_open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return open_;
  }

private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

/// Something for a callback to capture: `gone` opens when the last copy was destroyed.
inline std::shared_ptr<int> token(Gate &gone) {
  return std::shared_ptr<int>(new int(0), [&gone](int *value) {
    delete value;
    gone.open();
  });
}

inline tim::Result awaited(std::future<tim::Result> future) {
  if (future.wait_for(DEADLINE) != std::future_status::ready) FAIL("a future was not made ready");
  return future.get();
}

// ---- a server and its clients ----

inline tim::ClientOptions options_for(const tim::Server &server) {
  tim::ClientOptions options;
  options.server = server.address().value();
  options.sdk_app_id = 1400000001;
  return options;
}

inline std::string sig_for(const tim::Server &server, const std::string &user) {
  return server.issue_user_sig(user, 1h).value();
}

inline tim::Client client_of(const tim::Server &server) { return tim::Client::create(options_for(server)).value(); }

inline tim::Client online(const tim::Server &server, const std::string &user) {
  tim::Client client = client_of(server);
  OK(awaited(client.login(user, sig_for(server, user))));
  return client;
}
