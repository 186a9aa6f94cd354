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
 * still bring something (a query of ten unknown users has an answer for each), because most of them arrive on a
 * callback thread where nobody could catch them, and because programs built with -fno-exceptions can then use it too.
 * Whoever prefers exceptions asks for them: Expected::value(), Result::or_throw() and Error::or_throw() throw
 * tim::Exception.
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
 *     }).or_throw();
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

/** What a user is. */
enum class Status : std::int32_t {
  Unknown = TIM_STATUS_UNKNOWN,    /**< Could not be learnt, or is known to a newer server only. */
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
  LoggedOut = TIM_LOGIN_LOGGED_OUT,  /**< Nobody. */
  LoggingIn = TIM_LOGIN_LOGGING_IN,  /**< A login is on its way. */
  LoggedIn = TIM_LOGIN_LOGGED_IN,    /**< Somebody, connected or about to be again. */
  LoggingOut = TIM_LOGIN_LOGGING_OUT /**< A logout is on its way. */
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
  /** Nothing if it is no error. Else throws tim::Exception; without exceptions, ends the program with std::abort. */
  void or_throw() const;
};

/** An error for those who asked to have it thrown: by value() and or_throw(), and by nothing else. */
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

inline void Error::or_throw() const {
  if (!ok()) detail::raise(*this);
}

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

/** How a call ended, and what it brought: a call that failed may still have an item for each user, with its code. */
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
  Result &&or_throw() && {
    error.or_throw();
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

/* Where a client's callbacks put what they throw. Kept by the Client and by each of its callbacks that C has, so it goes
 * when nothing of the client can throw any more. */
class Exceptions {
public:
  std::shared_ptr<const ExceptionCallback> callback() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return callback_;
  }
  void replace(std::shared_ptr<const ExceptionCallback> callback) {
    const std::lock_guard<std::mutex> lock(mutex_);
    callback_.swap(callback); /* the old one is destroyed by the caller, without the lock */
  }

private:
  std::mutex mutex_;
  std::shared_ptr<const ExceptionCallback> callback_;
};

/* What a Client and its ClientRefs share. It does not keep the exceptions, whose callback may have captured a ClientRef. */
struct Core {
  /* Both set before anybody else knows the Core, and then never changed. */
  TimClient handle = 0;
  std::weak_ptr<Exceptions> exceptions;
  /* The Client was destroyed in a callback of its own, so somebody else must complete that: see ClientRef::poll. */
  std::atomic<bool> abandoned{false};
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
  std::shared_ptr<Exceptions> exceptions;
  Function function;
};

struct ThreadHooks {
  Callback on_start, on_stop;
};

/* The wall between the program's callbacks and C. */
template <class Body> void guarded(Exceptions &exceptions, Body body) noexcept {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
  try {
    body();
  } catch (...) {
    const auto on_exception = exceptions.callback();
    if (!on_exception) std::terminate();
    (*on_exception)(std::current_exception());
  }
#else
  static_cast<void>(exceptions);
  body();
#endif
}

/* The functions that C calls. That they are not `extern "C"` is without effect on every compiler that C and C++ share
 * a calling convention on, and spares the program a dozen global names. */

template <class Function> void free_listener(void *user_data) noexcept {
  delete static_cast<Listener<Function> *>(user_data);
}

inline void result_came(const TimResult *result, void *user_data) noexcept {
  const std::unique_ptr<Listener<ResultCallback>> listener(static_cast<Listener<ResultCallback> *>(user_data));
  guarded(*listener->exceptions, [&] { listener->function(copied(*result)); });
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
  guarded(*listener->exceptions, [&] { listener->function(); });
}

inline void status_changed(const TimUserStatus *const *changes, std::size_t count, void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<StatusCallback> *>(user_data);
  guarded(*listener.exceptions, [&] { listener.function(copied(changes, count)); });
}

inline void connection_changed(std::int32_t state, std::int32_t code, const char *message, void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<ConnectionCallback> *>(user_data);
  guarded(*listener.exceptions, [&] {
    listener.function(static_cast<ConnectionState>(state), Error{code, message, std::chrono::milliseconds(0)});
  });
}

inline void kicked(std::int32_t code, const char *message, void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<KickedCallback> *>(user_data);
  guarded(*listener.exceptions, [&] { listener.function(Error{code, message, std::chrono::milliseconds(0)}); });
}

inline void evicted(const char *const *user_ids, std::size_t count, void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<EvictedCallback> *>(user_data);
  guarded(*listener.exceptions, [&] { listener.function(copied(user_ids, count)); });
}

inline void logged(std::int32_t level, const char *message, void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<LogCallback> *>(user_data);
  guarded(*listener.exceptions, [&] { listener.function(static_cast<LogLevel>(level), message); });
}

inline void happened(void *user_data) noexcept {
  const auto &listener = *static_cast<Listener<Callback> *>(user_data);
  guarded(*listener.exceptions, [&] { listener.function(); });
}

inline void thread_started(void *user_data) noexcept {
  const auto &hooks = *static_cast<Listener<ThreadHooks> *>(user_data);
  guarded(*hooks.exceptions, [&] { hooks.function.on_start(); });
}

inline void thread_stops(void *user_data) noexcept {
  const auto &hooks = *static_cast<Listener<ThreadHooks> *>(user_data);
  guarded(*hooks.exceptions, [&] { hooks.function.on_stop(); });
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

/* ================================================================================================
 * Clients.
 * ================================================================================================ */

/** A client's number in the C interface: for calling C functions. Not to be confused with a ServerHandle. */
struct ClientHandle {
  /** What C calls a TimClient; 0 is none. */
  TimClient value = 0;
};

/** Where callbacks run. */
enum class Delivery {
  Thread, /**< On a thread of the client's own: the default. */
  Shared, /**< On one thread for all such clients of the process. */
  Poll    /**< Inside ClientRef::poll. */
};

/** The options of a client: docs/C_API.md, "Options of a client". What is not set has the default from there. */
struct ClientOptions {
  /** Where the server is: "tim://host:port", "tims://host:port" for TLS, tim+ws and tims+ws for WebSocket. Required. */
  std::string server{};
  /** The app: 1 to 2^53-1. Required. */
  std::uint64_t sdk_app_id = 0;
  /** The kind of device, such as "Linux"; the default is the system's. */
  std::optional<std::string> platform{};
  /** A folder for the identity of the device. */
  std::optional<std::string> data_dir{};
  /** Where callbacks run. */
  std::optional<Delivery> delivery{};
  /** How many results may be outstanding before calls answer TIM_ERR_BUSY. */
  std::optional<std::uint32_t> queue_max{};
  /** Whether a subscription list that the server cleared meanwhile is put back. */
  std::optional<bool> restore_subscriptions{};
  /** When a first login gives up. */
  std::optional<std::chrono::milliseconds> login_timeout{};
  /** How long the server may take to answer before it counts as gone. */
  std::optional<std::chrono::milliseconds> request_timeout{};
  /** How long a call waits for a connection. */
  std::optional<std::chrono::milliseconds> disconnected_wait{};
  /** How long one attempt to connect may take. */
  std::optional<std::chrono::milliseconds> connect_timeout{};
  /** When a logout completes without the server's answer. */
  std::optional<std::chrono::milliseconds> logout_timeout{};
  /** The bound of the first wait before reconnecting. */
  std::optional<std::chrono::milliseconds> backoff_base{};
  /** The bound of any such wait. */
  std::optional<std::chrono::milliseconds> backoff_max{};
  /** With TLS: a file of the authorities to trust instead of the system's (PEM). */
  std::optional<std::string> ca_file{};
  /** With TLS: the server's public key, "sha256//" and base64; several with ';' between. */
  std::optional<std::string> pinned_public_key{};
  /** A proxy that is asked to CONNECT to the server: "http://[user:password@]host:port". */
  std::optional<std::string> http_proxy{};

  /** The options as the JSON object that C takes. */
  std::string to_json() const {
    std::string json = "{\"server\": ";
    detail::append_json(json, server);
    json += ", \"sdk_app_id\": " + std::to_string(sdk_app_id);
    append(json, "platform", platform);
    append(json, "data_dir", data_dir);
    append(json, "delivery", delivery);
    append(json, "queue_max", queue_max);
    append(json, "restore_subscriptions", restore_subscriptions);
    append(json, "login_timeout_ms", login_timeout);
    append(json, "request_timeout_ms", request_timeout);
    append(json, "disconnected_wait_ms", disconnected_wait);
    append(json, "connect_timeout_ms", connect_timeout);
    append(json, "logout_timeout_ms", logout_timeout);
    append(json, "backoff_base_ms", backoff_base);
    append(json, "backoff_max_ms", backoff_max);
    append(json, "ca_file", ca_file);
    append(json, "pinned_public_key", pinned_public_key);
    append(json, "http_proxy", http_proxy);
    return json += '}';
  }

private:
  template <class Value> static void append(std::string &json, const char *key, const std::optional<Value> &value) {
    if (!value) return;
    ((json += ", \"") += key) += "\": ";
    append_value(json, *value);
  }
  static void append_value(std::string &json, const std::string &value) { detail::append_json(json, value); }
  static void append_value(std::string &json, std::uint32_t value) { json += std::to_string(value); }
  static void append_value(std::string &json, bool value) { json += value ? "true" : "false"; }
  static void append_value(std::string &json, std::chrono::milliseconds value) {
    json += std::to_string(value.count());
  }
  static void append_value(std::string &json, Delivery value) {
    json += value == Delivery::Poll ? "\"poll\"" : value == Delivery::Shared ? "\"shared\"" : "\"thread\"";
  }
};

namespace detail {

/* A call on its way: what is wrong with its arguments, and the C function with all of them but done and user_data.
 * Lives no longer than the arguments do. */
template <class Start> struct Call {
  Error arguments;
  Start start;
};

template <class Start> Call<Start> call(Error arguments, Start start) {
  return Call<Start>{std::move(arguments), std::move(start)};
}

inline auto login(TimClient client, const std::string &user_id, const std::string &user_sig) {
  return call(checked({{"user_id", user_id}, {"user_sig", user_sig}}),
              [client, &user_id, &user_sig](TimResultFn done, void *user_data) {
                return timLogin(client, user_id.c_str(), user_sig.c_str(), done, user_data);
              });
}

/* timRenewUserSig or timSetSelfStatus. */
template <class Function>
auto with_text(Function function, TimClient client, const char *name, const std::string &text) {
  return call(checked({{name, text}}), [function, client, &text](TimResultFn done, void *user_data) {
    return function(client, text.c_str(), done, user_data);
  });
}

/* timGetUserStatus, timSubscribeUserStatus or timUnsubscribeUserStatus. */
template <class Function>
auto with_users(Function function, TimClient client, const std::vector<std::string> &user_ids) {
  Error arguments;
  std::vector<const char *> pointers;
  pointers.reserve(user_ids.size() + 1); /* so that data() is not NULL for none, which would mean: all */
  for (const std::string &user_id : user_ids) {
    if (arguments.ok()) arguments = checked({{"user_ids", user_id}});
    pointers.push_back(user_id.c_str());
  }
  return call(std::move(arguments),
              [function, client, pointers = std::move(pointers)](TimResultFn done, void *user_data) {
                return function(client, pointers.data(), pointers.size(), done, user_data);
              });
}

inline auto unsubscribe_all(TimClient client) {
  return call(Error{}, [client](TimResultFn done, void *user_data) {
    return timUnsubscribeUserStatus(client, nullptr, 0, done, user_data);
  });
}

/* timLogout, timGetSubscriptions or timGetFriends. */
template <class Function> auto plain(Function function, TimClient client) {
  return call(Error{},
              [function, client](TimResultFn done, void *user_data) { return function(client, done, user_data); });
}

} // namespace detail

/**
 * A name of a client: every call can be made through it, and it owns nothing.
 *
 * Copy it freely; it may outlive the Client, and then every call answers TIM_ERR_INVALID_HANDLE. One that was made
 * without a client answers that too. Except poll, no member waits.
 */
class ClientRef {
public:
  /** A name of no client. */
  ClientRef() noexcept = default;

  /** Whether it names a client, living or gone. */
  explicit operator bool() const noexcept { return core_ != nullptr; }
  /** The client's number in C; 0 if it names none. */
  ClientHandle handle() const noexcept { return ClientHandle{core_ ? core_->handle : 0}; }

  /**
   * Logs a user in. See timLogin for results and what follows.
   * @param user_id   The user: 1 to 32 bytes of printable ASCII.
   * @param user_sig  The UserSig that your backend made.
   * @return The result, once it is there.
   */
  [[nodiscard]] std::future<Result> login(const std::string &user_id, const std::string &user_sig) const {
    return promised(detail::login(handle().value, user_id, user_sig));
  }
  /** As the other login; done may be empty. @return Whether the call was accepted. */
  Error login(const std::string &user_id, const std::string &user_sig, ResultCallback done) const {
    return called_back(std::move(done), detail::login(handle().value, user_id, user_sig));
  }

  /** Logs the user out. See timLogout. @return The result, once it is there. */
  [[nodiscard]] std::future<Result> logout() const { return promised(detail::plain(timLogout, handle().value)); }
  /** As the other logout; done may be empty. @return Whether the call was accepted. */
  Error logout(ResultCallback done) const {
    return called_back(std::move(done), detail::plain(timLogout, handle().value));
  }

  /** Replaces the UserSig before it expires. See timRenewUserSig. @return The result, once it is there. */
  [[nodiscard]] std::future<Result> renew_user_sig(const std::string &user_sig) const {
    return promised(detail::with_text(timRenewUserSig, handle().value, "user_sig", user_sig));
  }
  /** As the other renew_user_sig; done may be empty. @return Whether the call was accepted. */
  Error renew_user_sig(const std::string &user_sig, ResultCallback done) const {
    return called_back(std::move(done), detail::with_text(timRenewUserSig, handle().value, "user_sig", user_sig));
  }

  /**
   * Sets the custom status. See timSetSelfStatus.
   * @param custom_status  At most 100 bytes; "" clears it.
   * @return The result, once it is there.
   */
  [[nodiscard]] std::future<Result> set_self_status(const std::string &custom_status) const {
    return promised(detail::with_text(timSetSelfStatus, handle().value, "custom_status", custom_status));
  }
  /** As the other set_self_status; done may be empty. @return Whether the call was accepted. */
  Error set_self_status(const std::string &custom_status, ResultCallback done) const {
    return called_back(std::move(done),
                       detail::with_text(timSetSelfStatus, handle().value, "custom_status", custom_status));
  }

  /** Asks for the status of 1 to 500 users. See timGetUserStatus. @return The result, once it is there. */
  [[nodiscard]] std::future<Result> user_status(const std::vector<std::string> &user_ids) const {
    return promised(detail::with_users(timGetUserStatus, handle().value, user_ids));
  }
  /** As the other user_status; done may be empty. @return Whether the call was accepted. */
  Error user_status(const std::vector<std::string> &user_ids, ResultCallback done) const {
    return called_back(std::move(done), detail::with_users(timGetUserStatus, handle().value, user_ids));
  }

  /** Subscribes to 1 to 100 users. See timSubscribeUserStatus. @return The result, once it is there. */
  [[nodiscard]] std::future<Result> subscribe(const std::vector<std::string> &user_ids) const {
    return promised(detail::with_users(timSubscribeUserStatus, handle().value, user_ids));
  }
  /** As the other subscribe; done may be empty. @return Whether the call was accepted. */
  Error subscribe(const std::vector<std::string> &user_ids, ResultCallback done) const {
    return called_back(std::move(done), detail::with_users(timSubscribeUserStatus, handle().value, user_ids));
  }

  /**
   * Ends subscriptions to 1 to 100 users. See timUnsubscribeUserStatus.
   * @param user_ids  The users. An empty list is TIM_ERR_INVALID_ARGUMENT, not all: see unsubscribe_all.
   * @return The result, once it is there.
   */
  [[nodiscard]] std::future<Result> unsubscribe(const std::vector<std::string> &user_ids) const {
    return promised(detail::with_users(timUnsubscribeUserStatus, handle().value, user_ids));
  }
  /** As the other unsubscribe; done may be empty. @return Whether the call was accepted. */
  Error unsubscribe(const std::vector<std::string> &user_ids, ResultCallback done) const {
    return called_back(std::move(done), detail::with_users(timUnsubscribeUserStatus, handle().value, user_ids));
  }

  /** Ends all subscriptions. @return The result, once it is there. */
  [[nodiscard]] std::future<Result> unsubscribe_all() const {
    return promised(detail::unsubscribe_all(handle().value));
  }
  /** As the other unsubscribe_all; done may be empty. @return Whether the call was accepted. */
  Error unsubscribe_all(ResultCallback done) const {
    return called_back(std::move(done), detail::unsubscribe_all(handle().value));
  }

  /** Lists the subscriptions: user_id of the items, oldest first. @return The result, once it is there. */
  [[nodiscard]] std::future<Result> subscriptions() const {
    return promised(detail::plain(timGetSubscriptions, handle().value));
  }
  /** As the other subscriptions; done may be empty. @return Whether the call was accepted. */
  Error subscriptions(ResultCallback done) const {
    return called_back(std::move(done), detail::plain(timGetSubscriptions, handle().value));
  }

  /** Lists the friends: user_id of the items. @return The result, once it is there. */
  [[nodiscard]] std::future<Result> friends() const { return promised(detail::plain(timGetFriends, handle().value)); }
  /** As the other friends; done may be empty. @return Whether the call was accepted. */
  Error friends(ResultCallback done) const {
    return called_back(std::move(done), detail::plain(timGetFriends, handle().value));
  }

  /** Whether somebody is logged in. */
  Expected<LoginState> login_state() const {
    std::int32_t state = 0;
    const std::int32_t code = timGetLoginState(handle().value, &state);
    if (code != TIM_OK) return detail::error_of(code);
    return static_cast<LoginState>(state);
  }
  /** Who is logged in; "" when nobody is, and until a login has succeeded. */
  Expected<std::string> login_user() const {
    return detail::text_from(33, [this](char *buf, std::size_t capacity, std::size_t *needed) {
      return timGetLoginUser(handle().value, buf, capacity, needed);
    });
  }
  /** What time the server has, as reckoned from the last login; the epoch (0) before the first. */
  Expected<ServerTime> server_time() const {
    std::int64_t ms = 0;
    const std::int32_t code = timGetServerTime(handle().value, &ms);
    if (code != TIM_OK) return detail::error_of(code);
    return ServerTime(std::chrono::milliseconds(ms));
  }
  /** Tells the client that the network changed or came back: it connects anew at once unless it is connected. */
  Error notify_network_changed() const { return detail::error_of(timNotifyNetworkChanged(handle().value)); }

  /** Sets who is told of changes of status; empty removes. See timSetUserStatusChangedCallback. */
  Error on_status_changed(StatusCallback on_changed) const {
    return listen(std::move(on_changed), detail::status_changed, timSetUserStatusChangedCallback);
  }
  /** Sets who is told how the connection is; empty removes. See timSetConnectionStateCallback. */
  Error on_connection_state(ConnectionCallback on_state) const {
    return listen(std::move(on_state), detail::connection_changed, timSetConnectionStateCallback);
  }
  /** Sets who is told that the server logged this client out; empty removes. See timSetKickedOfflineCallback. */
  Error on_kicked_offline(KickedCallback on_kicked) const {
    return listen(std::move(on_kicked), detail::kicked, timSetKickedOfflineCallback);
  }
  /** Sets who is told that the UserSig expired; empty removes. See timSetUserSigExpiredCallback. */
  Error on_user_sig_expired(Callback on_expired) const {
    return listen(std::move(on_expired), detail::happened, timSetUserSigExpiredCallback);
  }
  /** Sets who is told of subscriptions that fell off the list; empty removes. See timSetSubscriptionEvictedCallback. */
  Error on_subscription_evicted(EvictedCallback on_evicted) const {
    return listen(std::move(on_evicted), detail::evicted, timSetSubscriptionEvictedCallback);
  }
  /** Sets who receives the log, from a level on; empty removes. See timSetLogCallback. */
  Error on_log(LogLevel level, LogCallback on_line) const {
    return listen(std::move(on_line), detail::logged,
                  [level](TimClient client, TimLogFn function, void *user_data, TimFreeFn free_user_data) {
                    return timSetLogCallback(client, static_cast<std::int32_t>(level), function, user_data,
                                             free_user_data);
                  });
  }
  /** Sets what runs on the callback thread as it starts and ends; both empty removes. See timSetThreadHooks. */
  Error on_thread(Callback on_start, Callback on_stop) const {
    if (!on_start && !on_stop)
      return detail::error_of(timSetThreadHooks(handle().value, nullptr, nullptr, nullptr, nullptr));
    const TimThreadFn start = on_start ? detail::thread_started : nullptr;
    const TimThreadFn stop = on_stop ? detail::thread_stops : nullptr;
    using Hooks = detail::Listener<detail::ThreadHooks>;
    return handed_over(new_listener(detail::ThreadHooks{std::move(on_start), std::move(on_stop)}), [&](Hooks *hooks) {
      return timSetThreadHooks(handle().value, start, stop, hooks, detail::free_listener<detail::ThreadHooks>);
    });
  }
  /**
   * Sets who receives what another callback of this client threw; empty removes, and then std::terminate is called.
   *
   * Called on the thread of the callback that threw, right after it. What it throws itself ends the program. It is
   * destroyed when the Client object is gone and the client's last callback returned, or at a close that answers TIM_OK.
   */
  Error on_exception(ExceptionCallback on_exception) const {
    std::int32_t state = 0;
    Error error = detail::error_of(timGetLoginState(handle().value, &state)); /* whether the client is there */
    if (!error.ok()) return error;
    const std::shared_ptr<detail::Exceptions> exceptions = core_->exceptions.lock();
    auto callback = on_exception ? std::make_shared<const ExceptionCallback>(std::move(on_exception)) : nullptr;
    if (exceptions) exceptions->replace(std::move(callback));
    return error;
  }

  /**
   * Runs callbacks that wait, on this thread; for a client made with Delivery::Poll. See timPoll.
   *
   * A callback may destroy the Client: the rest of it is then completed by this call before it returns.
   *
   * @param max_events  How many callbacks to run at most; 0 for as many as wait.
   * @param timeout     How long to wait for the first; 0 or less does not wait.
   * @return How many ran; TIM_ERR_CLOSED when the client is gone.
   */
  Expected<std::size_t> poll(std::size_t max_events, std::chrono::milliseconds timeout) const {
    const std::shared_ptr<detail::Core> core = core_; /* a callback may destroy *this */
    std::size_t handled = 0;
    const std::int32_t code = timPoll(core ? core->handle : 0, max_events, detail::clamped(timeout), &handled);
    if (core && core->abandoned.load() && code != TIM_ERR_INVALID_HANDLE) {
      detail::end(*core);
      return Error{TIM_ERR_CLOSED, timErrorMessage(TIM_ERR_CLOSED), std::chrono::milliseconds(0)};
    }
    if (code != TIM_OK) return detail::error_of(code);
    return handled;
  }
  /** A file descriptor, the client's, that is readable while callbacks wait; for Delivery::Poll. See timGetWakeFd. */
  Expected<int> wake_fd() const {
    std::int32_t fd = -1;
    const std::int32_t code = timGetWakeFd(handle().value, &fd);
    if (code != TIM_OK) return detail::error_of(code);
    return static_cast<int>(fd);
  }
  /**
   * Sets who is signalled, on a thread of the library, when callbacks wait; for Delivery::Poll; empty removes. It may
   * only signal: no call of this library. See timSetWakeCallback.
   */
  Error on_wake(Callback on_wake) const { return listen(std::move(on_wake), detail::happened, timSetWakeCallback); }

protected:
  /** @cond */
  explicit ClientRef(std::shared_ptr<detail::Core> core) noexcept : core_(std::move(core)) {}

  template <class Function> std::unique_ptr<detail::Listener<Function>> new_listener(Function function) const {
    std::shared_ptr<detail::Exceptions> exceptions = core_ ? core_->exceptions.lock() : nullptr;
    if (!exceptions) exceptions = std::make_shared<detail::Exceptions>(); /* the client is gone: C will refuse */
    return std::unique_ptr<detail::Listener<Function>>(
        new detail::Listener<Function>{std::move(exceptions), std::move(function)});
  }

  /* Gives an object to C as user_data: it is C's if, and only if, the call was accepted. */
  template <class Object, class Call> static Error handed_over(std::unique_ptr<Object> object, Call call) {
    const Error error = detail::error_of(call(object.get()));
    if (error.ok()) static_cast<void>(object.release()); /* C's own callback may have deleted it already */
    return error;
  }

  std::shared_ptr<detail::Core> core_;
  /** @endcond */

private:
  template <class Function, class CFunction, class Setter>
  Error listen(Function function, CFunction *c_function, Setter setter) const {
    const TimClient client = handle().value;
    if (!function) return detail::error_of(setter(client, nullptr, nullptr, nullptr));
    return handed_over(new_listener(std::move(function)), [&](detail::Listener<Function> *listener) {
      return setter(client, c_function, listener, detail::free_listener<Function>);
    });
  }

  template <class Start> Error called_back(ResultCallback done, detail::Call<Start> call) const {
    if (!call.arguments.ok()) return std::move(call.arguments);
    if (!done) return detail::error_of(call.start(nullptr, nullptr));
    return handed_over(new_listener(std::move(done)), [&](detail::Listener<ResultCallback> *listener) {
      return call.start(detail::result_came, listener);
    });
  }

  template <class Start> std::future<Result> promised(detail::Call<Start> call) const {
    auto promise = std::make_unique<std::promise<Result>>();
    std::future<Result> future = promise->get_future();
    Error error = std::move(call.arguments);
    if (error.ok()) {
      error = detail::error_of(call.start(detail::promise_kept, promise.get()));
      if (error.ok()) {
        static_cast<void>(promise.release()); /* C's now, and promise_kept deletes it */
        return future;
      }
    }
    promise->set_value(Result{std::move(error), {}, {}});
    return future;
  }
};

/** One client, and its owner: see the head of this file. Everything it can do is in ClientRef. */
class Client : public ClientRef {
public:
  /** No client yet. */
  Client() noexcept = default;
  /** Takes the client; other has none afterwards. */
  Client(Client &&other) noexcept = default;
  /** Ends the client that it has, as the destructor does, and takes the other's. */
  Client &operator=(Client &&other) noexcept {
    Client ended(std::move(other));
    core_.swap(ended.core_);
    exceptions_.swap(ended.exceptions_);
    return *this;
  }
  Client(const Client &) = delete;
  Client &operator=(const Client &) = delete;

  /**
   * Ends the client and waits for as long as its callbacks run. Its results that are still pending come before that,
   * with TIM_ERR_SHUTDOWN. To wait only so long, call close first. In a callback of the client itself, and with
   * Delivery::Shared in one of any client that shares the thread, the end only begins here.
   */
  ~Client() {
    if (core_) detail::end(*core_);
  }

  /**
   * Creates a client. Nothing is connected before login, but to say a logout that could not be said earlier (data_dir).
   * @param options  What it is made with.
   * @return The client; what timClientCreate refuses; TIM_ERR_ABI_MISMATCH if the library is not of this header.
   */
  static Expected<Client> create(const ClientOptions &options) { return create_from_json(options.to_json()); }
  /** As create. @param options_json  The options as a JSON object. @return As create. */
  static Expected<Client> create_from_json(const std::string &options_json) {
    Error error = detail::checked({{"options_json", options_json}});
    if (error.ok()) error = detail::error_of(timCheckAbi(TIM_ABI_MAJOR, TIM_ABI_MINOR));
    if (!error.ok()) return error;
    Client client(std::make_shared<detail::Core>(), std::make_shared<detail::Exceptions>());
    const std::int32_t code = timClientCreate(options_json.c_str(), &client.core_->handle);
    if (code != TIM_OK) return detail::error_of(code);
    return client;
  }

  /** A name of this client that may be copied and outlive it: for callbacks. */
  ClientRef ref() const { return *this; }

  /**
   * Ends the client and waits, but only so long. See timClientDestroy.
   * @param timeout  How long to wait; 0 only starts the end.
   * @return TIM_OK: the client is gone, and the destructor has nothing left to do. TIM_ERR_TIMEOUT: it ends in the
   *     background; call again, or the destructor waits. TIM_ERR_WOULD_DEADLOCK in a callback: use close_async.
   */
  Error close(std::chrono::milliseconds timeout) const {
    const std::shared_ptr<detail::Exceptions> exceptions = exceptions_; /* a callback may destroy *this */
    const Error error = detail::error_of(timClientDestroy(handle().value, detail::clamped(timeout)));
    if (error.ok() && exceptions) exceptions->replace(nullptr);
    return error;
  }

  /**
   * Starts to end the client and returns at once: for callbacks. See timClientDestroyAsync.
   * @param closed  Called once when the client is gone; may be empty.
   * @return Whether it was accepted; TIM_ERR_CLOSED if it is ending already.
   */
  Error close_async(Callback closed) const {
    if (!closed) return detail::error_of(timClientDestroyAsync(handle().value, nullptr, nullptr));
    return handed_over(new_listener(std::move(closed)), [&](detail::Listener<Callback> *listener) {
      return timClientDestroyAsync(handle().value, detail::closed, listener);
    });
  }

private:
  Client(std::shared_ptr<detail::Core> core, std::shared_ptr<detail::Exceptions> exceptions) noexcept
      : ClientRef(std::move(core)), exceptions_(std::move(exceptions)) {
    core_->exceptions = exceptions_;
  }

  std::shared_ptr<detail::Exceptions> exceptions_;
};

/* ================================================================================================
 * The embedded server, the table of errors, the version.
 * ================================================================================================ */

/** A server's number in the C interface. Not to be confused with a ClientHandle. */
struct ServerHandle {
  /** What C calls a TimServer; 0 is none. */
  TimServer value = 0;
};

/** A presence server inside this process, and its owner. Builds without it answer TIM_ERR_UNSUPPORTED. */
class Server {
public:
  /** No server yet. */
  Server() noexcept = default;
  /** Takes the server; other has none afterwards. */
  Server(Server &&other) noexcept : handle_(std::exchange(other.handle_, ServerHandle{})) {}
  /** Stops the server that it has, as the destructor does, and takes the other's. */
  Server &operator=(Server &&other) noexcept {
    Server stopped(std::move(other));
    std::swap(handle_, stopped.handle_);
    return *this;
  }
  Server(const Server &) = delete;
  Server &operator=(const Server &) = delete;
  /** Stops the server and waits up to ten seconds for its threads, which run no code of yours. */
  ~Server() {
    if (handle_.value != 0) static_cast<void>(timServerStop(handle_.value, 10000));
  }

  /**
   * Starts a server. When this returns, it accepts connections.
   * @param options_json  A JSON object: docs/C_API.md, "Options of the embedded server".
   * @return The server; what timServerStart refuses; TIM_ERR_ABI_MISMATCH if the library is not of this header.
   */
  static Expected<Server> start(const std::string &options_json = "{}") {
    Error error = detail::checked({{"options_json", options_json}});
    if (error.ok()) error = detail::error_of(timCheckAbi(TIM_ABI_MAJOR, TIM_ABI_MINOR));
    if (!error.ok()) return error;
    Server server;
    const std::int32_t code = timServerStart(options_json.c_str(), &server.handle_.value);
    if (code != TIM_OK) return detail::error_of(code);
    return server;
  }

  /** Whether it has a server. */
  explicit operator bool() const noexcept { return handle_.value != 0; }
  /** The server's number in C; 0 if it has none. */
  ServerHandle handle() const noexcept { return handle_; }

  /** Where it listens, as ClientOptions::server wants it. */
  Expected<std::string> address() const {
    return detail::text_from(64, [this](char *buf, std::size_t capacity, std::size_t *needed) {
      return timServerAddress(handle_.value, buf, capacity, needed);
    });
  }

  /**
   * Makes a UserSig for a user of the server's app, as a backend would.
   * @param user_id  The user: 1 to 32 bytes of printable ASCII.
   * @param valid    For how long from now on; at least 1 s.
   * @return The UserSig; what timServerIssueUserSig refuses.
   */
  Expected<std::string> issue_user_sig(const std::string &user_id, std::chrono::seconds valid) const {
    Error error = detail::checked({{"user_id", user_id}});
    if (!error.ok()) return error;
    constexpr auto longest = std::numeric_limits<std::uint32_t>::max();
    const std::uint32_t valid_s = valid.count() <= 0 ? 0
                                  : valid.count() >= static_cast<std::chrono::seconds::rep>(longest)
                                      ? longest
                                      : static_cast<std::uint32_t>(valid.count());
    return detail::text_from(1024, [&](char *buf, std::size_t capacity, std::size_t *needed) {
      return timServerIssueUserSig(handle_.value, user_id.c_str(), valid_s, buf, capacity, needed);
    });
  }

  /** Stops the server and waits so long for its threads. It has none afterwards in any case. See timServerStop. */
  Error stop(std::chrono::milliseconds timeout) {
    const ServerHandle stopped = std::exchange(handle_, ServerHandle{});
    return detail::error_of(timServerStop(stopped.value, detail::clamped(timeout)));
  }

private:
  ServerHandle handle_{};
};

/** Every error there is. See timErrorTable. */
inline std::vector<ErrorDescription> error_table() {
  const TimErrorDesc *const *rows = nullptr;
  std::size_t count = 0;
  std::vector<ErrorDescription> table;
  if (timErrorTable(&rows, &count) != TIM_OK) return table; /* it fails for NULL alone */
  table.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    table.push_back({rows[i]->code, rows[i]->flags, rows[i]->name, rows[i]->message, rows[i]->details});
  return table;
}

/** The version of the library that the program runs with, such as "0.1.0". Static. */
inline const char *version() noexcept { return timVersion(); }

} // namespace v0
} // namespace tim

#endif /* TIM_PRESENCE_HPP */
