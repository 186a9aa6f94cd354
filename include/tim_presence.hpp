/*
 * tim_presence.hpp: libtim_presence for C++17 and newer. Header only: include it, link libtim_presence.
 *
 * What user status is, and what a call or an event means, is said in tim_presence.h; this wrapper changes how C++
 * programs hold it and nothing of what it does.
 *
 * OWNERSHIP. A tim::Client is one client and the only owner of it: it can be moved and not copied, and its destructor
 * ends the client and WAITS, as that of std::jthread does, until the last callback has returned. So a callback may
 * capture a reference to anything that outlives the Client: in a class, declare the Client as the last member. Two
 * exceptions. Inside a callback of the client itself nobody can wait for that callback, so there the end goes on after
 * the destructor returned, with calls that still wait completed by TIM_ERR_SHUTDOWN. And in a child made with fork()
 * the destructor does nothing. A tim::ClientRef is a copyable name of a client: every call can be made through it, and
 * once the client is gone they answer TIM_ERR_INVALID_HANDLE. Capture it by value in callbacks. tim::Server owns an
 * embedded server in the same way.
 *
 * ERRORS are values: tim::Error, tim::Expected<T>, tim::Result. They are not exceptions because a call may fail and
 * still bring something (a query of ten unknown users has an answer for each), because most of them arrive on a callback
 * thread where nobody could catch them, and because the header then also serves programs built with -fno-exceptions.
 * Whoever prefers exceptions asks for them: Expected::value() and Result::or_throw() throw tim::Exception.
 *
 * CALLS that have a result come in two forms. With a callback last: the returned Error says whether the call was
 * accepted; if, and only if, it was, the callback is called exactly once. Without one: a std::future, which always
 * becomes ready, at once if the call was refused. Never wait for a future inside a callback: the callback that would
 * make it ready waits behind this one. With poll delivery, poll until it is ready.
 *
 * CALLBACKS are std::function and get copies: keep them, move from them. They run where the option delivery says, one
 * after another; an empty one removes a listener. When a listener was replaced or the client ended, the function and
 * what it captured are destroyed, on the callback thread or inside the call that ends the client. No exception leaves
 * a callback into C: it goes to ClientRef::on_exception, and without that to std::terminate, as from a std::thread.
 *
 * THREADS. Any member of ClientRef and Server may be called from any thread at any time, except that moving, assigning
 * and destroying a C++ object is, as ever, for one thread alone. Texts are UTF-8. A text with a NUL inside is
 * TIM_ERR_INVALID_ARGUMENT, since C would see only its beginning. Out of memory throws std::bad_alloc.
 *
 *     auto server = tim::Server::start().value();
 *     tim::ClientOptions options;
 *     options.server = server.address().value();
 *     options.sdk_app_id = 1400000001;
 *     auto alice = tim::Client::create(options).value();
 *     alice.on_status_changed([](std::vector<tim::UserStatus> changes) {
 *         for (const auto &user : changes) std::cout << user.user_id << ": " << user.custom_status << '\n';
 *     });
 *     alice.login("alice", server.issue_user_sig("alice", std::chrono::hours(1)).value()).get().or_throw();
 *     alice.set_self_status("in a meeting").get().or_throw();
 */

#ifndef TIM_PRESENCE_HPP
#define TIM_PRESENCE_HPP

#include "tim_presence.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <future>
#include <initializer_list>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/** libtim_presence for C++. */
namespace tim {
/** Part of the names that the linker sees, so that code compiled with different major versions can be linked. */
inline namespace v0 {

/* ================================================================================================
 * Values: statuses, results, errors. All are copies that belong to you.
 * ================================================================================================ */

/** What a user is. A number that this version does not know is to be read as Unknown. */
enum class Status : std::int32_t {
  Unknown = TIM_STATUS_UNKNOWN,    /**< Could not be learnt. */
  Online = TIM_STATUS_ONLINE,      /**< At least one device is connected. */
  Offline = TIM_STATUS_OFFLINE,    /**< None is, and at least one went away without logging out. */
  Unlogined = TIM_STATUS_UNLOGINED /**< Every device logged out, or none ever logged in. */
};

/** Why a status last changed. May be a number that only a newer server knows. */
enum class Reason : std::int32_t {
  Unknown = TIM_REASON_UNKNOWN,            /**< Not known. */
  Login = TIM_REASON_LOGIN,                /**< A device logged in. */
  Logout = TIM_REASON_LOGOUT,              /**< The last device logged out. */
  LinkClosed = TIM_REASON_LINK_CLOSED,     /**< The last connection ended. */
  Timeout = TIM_REASON_TIMEOUT,            /**< The last connection fell silent. */
  CustomStatus = TIM_REASON_CUSTOM_STATUS, /**< The custom status was set or cleared. */
  Kicked = TIM_REASON_KICKED,              /**< The backend kicked the account. */
  Expired = TIM_REASON_EXPIRED,            /**< The UserSig of the last device expired. */
  Server = TIM_REASON_SERVER               /**< Registration, restart, deletion of the account. */
};

/** A bit of UserStatus::platforms. */
enum class Platform : std::uint32_t {
  Other = TIM_PLATFORM_OTHER,     /**< None of the others. */
  Ios = TIM_PLATFORM_IOS,         /**< iPhone. */
  Android = TIM_PLATFORM_ANDROID, /**< Android. */
  Web = TIM_PLATFORM_WEB,         /**< A browser. */
  Windows = TIM_PLATFORM_WINDOWS, /**< Windows. */
  Mac = TIM_PLATFORM_MAC,         /**< macOS. */
  Linux = TIM_PLATFORM_LINUX,     /**< Linux. */
  Ipad = TIM_PLATFORM_IPAD        /**< iPad. */
};

/** How the connection to the server is. */
enum class ConnectionState : std::int32_t {
  Disconnected = TIM_CONNECTION_DISCONNECTED, /**< None: before a login, after a logout, between two attempts. */
  Connecting = TIM_CONNECTION_CONNECTING,     /**< One is being made. */
  Connected = TIM_CONNECTION_CONNECTED        /**< Connected and logged in. */
};

/** Whether somebody is logged in. */
enum class LoginState : std::int32_t {
  LoggedOut = TIM_LOGIN_LOGGED_OUT,    /**< Nobody. */
  LoggingIn = TIM_LOGIN_LOGGING_IN,    /**< A login is on its way. */
  LoggedIn = TIM_LOGIN_LOGGED_IN,      /**< Somebody, connected or about to be again. */
  LoggingOut = TIM_LOGIN_LOGGING_OUT   /**< A logout is on its way. */
};

/** How much a line of the log matters. */
enum class LogLevel : std::int32_t {
  Trace = TIM_LOG_TRACE, /**< Everything, down to single frames. May hold user content. */
  Debug = TIM_LOG_DEBUG, /**< What helps to find a mistake. May hold user content. */
  Info = TIM_LOG_INFO,   /**< Few lines: connected, reconnecting, kicked. */
  Warn = TIM_LOG_WARN,   /**< Something is wrong outside the library, and it copes. */
  Error = TIM_LOG_ERROR  /**< A bug of the library. */
};

/** A time by the server's clock. */
using ServerTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

/** How something ended: TIM_OK, or what was wrong. */
struct [[nodiscard]] Error {
  /** TIM_OK, or one of TIM_ERR_*. */
  std::int32_t code = TIM_OK;
  /** What was wrong, for a person; it names the argument or option. Do not compare it: use code. */
  std::string message{};
  /** With TIM_ERR_RATE_LIMITED and TIM_ERR_TOO_MANY_FAILURES: how long to wait before trying again. Else 0. */
  std::chrono::milliseconds retry_after{0};

  /** Whether it is no error. */
  bool ok() const noexcept { return code == TIM_OK; }
  /** The constant, such as "TIM_ERR_BUSY". Static. */
  const char *name() const noexcept { return timErrorName(code); }
  /** Bits TIM_ERROR_FLAG_*. */
  std::int32_t flags() const noexcept { return timErrorFlags(code); }
  /** Whether the same call may succeed later. */
  bool retriable() const noexcept { return (flags() & TIM_ERROR_FLAG_RETRIABLE) != 0; }
  /** Whether the client or session is over. */
  bool fatal() const noexcept { return (flags() & TIM_ERROR_FLAG_FATAL) != 0; }
  /** Whether the calling program has a mistake. */
  bool programming() const noexcept { return (flags() & TIM_ERROR_FLAG_PROGRAMMING) != 0; }
};

/** An error for those who asked to have it thrown: by Expected::value() and Result::or_throw(), and by nothing else. */
class Exception : public std::runtime_error {
public:
  /** Takes the error that what() then tells. */
  explicit Exception(Error error)
      : std::runtime_error(std::string(error.name()) + ": " + error.message), error_(std::move(error)) {}
  /** The error. */
  const Error &error() const noexcept { return error_; }

private:
  Error error_;
};

/** Details of the implementation; may change at any time. */
namespace detail {

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
[[noreturn]] inline void raise(Error error) { throw Exception(std::move(error)); }
#else
[[noreturn]] inline void raise(const Error &) { std::abort(); }
#endif

} // namespace detail

/** A T, or the Error that stands in its place. */
template <class T> class [[nodiscard]] Expected {
public:
  /** A success. */
  Expected(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  /** A failure; the code must not be TIM_OK. */
  Expected(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  /** Whether there is a T. */
  bool ok() const noexcept { return content_.index() == 0; }
  /** As ok(). */
  explicit operator bool() const noexcept { return ok(); }
  /** The error; with the code TIM_OK if there is a T. */
  Error error() const { return ok() ? Error{} : *std::get_if<1>(&content_); }

  /** The T. Throws tim::Exception if there is none; in a program without exceptions, ends it with std::abort. */
  T &value() & { return check(), *std::get_if<0>(&content_); }
  /** See value(). */
  const T &value() const & { return check(), *std::get_if<0>(&content_); }
  /** See value(). */
  T &&value() && { return check(), std::move(*std::get_if<0>(&content_)); }
  /** As value(). */
  T &operator*() & { return value(); }
  /** As value(). */
  const T &operator*() const & { return value(); }
  /** As value(). */
  T &&operator*() && { return std::move(*this).value(); }
  /** As value(). */
  T *operator->() { return &value(); }
  /** As value(). */
  const T *operator->() const { return &value(); }

private:
  void check() const {
    if (!ok()) detail::raise(error());
  }

  std::variant<T, Error> content_;
};

/** One user's status. */
struct UserStatus {
  /** The user. */
  std::string user_id{};
  /** The result for this user: TIM_OK, or why the rest is 0 or "". */
  std::int32_t code = TIM_OK;
  /** The status. */
  Status status = Status::Unknown;
  /** Why the status last changed. */
  Reason reason = Reason::Unknown;
  /** The platforms that are online: bits, see on(). In a notification it may be 0. */
  std::uint32_t platforms = 0;
  /** Orders the states of one user: a higher version is newer. Says nothing across users. */
  std::uint64_t version = 0;
  /** When the status last changed. */
  ServerTime since{};
  /** What the user set with set_self_status; "" if nothing, and always unless Status::Online. */
  std::string custom_status{};

  /** Whether there is an answer for this user. */
  bool ok() const noexcept { return code == TIM_OK; }
  /** Whether the user is online on a platform. */
  bool on(Platform platform) const noexcept { return (platforms & static_cast<std::uint32_t>(platform)) != 0; }
};

/** How a call ended, and what it brought. A call that failed may still bring items: one for each user, with its code. */
struct [[nodiscard]] Result {
  /** How it ended. */
  Error error{};
  /** One entry per user, in the order that the call says. */
  std::vector<UserStatus> items{};
  /** With subscribe: the users who fell off the full list, oldest first. */
  std::vector<std::string> evicted{};

  /** Whether it succeeded. */
  bool ok() const noexcept { return error.ok(); }
  /** The entry of a user, or nullptr. Belongs to this Result. */
  const UserStatus *find(std::string_view user_id) const noexcept {
    for (const UserStatus &item : items)
      if (item.user_id == user_id) return &item;
    return nullptr;
  }
  /** This result, if it succeeded. Else throws tim::Exception; without exceptions, ends the program with std::abort. */
  Result or_throw() && {
    if (!ok()) detail::raise(error);
    return std::move(*this);
  }
};

/** One row of the table of errors. Its texts are static. */
struct ErrorDescription {
  /** The number. */
  std::int32_t code = 0;
  /** Bits TIM_ERROR_FLAG_*. */
  std::int32_t flags = 0;
  /** The constant, such as "TIM_ERR_BUSY". */
  std::string_view name{};
  /** A short text for a person. */
  std::string_view message{};
  /** When it happens and what to do about it. */
  std::string_view details{};
};

/** Receives the result of one call. */
using ResultCallback = std::function<void(Result)>;
/** Receives changes of status: at least one, one per user. See TimStatusFn. */
using StatusCallback = std::function<void(std::vector<UserStatus>)>;
/** Receives changes of the connection, and why it went or an attempt failed. See TimConnectionFn. */
using ConnectionCallback = std::function<void(ConnectionState, Error)>;
/** Receives the news that the server logged this client out, and why. See TimKickedFn. */
using KickedCallback = std::function<void(Error)>;
/** Receives the users that fell off the full subscription list, oldest first. See TimEvictedFn. */
using EvictedCallback = std::function<void(std::vector<std::string>)>;
/** Receives a line of the log, which is valid during the call. See TimLogFn. */
using LogCallback = std::function<void(LogLevel, std::string_view)>;
/** Receives what one of the other callbacks of a client threw. */
using ExceptionCallback = std::function<void(std::exception_ptr)>;
/** Receives nothing but the news. */
using Callback = std::function<void()>;

namespace detail {

/* Fields that a later version adds to a C struct may be read only where its struct_size says that they are there. All
 * that are read here were there in the first version. */

inline UserStatus copied(const TimUserStatus &user) {
  UserStatus copy;
  copy.user_id = user.user_id;
  copy.code = user.code;
  copy.status = static_cast<Status>(user.status);
  copy.reason = static_cast<Reason>(user.reason);
  copy.platforms = user.platforms;
  copy.version = user.version;
  copy.since = ServerTime(std::chrono::milliseconds(user.since_ms));
  copy.custom_status = user.custom_status;
  return copy;
}

inline std::vector<UserStatus> copied(const TimUserStatus *const *users, std::size_t count) {
  std::vector<UserStatus> copies;
  copies.reserve(count);
  for (std::size_t i = 0; i < count; ++i) copies.push_back(copied(*users[i]));
  return copies;
}

inline std::vector<std::string> copied(const char *const *texts, std::size_t count) {
  std::vector<std::string> copies;
  copies.reserve(count);
  for (std::size_t i = 0; i < count; ++i) copies.emplace_back(texts[i]);
  return copies;
}

inline Result copied(const TimResult &result) {
  Result copy;
  copy.error.code = result.code;
  copy.error.message = result.message;
  copy.error.retry_after = std::chrono::milliseconds(result.retry_after_ms);
  copy.items = copied(result.items, result.item_count);
  copy.evicted = copied(result.evicted, result.evicted_count);
  return copy;
}

/* The error of a call that returned `code` on this thread just now. */
inline Error error_of(std::int32_t code) {
  Error error;
  error.code = code;
  if (code == TIM_OK) return error;
  char text[512] = "";
  if (timLastErrorMessage(text, sizeof text, nullptr) != TIM_OK || text[0] == 0) error.message = timErrorMessage(code);
  else error.message = text;
  return error;
}

struct Argument {
  const char *name;
  const std::string &text;
};

/* C would see only what comes before a NUL, so a text that holds one is refused here. */
inline Error checked(std::initializer_list<Argument> arguments) {
  for (const Argument &argument : arguments)
    if (argument.text.find('\0') != std::string::npos)
      return Error{TIM_ERR_INVALID_ARGUMENT, std::string(argument.name) + " holds a NUL", std::chrono::milliseconds(0)};
  return Error{};
}

inline std::uint32_t clamped(std::chrono::milliseconds time) noexcept {
  constexpr auto longest = std::numeric_limits<std::uint32_t>::max();
  if (time.count() <= 0) return 0;
  if (time.count() >= static_cast<std::chrono::milliseconds::rep>(longest)) return longest;
  return static_cast<std::uint32_t>(time.count());
}

/* A text that C copies into a buffer. `copy` is one of the functions with (buf, capacity, needed). */
template <class Copy> Expected<std::string> text_from(std::size_t capacity, Copy copy) {
  constexpr std::size_t spare = 16; /* what a text may grow by between two calls */
  std::string text(capacity, '\0');
  std::size_t needed = 0;
  std::int32_t code = copy(&text[0], text.size(), &needed);
  while (code == TIM_ERR_BUFFER_TOO_SMALL && needed > text.size()) {
    text.resize(needed + spare);
    code = copy(&text[0], text.size(), &needed);
  }
  if (code != TIM_OK) return error_of(code);
  text.resize(std::strlen(text.c_str()));
  return text;
}

/* What a Client, its ClientRefs and its callbacks share. */
struct Core {
  explicit Core(TimClient client) : handle(client) {}

  const TimClient handle;
  /* The Client was destroyed in a callback of its own, so somebody else must complete that: see ClientRef::poll. */
  std::atomic<bool> abandoned{false};
  std::mutex mutex;
  std::shared_ptr<const ExceptionCallback> on_exception; /* guarded by mutex */

  std::shared_ptr<const ExceptionCallback> exception_callback() {
    const std::lock_guard<std::mutex> lock(mutex);
    return on_exception;
  }
};

/* Waits until the client is gone, or starts its end where that cannot be waited for. */
inline void end(Core &core) noexcept {
  std::int32_t code = TIM_ERR_TIMEOUT;
  while (code == TIM_ERR_TIMEOUT) code = timClientDestroy(core.handle, std::numeric_limits<std::uint32_t>::max());
  if (code != TIM_ERR_WOULD_DEADLOCK) return; /* gone now, gone already, or the parent's (TIM_ERR_FORKED) */
  core.abandoned.store(true);
  /* A refusal means that its end was started before, which is all that is wanted. */
  static_cast<void>(timClientDestroyAsync(core.handle, nullptr, nullptr));
}

/* A callback on its way through C as user_data. `function` goes first: destroying it may destroy the Client. */
template <class Function> struct Listener {
  std::shared_ptr<Core> core;
  Function function;
};

struct ThreadHooks {
  Callback on_start, on_stop;
};

/* The wall between the program's callbacks and C. */
template <class Body> void guarded(Core &core, Body body) noexcept {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
  try {
    body();
  } catch (...) {
    const auto on_exception = core.exception_callback();
    if (!on_exception) std::terminate();
    (*on_exception)(std::current_exception());
  }
#else
  static_cast<void>(core);
  body();
#endif
}

/* The functions that C calls. That they are not `extern "C"` is without effect on every compiler that C and C++ share
 * a calling convention on, and spares the program a dozen global names. */

template <class Function> void free_listener(void *user_data) noexcept { delete static_cast<Listener<Function> *>(user_data); }

inline void result_came(const TimResult *result, void *user_data) noexcept {
  const std::unique_ptr<Listener<ResultCallback>> listener(static_cast<Listener<ResultCallback> *>(user_data));
  guarded(*listener->core, [&] { listener->function(copied(*result)); });
}

inline void promise_kept(const TimResult *result, void *user_data) noexcept {
  const std::unique_ptr<std::promise<Result>> promise(static_cast<std::promise<Result> *>(user_data));
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
  try {
    promise->set_value(copied(*result));
  } catch (...) { /* no memory for the copy */
    promise->set_exception(std::current_exception());
  }
#else
  promise->set_value(copied(*result));
#endif
}

inline void closed(void *user_data) noexcept {
  const std::unique_ptr<Listener<Callback>> listener(static_cast<Listener<Callback> *>(user_data));
  guarded(*listener->core, [&] { listener->function(); });
}

inline void status_changed(const TimUserStatus *const *changes, std::size_t count, void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<StatusCallback> *>(user_data);
  guarded(*listener.core, [&] { listener.function(copied(changes, count)); });
}

inline void connection_changed(std::int32_t state, std::int32_t code, const char *message, void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<ConnectionCallback> *>(user_data);
  guarded(*listener.core, [&] {
    listener.function(static_cast<ConnectionState>(state), Error{code, message, std::chrono::milliseconds(0)});
  });
}

inline void kicked(std::int32_t code, const char *message, void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<KickedCallback> *>(user_data);
  guarded(*listener.core, [&] { listener.function(Error{code, message, std::chrono::milliseconds(0)}); });
}

inline void evicted(const char *const *user_ids, std::size_t count, void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<EvictedCallback> *>(user_data);
  guarded(*listener.core, [&] { listener.function(copied(user_ids, count)); });
}

inline void logged(std::int32_t level, const char *message, void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<LogCallback> *>(user_data);
  guarded(*listener.core, [&] { listener.function(static_cast<LogLevel>(level), message); });
}

inline void happened(void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<Callback> *>(user_data);
  guarded(*listener.core, [&] { listener.function(); });
}

inline void thread_started(void *user_data) noexcept {
  const auto &hooks = *static_cast<Listener<ThreadHooks> *>(user_data);
  guarded(*hooks.core, [&] { hooks.function.on_start(); });
}

inline void thread_stops(void *user_data) noexcept {
  const auto &hooks = *static_cast<Listener<ThreadHooks> *>(user_data);
  guarded(*hooks.core, [&] { hooks.function.on_stop(); });
}

inline void append_json(std::string &json, std::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  json += '"';
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') (json += '\\') += character;
    else if (byte < 0x20) ((json += "\\u00") += hex[byte >> 4]) += hex[byte & 15];
    else json += character;
  }
  json += '"';
}

} // namespace detail

