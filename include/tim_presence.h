/*
 * tim_presence.h: user status for any application. Who is online, who went away, and what they say of themselves.
 *
 * This header is generated from the sources of libtim_presence; do not edit it.
 *
 * THE MODEL. A user is ONLINE while at least one of its devices is connected, OFFLINE when it went away without saying
 * so, UNLOGINED when it logged out or never logged in; beside that it may set a custom status, a short text, which is
 * cleared when it stops being online. A TimClient is one device of one user. It logs in to a presence server with a
 * user id and a UserSig (made by your backend, or by timServerIssueUserSig), sets its status, asks for that of others,
 * and subscribes to users whose changes it wants to be told of. A lost connection comes back by itself, and what was
 * missed meanwhile is told then: nothing is lost, nothing is told twice.
 *
 * CALLS. A function returns an int32_t. 0, TIM_OK, means accepted; anything else means that nothing was done, and
 * timLastErrorMessage says what was wrong. A function that takes a TimResultFn does not wait: its result comes later
 * through that callback, exactly once if the function returned TIM_OK, never otherwise. There is no cancelling, and
 * every wait is bounded. Nothing is written through your pointers unless a function succeeds (size_t *needed excepted).
 *
 * CALLBACKS run on the client's callback thread, one after another, never inside one of your calls. (Option "delivery":
 * "thread", one thread per client; "shared", one for all such clients; "poll", inside timPoll on a thread of yours.)
 * No lock is held while they run and any function may be called from them; the few that would wait for the thread
 * they run on answer TIM_ERR_WOULD_DEADLOCK. What a callback is given is valid only while it runs. A callback must not
 * throw or longjmp.
 *
 * STRINGS are UTF-8 and end with NUL. Those you pass are copied; those you are given are never NULL.
 *
 * THREADS. Every function may be called from any thread. Loading the library does nothing; it never prints, installs
 * no signal handler, and changes nothing of the process. After fork() the child's handles are void (TIM_ERR_FORKED);
 * it may create clients of its own.
 *
 *     #include <stdio.h>
 *     #include <tim_presence.h>
 *
 *     static void on_changed(const TimUserStatus *const *changes, size_t count, void *user_data) {
 *         (void)user_data;
 *         for (size_t i = 0; i < count; i++)
 *             printf("%s: status %d \"%s\"\n", changes[i]->user_id, (int)changes[i]->status, changes[i]->custom_status);
 *     }
 *
 *     static void on_login(const TimResult *result, void *user_data) {
 *         printf("login: %s\n", result->message);
 *         if (result->code == TIM_OK) timSetSelfStatus(*(TimClient *)user_data, "in a meeting", NULL, NULL);
 *     }
 *
 *     int main(void) {
 *         TimServer server; TimClient alice; char address[64], options[160], user_sig[1024];
 *         timServerStart(NULL, &server);
 *         timServerAddress(server, address, sizeof address, NULL);
 *         timServerIssueUserSig(server, "alice", 3600, user_sig, sizeof user_sig, NULL);
 *         snprintf(options, sizeof options, "{\"server\": \"%s\", \"sdk_app_id\": 1400000001}", address);
 *         timClientCreate(options, &alice);
 *         timSetUserStatusChangedCallback(alice, on_changed, NULL, NULL);
 *         timLogin(alice, "alice", user_sig, on_login, &alice);
 *         getchar();
 *         timClientDestroy(alice, 5000);
 *         return timServerStop(server, 5000);
 *     }
 *
 * It prints that alice is ONLINE (status 1), then that she is "in a meeting", until a key is pressed. A real program looks
 * at every return value: see examples_c/.
 */

#ifndef TIM_PRESENCE_H
#define TIM_PRESENCE_H

#include <stddef.h>
#include <stdint.h>

#ifndef TIM_API
#if defined(_WIN32) && !defined(TIM_STATIC)
#define TIM_API __declspec(dllimport)
#else
#define TIM_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ================================================================================================
 * Types: the handle of a client, what a user's status looks like, and how a call's result arrives.
 * ================================================================================================ */

/** The client could not learn the user's status, or a newer server sent one that this version does not know. */
#define TIM_STATUS_UNKNOWN 0
/** At least one device of the user is connected. */
#define TIM_STATUS_ONLINE 1
/** No device is connected, and at least one went away without logging out: its connection was lost or fell silent. */
#define TIM_STATUS_OFFLINE 2
/** Every device logged out, or the account has never logged in. */
#define TIM_STATUS_UNLOGINED 3

/** The reason is not known. */
#define TIM_REASON_UNKNOWN 0
/** A device logged in. */
#define TIM_REASON_LOGIN 1
/** The last device logged out. */
#define TIM_REASON_LOGOUT 2
/** The last connection ended: the program exited, crashed, or the network reported it. */
#define TIM_REASON_LINK_CLOSED 3
/** The last connection fell silent for longer than the heartbeat timeout. */
#define TIM_REASON_TIMEOUT 4
/** The custom status was set or cleared by its user. */
#define TIM_REASON_CUSTOM_STATUS 5
/** The backend kicked the account. */
#define TIM_REASON_KICKED 6
/** The UserSig of the last device expired while it was connected. */
#define TIM_REASON_EXPIRED 7
/** The server did it: registration, restart, deletion of the account. */
#define TIM_REASON_SERVER 8

/** Bit in TimUserStatus.platforms: a platform that none of the others names. */
#define TIM_PLATFORM_OTHER 1
/** Bit in TimUserStatus.platforms: iPhone. */
#define TIM_PLATFORM_IOS 2
/** Bit in TimUserStatus.platforms: Android. */
#define TIM_PLATFORM_ANDROID 4
/** Bit in TimUserStatus.platforms: a browser. */
#define TIM_PLATFORM_WEB 8
/** Bit in TimUserStatus.platforms: Windows. */
#define TIM_PLATFORM_WINDOWS 16
/** Bit in TimUserStatus.platforms: macOS. */
#define TIM_PLATFORM_MAC 32
/** Bit in TimUserStatus.platforms: Linux. */
#define TIM_PLATFORM_LINUX 64
/** Bit in TimUserStatus.platforms: iPad. */
#define TIM_PLATFORM_IPAD 128

/**
 * A client: one user's session with one presence server.
 *
 * A number, not a pointer: 0 is never a client, and a handle that was destroyed, is of another kind or was made up is
 * answered with TIM_ERR_INVALID_HANDLE by every function. Any thread may use it at any time. A process may have many.
 */
typedef uint64_t TimClient;

/**
 * One user's status. The library fills it in; it and its strings are valid only during the callback they came with:
 * copy what you keep. Lists of users are arrays of pointers, so that a program compiled against an older, shorter
 * version of this struct still finds each of them.
 */
typedef struct TimUserStatus {
  /** sizeof(TimUserStatus) of the library that filled it in. Fields are only ever added at the end. */
  uint32_t struct_size;
  /**
   * The result for this user: TIM_OK, or TIM_ERR_ACCOUNT_NOT_FOUND (70107), TIM_ERR_INVALID_USER_ID (7003) or
   * TIM_ERR_INVALID_PARAMETERS (6017). Unless it is TIM_OK, everything below but user_id is 0 or "".
   */
  int32_t code;
  /** One of TIM_STATUS_*: TIM_STATUS_UNKNOWN also for what a newer server says and this version does not know. */
  int32_t status;
  /** Why the status last changed: one of TIM_REASON_*, or a number that a newer server knows. */
  int32_t reason;
  /**
   * The platforms that are online now: bits TIM_PLATFORM_*. In a notification it may be 0; a change of this alone
   * is not notified.
   */
  uint32_t platforms;
  /** 0. */
  uint32_t reserved;
  /** Orders the states of one user: a higher version is newer. Below 2^53. Says nothing across users. */
  uint64_t version;
  /** When the status last changed, by the server's clock: milliseconds since 1970-01-01 UTC. */
  int64_t since_ms;
  /** The user. Never NULL. */
  const char *user_id;
  /** What the user set with timSetSelfStatus. Never NULL; "" if nothing, and always unless TIM_STATUS_ONLINE. */
  const char *custom_status;
} TimUserStatus;

/** How a call ended. Valid, with everything it points to, only during the callback. */
typedef struct TimResult {
  /** sizeof(TimResult) of the library that filled it in. Fields are only ever added at the end. */
  uint32_t struct_size;
  /** TIM_OK, or one of TIM_ERR_*. */
  int32_t code;
  /** For a person, in English; never NULL and never empty, "success" included. Do not compare it: use code. */
  const char *message;
  /** With TIM_ERR_RATE_LIMITED and TIM_ERR_TOO_MANY_FAILURES: milliseconds to wait before trying again. Else 0. */
  uint32_t retry_after_ms;
  /** 0. */
  uint32_t reserved;
  /** One pointer per user, in the order the call says; NULL when item_count is 0. */
  const struct TimUserStatus *const *items;
  /** How many users items has. */
  size_t item_count;
  /** With timSubscribeUserStatus: the users who fell off the full list, oldest first. NULL when evicted_count is 0. */
  const char *const *evicted;
  /** How many users evicted has. */
  size_t evicted_count;
} TimResult;

/**
 * Receives the result of one call.
 *
 * Called exactly once if, and only if, the call returned TIM_OK, on the client's callback thread (option "delivery");
 * never from inside the call itself. NULL is allowed where you do not want the result, together with a NULL
 * user_data. May call any function of this header; timClientDestroy of its own client answers
 * TIM_ERR_WOULD_DEADLOCK. Must not throw, and must not jump out with longjmp.
 */
typedef void (*TimResultFn)(const struct TimResult *result, void *user_data);

/**
 * Receives a listener's user_data back when it will not be used again.
 *
 * Called exactly once for each listener that was accepted, after the last call that used it returned: when it was
 * replaced, removed, or its client destroyed. A setter that did not return TIM_OK never calls it. Runs on the client's
 * callback thread, or inside timClientDestroy. NULL where there is nothing to free.
 */
typedef void (*TimFreeFn)(void *user_data);

/* ================================================================================================
 * Lifecycle: create a client, destroy it.
 * ================================================================================================ */

/**
 * Tells that a client is gone: its handle is no longer valid, and nothing of it is called any more but on_stop of
 * timSetThreadHooks and the free_user_data of those hooks, where this runs on its callback thread.
 *
 * Called exactly once if, and only if, timClientDestroyAsync returned TIM_OK, on a thread of the library, or inside
 * timPoll with poll delivery. user_data is the one given to timClientDestroyAsync.
 */
typedef void (*TimClosedFn)(void *user_data);

/**
 * Creates a client. Nothing is connected before timLogin, except to say a logout that could not be said earlier: see
 * option "data_dir".
 *
 * The first client of a process starts the library's network thread. With the default delivery, the client has a
 * callback thread of its own.
 *
 * @param options_json  A JSON object in UTF-8, NUL-terminated; not NULL. Only read during the call. The keys are in
 *     docs/C_API.md, "Options of a client"; "server" and "sdk_app_id" are required:
 *     {"server": "tim://127.0.0.1:7788", "sdk_app_id": 1400000001}. A key that this version does not know is refused.
 * @param client        Receives the handle; not NULL. Written only on success.
 * @return TIM_OK; TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8; TIM_ERR_INVALID_OPTIONS, the text names the key;
 *     TIM_ERR_UNSUPPORTED for what this build does not have, such as tims://; TIM_ERR_DATA_DIR; TIM_ERR_NO_MEMORY if
 *     the system refuses a thread or a file descriptor.
 */
TIM_API
int32_t timClientCreate(const char *options_json,
                        TimClient *client);

/**
 * Ends a client and waits until it is gone.
 *
 * The server is told of the disconnection, which is not a logout: call timLogout first if the user should be seen as
 * UNLOGINED. Calls that still wait get their result with TIM_ERR_SHUTDOWN. When this returns TIM_OK, every result was
 * delivered, every free_user_data ran, and no thread or memory of the client is left; the handle is then invalid.
 * With poll delivery, what remains to be called is called by this function, on this thread, after a timPoll that is
 * running on another thread has been ended.
 *
 * May be called from several threads at once, and in an atexit handler. Not from a callback of the same client (or,
 * with "shared" delivery, of any client that shares the thread): use timClientDestroyAsync there.
 *
 * @param client      The client.
 * @param timeout_ms  How long to wait, in milliseconds; 0 only starts the end.
 * @return TIM_OK; TIM_ERR_INVALID_HANDLE; TIM_ERR_WOULD_DEADLOCK from a callback, and nothing was started;
 *     TIM_ERR_TIMEOUT if a callback has not returned in time: the end goes on in the background, the handle accepts
 *     only timClientDestroy and timPoll, and this may be called again; TIM_ERR_FORKED in a forked child.
 */
TIM_API
int32_t timClientDestroy(TimClient client,
                         uint32_t timeout_ms);

/**
 * Starts to end a client and returns at once. For callbacks, where timClientDestroy may not wait.
 *
 * Everything timClientDestroy promises holds when closed is called. Until then the handle accepts only
 * timClientDestroy and timPoll; with poll delivery somebody must go on polling until timPoll answers TIM_ERR_CLOSED,
 * or call timClientDestroy.
 *
 * @param client     The client.
 * @param closed     Called once when the client is gone; NULL if you need not know, together with a NULL user_data.
 * @param user_data  Handed to closed. Yours again after closed was called; at once if this did not return TIM_OK.
 * @return TIM_OK; TIM_ERR_INVALID_HANDLE; TIM_ERR_CLOSED if it is closing already; TIM_ERR_INVALID_ARGUMENT for a
 *     user_data without closed; TIM_ERR_FORKED.
 */
TIM_API
int32_t timClientDestroyAsync(TimClient client,
                              TimClosedFn closed,
                              void *user_data);

/* ================================================================================================
 * Listeners: what happens without being asked for.
 *
 * Every setter takes a function, a user_data that is handed to it, and a free_user_data. Set them before or after
 * timLogin, at any time, from any thread, also from callbacks; a new listener takes the place of the old one of its
 * kind, and NULL removes it. Setters never wait: the old listener may still be running when one returns, and is told
 * what was waiting to be delivered by then. Its
 * free_user_data is called once, after its last call returned, and that alone proves that it has ended. If a setter
 * does not return TIM_OK, user_data stays yours and free_user_data is not called.
 *
 * All listeners of a client run one after another on its callback thread, in the order things happened. They must not
 * throw or longjmp; a slow one delays the later callbacks of its client and nothing else. What pointers point to is
 * valid only during the call.
 * ================================================================================================ */

/** Not connected: before a login, after a logout or kick, or between two attempts to reconnect. */
#define TIM_CONNECTION_DISCONNECTED 1
/** A connection is being made. */
#define TIM_CONNECTION_CONNECTING 2
/** Connected and logged in. */
#define TIM_CONNECTION_CONNECTED 3

/** Everything, down to single frames. May hold user content, never a secret. */
#define TIM_LOG_TRACE 1
/** What helps to find a mistake. May hold user content, never a secret. */
#define TIM_LOG_DEBUG 2
/** Few lines: connected, reconnecting, kicked. */
#define TIM_LOG_INFO 3
/** Something is wrong outside the library, and it copes. */
#define TIM_LOG_WARN 4
/** A bug of the library. */
#define TIM_LOG_ERROR 5

/**
 * Receives changes of status, of the users subscribed to, of friends if the app's server says so, and of oneself.
 *
 * changes has count pointers, at least 1 and one per user. Changes that are ready together come together; a slow
 * program may miss steps in between, never the last state of a user. The version of a user only rises.
 */
typedef void (*TimStatusFn)(const TimUserStatus *const *changes, size_t count, void *user_data);

/**
 * Receives changes of the connection: state is one of TIM_CONNECTION_*. code is TIM_OK, or says why the connection
 * went or an attempt failed; message says it for a person and is never NULL.
 */
typedef void (*TimConnectionFn)(int32_t state, int32_t code, const char *message, void *user_data);

/**
 * Receives the news that this client was logged out by the server: code is TIM_ERR_KICKED_OFFLINE (6208: the account
 * logged in elsewhere, or was kicked by the backend) or TIM_ERR_USER_SIG_REVOKED (70052), or another code with which
 * the server refuses for good to continue the session, such as TIM_ERR_USER_SIG_WRONG_KEY (70009);
 * message is never NULL.
 */
typedef void (*TimKickedFn)(int32_t code, const char *message, void *user_data);

/** Receives the news that the UserSig expired. The client is disconnected and waits for timLogin with a new one. */
typedef void (*TimExpiredFn)(void *user_data);

/**
 * Receives the users that fell off the full subscription list because others were subscribed to, oldest first. Comes
 * to every device of the user, the one that subscribed included.
 */
typedef void (*TimEvictedFn)(const char *const *user_ids, size_t count, void *user_data);

/** Receives a line of the client's log: level is one of TIM_LOG_*; message has no line end and is never NULL. */
typedef void (*TimLogFn)(int32_t level, const char *message, void *user_data);

/** Runs on a callback thread as it starts or ends. */
typedef void (*TimThreadFn)(void *user_data);

/**
 * Sets who is told of changes of status.
 *
 * @param client          The client.
 * @param on_changed      Called on the callback thread with the changes that are ready; NULL removes the listener.
 * @param user_data       Handed to on_changed; must be NULL if that is NULL.
 * @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
 * @return TIM_OK; TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED for the client;
 *     TIM_ERR_INVALID_ARGUMENT for a user_data without a function; TIM_ERR_BUSY if too many calls wait.
 */
TIM_API
int32_t timSetUserStatusChangedCallback(TimClient client,
                                        TimStatusFn on_changed,
                                        void *user_data,
                                        TimFreeFn free_user_data);

/**
 * Sets who is told how the connection to the server is. A lost connection comes back by itself; this is for showing.
 *
 * @param client          The client.
 * @param on_state        Called on the callback thread at each change; NULL removes the listener.
 * @param user_data       Handed to on_state; must be NULL if that is NULL.
 * @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
 * @return As timSetUserStatusChangedCallback.
 */
TIM_API
int32_t timSetConnectionStateCallback(TimClient client,
                                      TimConnectionFn on_state,
                                      void *user_data,
                                      TimFreeFn free_user_data);

/**
 * Sets who is told that the server logged this client out. It does not come back by itself.
 *
 * @param client          The client.
 * @param on_kicked       Called on the callback thread; NULL removes the listener.
 * @param user_data       Handed to on_kicked; must be NULL if that is NULL.
 * @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
 * @return As timSetUserStatusChangedCallback.
 */
TIM_API
int32_t timSetKickedOfflineCallback(TimClient client,
                                    TimKickedFn on_kicked,
                                    void *user_data,
                                    TimFreeFn free_user_data);

/**
 * Sets who is told that the UserSig expired. Renewing it in time with timRenewUserSig avoids this.
 *
 * @param client          The client.
 * @param on_expired      Called on the callback thread; NULL removes the listener.
 * @param user_data       Handed to on_expired; must be NULL if that is NULL.
 * @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
 * @return As timSetUserStatusChangedCallback.
 */
TIM_API
int32_t timSetUserSigExpiredCallback(TimClient client,
                                     TimExpiredFn on_expired,
                                     void *user_data,
                                     TimFreeFn free_user_data);

/**
 * Sets who is told of subscriptions that fell off the full list.
 *
 * @param client          The client.
 * @param on_evicted      Called on the callback thread; NULL removes the listener.
 * @param user_data       Handed to on_evicted; must be NULL if that is NULL.
 * @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
 * @return As timSetUserStatusChangedCallback.
 */
TIM_API
int32_t timSetSubscriptionEvictedCallback(TimClient client,
                                          TimEvictedFn on_evicted,
                                          void *user_data,
                                          TimFreeFn free_user_data);

/**
 * Sets who receives the client's log. Without one nothing is logged; the library never prints.
 *
 * Lines come on the callback thread like every other callback, so they may be late. If the program is slower than the
 * log, lines are dropped.
 *
 * @param client          The client.
 * @param level           The least level wanted: TIM_LOG_TRACE to TIM_LOG_ERROR. Not looked at if on_line is NULL.
 * @param on_line         Called on the callback thread with each line; NULL removes the listener.
 * @param user_data       Handed to on_line; must be NULL if that is NULL.
 * @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
 * @return As timSetUserStatusChangedCallback; TIM_ERR_INVALID_ARGUMENT also for a level that does not exist.
 */
TIM_API
int32_t timSetLogCallback(TimClient client,
                          int32_t level,
                          TimLogFn on_line,
                          void *user_data,
                          TimFreeFn free_user_data);

/**
 * Sets functions to run on the client's callback thread when it starts and when it ends: to attach it to a Java
 * virtual machine, to name it, to set its priority.
 *
 * As the thread runs already, on_start runs on it before its next callback. on_stop runs only where on_start ran: as
 * the last thing of the client, or when the hooks are replaced. With "shared" delivery the thread goes on after it.
 *
 * @param client          The client.
 * @param on_start        Called on the thread before its first callback; may be NULL.
 * @param on_stop         Called on the thread after its last callback; may be NULL. Both NULL remove the hooks.
 * @param user_data       Handed to both; must be NULL if both are NULL.
 * @param free_user_data  Called once with user_data when the hooks are gone; may be NULL.
 * @return As timSetUserStatusChangedCallback; TIM_ERR_UNSUPPORTED with poll delivery, whose threads are yours.
 */
TIM_API
int32_t timSetThreadHooks(TimClient client,
                          TimThreadFn on_start,
                          TimThreadFn on_stop,
                          void *user_data,
                          TimFreeFn free_user_data);

/* ================================================================================================
 * Session: log a user in and out.
 *
 * These functions and those of "User status" take a TimResultFn and its user_data last: they return TIM_OK when the
 * call was accepted, and its result comes through the callback, exactly once. Any other code means that it was not
 * accepted and no callback comes; timLastErrorMessage has the text. What can be known without the server is refused at
 * once: NULL, not UTF-8, a bad handle, no room for one more call (TIM_ERR_BUSY). Everything else is a result.
 * ================================================================================================ */

/** Nobody is logged in. */
#define TIM_LOGIN_LOGGED_OUT 1
/** A login is on its way. */
#define TIM_LOGIN_LOGGING_IN 2
/** A user is logged in, connected or about to be again. */
#define TIM_LOGIN_LOGGED_IN 3
/** A logout is on its way. */
#define TIM_LOGIN_LOGGING_OUT 4

/**
 * Logs a user in. Connects first if need be; gives up after option "login_timeout_ms" and does not retry by itself.
 *
 * After a success, a lost connection is restored without your help until timLogout, a kick, or the end of the UserSig.
 * The first notification after the result is the user's own status.
 *
 * Results: TIM_OK, also if this user is logged in already; TIM_ERR_INVALID_OPERATION (7014) while another user is;
 * TIM_ERR_LOGIN_IN_PROGRESS (7501); TIM_ERR_INVALID_USER_ID (7003); TIM_ERR_USER_SIG_EXPIRED (70001) and the other
 * TIM_ERR_USER_SIG_*; TIM_ERR_APP_NOT_FOUND (70020); TIM_ERR_TOO_MANY_FAILURES (70050), with retry_after_ms;
 * TIM_ERR_NO_CONNECTION (9523); TIM_ERR_SERVER_NOT_TRUSTED (-20) at once, with TLS; TIM_ERR_LOGGED_OUT (6023) if
 * timLogout came before the answer; TIM_ERR_INVALID_PARAMETERS (6017) for a UserSig larger than the server takes.
 *
 * @param client     The client.
 * @param user_id    The user: 1 to 32 bytes of printable ASCII; not NULL. Copied.
 * @param user_sig   The UserSig that your backend made for this user; not NULL. Copied, and never logged.
 * @param done       Receives the result; may be NULL.
 * @param user_data  Handed to done; must be NULL if that is NULL.
 * @return TIM_OK: accepted; TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED,
 *     TIM_ERR_FAILED, TIM_ERR_FORKED; TIM_ERR_INVALID_ARGUMENT for a user_data without done; TIM_ERR_BUSY if too many
 *     logins and logouts wait.
 */
TIM_API
int32_t timLogin(TimClient client,
                 const char *user_id,
                 const char *user_sig,
                 TimResultFn done,
                 void *user_data);

/**
 * Logs the user out: this device no longer counts, and the user becomes UNLOGINED if it was the last.
 *
 * Calls that wait get TIM_ERR_LOGGED_OUT (6023); no notification comes after the result. Without a connection it ends
 * after at most 3 seconds with TIM_OK, and the server learns of it at the next chance if the client has a data
 * directory; else it sees the user as OFFLINE.
 *
 * Results: TIM_OK; TIM_ERR_NOT_LOGGED_IN (6014).
 *
 * @param client     The client.
 * @param done       Receives the result; may be NULL.
 * @param user_data  Handed to done; must be NULL if that is NULL.
 * @return TIM_OK: accepted; TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED,
 *     TIM_ERR_INVALID_ARGUMENT, TIM_ERR_BUSY as with timLogin.
 */
TIM_API
int32_t timLogout(TimClient client,
                  TimResultFn done,
                  void *user_data);

/**
 * Replaces the UserSig of the session before it expires. The connection stays.
 *
 * Results: TIM_OK; TIM_ERR_NOT_LOGGED_IN (6014); the TIM_ERR_USER_SIG_* of timLogin, and the old one stays in use;
 * TIM_ERR_DISCONNECTED (9508), TIM_ERR_NO_CONNECTION (9523).
 *
 * @param client     The client.
 * @param user_sig   The new UserSig; not NULL. Copied, and never logged.
 * @param done       Receives the result; may be NULL.
 * @param user_data  Handed to done; must be NULL if that is NULL.
 * @return TIM_OK: accepted; TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED,
 *     TIM_ERR_FAILED, TIM_ERR_FORKED, TIM_ERR_INVALID_ARGUMENT; TIM_ERR_BUSY if too many calls wait.
 */
TIM_API
int32_t timRenewUserSig(TimClient client,
                        const char *user_sig,
                        TimResultFn done,
                        void *user_data);

/**
 * Says whether somebody is logged in. Does not wait.
 *
 * @param client  The client.
 * @param state   Receives one of TIM_LOGIN_*; not NULL.
 * @return TIM_OK; TIM_ERR_NULL_POINTER, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED.
 */
TIM_API
int32_t timGetLoginState(TimClient client,
                         int32_t *state);

/**
 * Says who is logged in; "" when nobody is, and until a login has succeeded. Does not wait.
 *
 * @param client    The client.
 * @param buf       Receives the user id and a NUL; NULL with a capacity of 0 to ask for the size.
 * @param capacity  Bytes that buf holds; 33 always suffice.
 * @param needed    Receives the capacity that suffices, also with TIM_ERR_BUFFER_TOO_SMALL; may be NULL if buf is not.
 * @return TIM_OK; TIM_ERR_BUFFER_TOO_SMALL; TIM_ERR_NULL_POINTER, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED,
 *     TIM_ERR_FAILED, TIM_ERR_FORKED.
 */
TIM_API
int32_t timGetLoginUser(TimClient client,
                        char *buf,
                        size_t capacity,
                        size_t *needed);

/**
 * Says what time the server has, as reckoned from the last login and this machine's steady clock: compare it with
 * since_ms, whatever the local clock says. Does not wait.
 *
 * @param client  The client.
 * @param ms      Receives milliseconds since 1970-01-01 UTC, or 0 before the first successful login; not NULL.
 * @return TIM_OK; TIM_ERR_NULL_POINTER, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED.
 */
TIM_API
int32_t timGetServerTime(TimClient client,
                         int64_t *ms);

/**
 * Tells the client that the network changed or came back: a connection that is being made, a login without an
 * answer included, is begun anew at once, and one that is there is asked for a sign of life. Does not wait.
 *
 * @param client  The client.
 * @return TIM_OK; TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED.
 */
TIM_API
int32_t timNotifyNetworkChanged(TimClient client);

/* ================================================================================================
 * User status: set one's own, ask for others', subscribe to their changes.
 *
 * Results that all of these have: TIM_ERR_NOT_LOGGED_IN (6014) before a login; TIM_ERR_LOGGED_OUT (6023) if the user
 * is logged out meanwhile; TIM_ERR_NO_CONNECTION (9523) if there is no connection for option "disconnected_wait_ms";
 * TIM_ERR_DISCONNECTED (9508) if the connection was lost before the answer, so that nobody knows whether a change took
 * effect; TIM_ERR_SHUTDOWN if the client is destroyed; TIM_ERR_PANIC if an internal error or a panic of yours in a
 * callback ended it. Asking and subscribing have TIM_ERR_INTERFACE_NOT_SUPPORTED (7013) if the app's plan lacks them,
 * TIM_ERR_STATUS_DISABLED (72001) if they are switched off, and TIM_ERR_RATE_LIMITED (7008) after 20 calls of a kind in
 * 5 seconds.
 * ================================================================================================ */

/**
 * Sets the user's custom status, for all of its devices. It is cleared by itself when the user is no longer ONLINE.
 *
 * The result comes before the notification of the change. Setting what it already is succeeds without a notification.
 *
 * Results: TIM_OK; TIM_ERR_INVALID_PARAMETERS (6017) if it is longer than the app allows (100 bytes).
 *
 * @param client         The client.
 * @param custom_status  UTF-8, up to 100 bytes; "" clears it; not NULL. Copied.
 * @param done           Receives the result; may be NULL.
 * @param user_data      Handed to done; must be NULL if that is NULL.
 * @return TIM_OK: accepted; TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED,
 *     TIM_ERR_FAILED, TIM_ERR_FORKED, TIM_ERR_INVALID_ARGUMENT; TIM_ERR_BUSY if too many calls wait.
 */
TIM_API
int32_t timSetSelfStatus(TimClient client,
                         const char *custom_status,
                         TimResultFn done,
                         void *user_data);

/**
 * Asks the server for the status of users. It need not be subscribed to; oneself may be asked for.
 *
 * The result's items have every user once, in the order of first mention, each with its own code. Results: TIM_OK if
 * at least one user succeeded, else the code of the first; TIM_ERR_INVALID_PARAMETERS (6017) for no id or more than
 * 500 different ones.
 *
 * @param client     The client.
 * @param user_ids   count pointers to user ids, none of them NULL; NULL only if count is 0. Copied.
 * @param count      How many: 1 to 500.
 * @param done       Receives the result; may be NULL.
 * @param user_data  Handed to done; must be NULL if that is NULL.
 * @return As timSetSelfStatus; the text names the element that is NULL or not UTF-8.
 */
TIM_API
int32_t timGetUserStatus(TimClient client,
                         const char *const *user_ids,
                         size_t count,
                         TimResultFn done,
                         void *user_data);

/**
 * Subscribes to users: from the result on, the status listener is told of each change of theirs.
 *
 * Subscriptions belong to the user: all its devices hear the changes. A user has at most 200; past that the oldest go,
 * which the result's evicted and the eviction listener name. The result's items have each user's status of the moment,
 * to which the notifications follow without a gap. Results: as timGetUserStatus, with at most 100 different ids;
 * subscribing to oneself is TIM_ERR_INVALID_PARAMETERS (6017) in its item.
 *
 * @param client     The client.
 * @param user_ids   count pointers to user ids, none of them NULL; NULL only if count is 0. Copied.
 * @param count      How many: 1 to 100.
 * @param done       Receives the result; may be NULL.
 * @param user_data  Handed to done; must be NULL if that is NULL.
 * @return As timGetUserStatus.
 */
TIM_API
int32_t timSubscribeUserStatus(TimClient client,
                               const char *const *user_ids,
                               size_t count,
                               TimResultFn done,
                               void *user_data);

/**
 * Ends subscriptions. After the result no more notifications of these users come, unless they are friends.
 *
 * A user that is not subscribed to succeeds. Results: TIM_OK; TIM_ERR_INVALID_PARAMETERS (6017) for more than 100
 * different ids.
 *
 * @param client     The client.
 * @param user_ids   count pointers to user ids, none of them NULL; NULL with a count of 0 ends all subscriptions. A
 *     count of 0 without NULL is refused, so that an emptied array does not end them all. Copied.
 * @param count      How many: 1 to 100, or 0.
 * @param done       Receives the result; may be NULL.
 * @param user_data  Handed to done; must be NULL if that is NULL.
 * @return As timGetUserStatus.
 */
TIM_API
int32_t timUnsubscribeUserStatus(TimClient client,
                                 const char *const *user_ids,
                                 size_t count,
                                 TimResultFn done,
                                 void *user_data);

/**
 * Lists the user's subscriptions: the result's items, oldest first. Of each item only user_id and code are meant;
 * use timGetUserStatus for the status.
 *
 * @param client     The client.
 * @param done       Receives the result; may be NULL.
 * @param user_data  Handed to done; must be NULL if that is NULL.
 * @return TIM_OK: accepted; TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED,
 *     TIM_ERR_INVALID_ARGUMENT, TIM_ERR_BUSY as with timSetSelfStatus.
 */
TIM_API
int32_t timGetSubscriptions(TimClient client,
                            TimResultFn done,
                            void *user_data);

/**
 * Lists the user's friends, as the backend keeps them: the result's items. Of each item only user_id and code are
 * meant.
 *
 * @param client     The client.
 * @param done       Receives the result; may be NULL.
 * @param user_data  Handed to done; must be NULL if that is NULL.
 * @return As timGetSubscriptions.
 */
TIM_API
int32_t timGetFriends(TimClient client,
                      TimResultFn done,
                      void *user_data);

/* ================================================================================================
 * Pull delivery: callbacks on a thread of yours, for a client made with {"delivery": "poll"}.
 *
 * Wait for the wake descriptor in your event loop, or for the wake callback, then call timPoll until it handles
 * nothing. A client that nobody polls delivers nothing, and with a full queue its calls answer TIM_ERR_BUSY.
 * ================================================================================================ */

/**
 * Signals that callbacks wait to be run by timPoll.
 *
 * Called on a thread of the library when the queue stops being empty. It may only signal: set a flag, write to a
 * pipe, post a message. It must not call functions of this header, and must not block.
 */
typedef void (*TimWakeFn)(void *user_data);

/**
 * Runs callbacks that wait, on this thread.
 *
 * @param client      The client; made with {"delivery": "poll"}.
 * @param max_events  How many callbacks to run at most; 0 for as many as wait.
 * @param timeout_ms  How long to wait for the first, in milliseconds; 0 does not wait.
 * @param handled     Receives how many ran, 0 if the time ran out; may be NULL. Written only on success.
 * @return TIM_OK; TIM_ERR_CLOSED when the client is being destroyed and this was its last poll; TIM_ERR_BUSY if another
 *     thread is polling, or this one is, in a callback; TIM_ERR_WOULD_DEADLOCK inside a wake callback, which may only
 *     signal; TIM_ERR_UNSUPPORTED with another delivery; TIM_ERR_INVALID_HANDLE, TIM_ERR_FORKED.
 */
TIM_API
int32_t timPoll(TimClient client,
                size_t max_events,
                uint32_t timeout_ms,
                size_t *handled);

/**
 * Hands out a file descriptor that is readable while callbacks wait: for poll(), epoll, or an event loop.
 *
 * It belongs to the client and is closed with it: do not read from it, write to it or close it.
 *
 * @param client  The client; made with {"delivery": "poll"}.
 * @param fd      Receives the descriptor; not NULL. Written only on success.
 * @return TIM_OK; TIM_ERR_UNSUPPORTED with another delivery; TIM_ERR_NULL_POINTER, TIM_ERR_INVALID_HANDLE,
 *     TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED; TIM_ERR_NO_MEMORY if the system refuses a descriptor.
 */
TIM_API
int32_t timGetWakeFd(TimClient client,
                     int32_t *fd);

/**
 * Sets who is signalled when callbacks wait, where a descriptor does not serve.
 *
 * If callbacks wait already, the first signal comes at once, possibly before this returns.
 *
 * @param client          The client; made with {"delivery": "poll"}.
 * @param on_wake         Called on a thread of the library; NULL removes it.
 * @param user_data       Handed to on_wake; must be NULL if that is NULL.
 * @param free_user_data  Called once with user_data after the last call of on_wake returned, in a later timPoll or when
 *     the client is destroyed; may be NULL.
 * @return TIM_OK; TIM_ERR_UNSUPPORTED with another delivery; TIM_ERR_INVALID_ARGUMENT for a user_data without on_wake;
 *     TIM_ERR_BUSY if too many calls wait; TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED.
 */
TIM_API
int32_t timSetWakeCallback(TimClient client,
                           TimWakeFn on_wake,
                           void *user_data,
                           TimFreeFn free_user_data);

/* ================================================================================================
 * Errors: the codes, their names and texts.
 *
 * 0 is success. Negative codes are this library's: the call was not accepted and its callback does not come; where
 * their text says so they arrive as a result. Positive codes are the presence service's, keep the numbers it publishes,
 * and arrive only as a result. A code is never renumbered and never used again. Treat a code you do not know as a
 * failure; timErrorName and timErrorMessage never return NULL.
 * ================================================================================================ */

/**
 * Success. The call was accepted, or the operation succeeded.
 */
#define TIM_OK 0

/**
 * A required pointer is NULL. An argument that must not be NULL was NULL. The text of timLastErrorMessage names it.
 */
#define TIM_ERR_NULL_POINTER (-1)

/**
 * A string is not valid UTF-8. A string argument is not UTF-8. The text of timLastErrorMessage names it.
 */
#define TIM_ERR_NOT_UTF8 (-2)

/**
 * Not a live handle. The handle is zero, was destroyed, is of another kind, or was never given out by this library.
 */
#define TIM_ERR_INVALID_HANDLE (-3)

/**
 * An argument is out of its range. A number is out of range, a flag unknown, or a combination not allowed. The text of
 * timLastErrorMessage names it.
 */
#define TIM_ERR_INVALID_ARGUMENT (-4)

/**
 * The options are not valid. The options are not a JSON object, have a key this version does not know, or a value of
 * the wrong type or range. The text of timLastErrorMessage names the key.
 */
#define TIM_ERR_INVALID_OPTIONS (-5)

/**
 * No room for one more call. The client has as many calls waiting for their result as its queue holds (option
 * queue_max), or another thread is already in timPoll. Let results arrive, then try again.
 */
#define TIM_ERR_BUSY (-6)

/**
 * This call would wait for the thread it runs on. A call that waits for a callback thread was made from a callback of
 * that thread. Use its asynchronous form.
 */
#define TIM_ERR_WOULD_DEADLOCK (-7)

/**
 * Not finished in the given time. The time ran out. timClientDestroy goes on in the background and may be called
 * again. As a result: no answer came within the bound of the operation.
 */
#define TIM_ERR_TIMEOUT (-8)

/**
 * The client is being destroyed. As a result: the client was destroyed before the operation finished; whether it took
 * effect is not known.
 */
#define TIM_ERR_SHUTDOWN (-9)

/**
 * The client is closed. The handle is closing and accepts only timClientDestroy and timPoll; or this was the last
 * timPoll.
 */
#define TIM_ERR_CLOSED (-10)

/**
 * The handle was made before fork(). Handles do not survive fork() in the child. Create a new client there.
 */
#define TIM_ERR_FORKED (-11)

/**
 * Not supported by this build. The library was built without this feature, or the platform or delivery mode has no
 * such thing. The text of timLastErrorMessage says which.
 */
#define TIM_ERR_UNSUPPORTED (-12)

/**
 * The client failed by an internal error. An internal error ended the client; everything pending was completed. Only
 * timClientDestroy works. Please report it.
 */
#define TIM_ERR_FAILED (-13)

/**
 * Internal error. The library met a bug of its own and caught it. The client, if any, is FAILED. Please report it.
 */
#define TIM_ERR_PANIC (-14)

/**
 * The library and the header do not fit. The program was compiled for another major version, or a newer minor version,
 * than the library it runs with.
 */
#define TIM_ERR_ABI_MISMATCH (-15)

/**
 * Out of a resource. The system refused memory, a thread, or a file descriptor.
 */
#define TIM_ERR_NO_MEMORY (-16)

/**
 * The data directory cannot be used. It cannot be created, read, written or locked. Two clients that share a data
 * directory at the same time are two devices; only one may hold the lock, the other continues as a new device without
 * storing it. This code is given when the directory cannot be used at all.
 */
#define TIM_ERR_DATA_DIR (-17)

/**
 * The server cannot listen there. The address is in use, not of this machine, or not permitted.
 */
#define TIM_ERR_ADDRESS_IN_USE (-18)

/**
 * The buffer is too small. The text does not fit. Nothing was written but *needed, the capacity that suffices,
 * terminating NUL included.
 */
#define TIM_ERR_BUFFER_TOO_SMALL (-19)

/**
 * The server is not trusted. As a result, and with a connection state: the server's certificate has expired, is for
 * another host, is of an authority that is not trusted here, or its key is not the pinned one. The text says which. A
 * login ends with it at once; a session that was there before keeps trying, and logs each attempt.
 */
#define TIM_ERR_SERVER_NOT_TRUSTED (-20)

/**
 * Not initialised. Only from the drop-in library: TIMInit was not called.
 */
#define TIM_ERR_NOT_INITIALIZED 6013

/**
 * Not logged in. The call needs a logged-in user, and its login has not succeeded yet, was ended, or was kicked. Log
 * in first.
 */
#define TIM_ERR_NOT_LOGGED_IN 6014

/**
 * Invalid parameters. Too many or no user ids, a custom status that is too long or holds U+0000, oneself in a
 * subscription, or the like. The text says which. Nothing was changed.
 */
#define TIM_ERR_INVALID_PARAMETERS 6017

/**
 * Logged out before the call finished. The user logged out, or was logged out, while the call waited for its answer.
 */
#define TIM_ERR_LOGGED_OUT 6023

/**
 * Not JSON. Only from the drop-in library: an argument that must be JSON is not. Nothing was changed.
 */
#define TIM_ERR_INVALID_JSON 6027

/**
 * The UserSig expired. The UserSig of this session expired while it was online. Log in again with a new one.
 */
#define TIM_ERR_USER_SIG_EXPIRED_ONLINE 6206

/**
 * Another login took this one's place. The same account logged in on another device and the app's multi-login rule
 * allows only one of them. This client is logged out and does not reconnect.
 */
#define TIM_ERR_KICKED_OFFLINE 6208

/**
 * The user id is not valid. A user id is 1 to 32 bytes of printable ASCII (0x20 to 0x7e).
 */
#define TIM_ERR_INVALID_USER_ID 7003

/**
 * Too many calls. More than 20 calls of this kind in 5 seconds by this user. Nothing was changed; retry after
 * retry_after_ms.
 */
#define TIM_ERR_RATE_LIMITED 7008

/**
 * Interrupted. Only from the drop-in library: TIMUninit was called before the operation finished; whether it took
 * effect is not known.
 */
#define TIM_ERR_INTERRUPTED 7009

/**
 * Internal error. Only from the drop-in library: it met a bug of its own and caught it. TIMUninit and TIMInit start
 * afresh. Please report it.
 */
#define TIM_ERR_INTERNAL_ERROR 7012

/**
 * Not supported by the plan or the server. The app's plan does not include this call, or the server or library does
 * not have it.
 */
#define TIM_ERR_INTERFACE_NOT_SUPPORTED 7013

/**
 * Not allowed in this state. For example: logging in as another user while logged in. Log out first.
 */
#define TIM_ERR_INVALID_OPERATION 7014

/**
 * A login is in progress. Another login of this client has not finished yet. Wait for its result.
 */
#define TIM_ERR_LOGIN_IN_PROGRESS 7501

/**
 * The connection was lost before the answer. The request was sent and the connection ended before its answer came, so
 * whether it took effect is not known. It is not sent again by itself.
 */
#define TIM_ERR_DISCONNECTED 9508

/**
 * The connection could not be made in time. Told with a connection state: an attempt to connect got no answer within
 * connect_timeout_ms.
 */
#define TIM_ERR_CONNECT_TIMEOUT 9510

/**
 * The connection was refused. Told with a connection state: nothing listens at the server's address, or a firewall
 * refuses it.
 */
#define TIM_ERR_CONNECTION_REFUSED 9511

/**
 * The network is unreachable. Told with a connection state: this machine has no way to the server's address.
 */
#define TIM_ERR_UNREACHABLE 9512

/**
 * No connection to the server. The request could not be sent within its time because there was no connection. Nothing
 * was changed.
 */
#define TIM_ERR_NO_CONNECTION 9523

/**
 * The UserSig is expired. Get a new UserSig from your backend and log in with it.
 */
#define TIM_ERR_USER_SIG_EXPIRED 70001

/**
 * The UserSig is empty. The UserSig given has no characters.
 */
#define TIM_ERR_USER_SIG_EMPTY 70002

/**
 * The UserSig is not valid. It cannot be decoded, or a field is missing. It may have been cut: check the buffer your
 * program copies it through.
 */
#define TIM_ERR_USER_SIG_INVALID 70003

/**
 * The UserSig does not check. It decodes, but a field has a value that no generator makes.
 */
#define TIM_ERR_USER_SIG_CHECK_FAILED 70005

/**
 * The UserSig was made with another key. Its signature does not fit the secret key that the server has for this app.
 */
#define TIM_ERR_USER_SIG_WRONG_KEY 70009

/**
 * The UserSig is for another user. The user id inside it is not the one that logs in.
 */
#define TIM_ERR_USER_SIG_OTHER_USER 70013

/**
 * The UserSig is for another app. The app id inside it is not the one that logs in.
 */
#define TIM_ERR_USER_SIG_OTHER_APP 70014

/**
 * No such app. The server does not have an app with this sdk_app_id.
 */
#define TIM_ERR_APP_NOT_FOUND 70020

/**
 * Too many failed logins. Ten logins of this account failed within a minute. Retry after retry_after_ms.
 */
#define TIM_ERR_TOO_MANY_FAILURES 70050

/**
 * The UserSig was revoked. The backend kicked this account; every UserSig made at or before that second is void. Get a
 * new one.
 */
#define TIM_ERR_USER_SIG_REVOKED 70052

/**
 * No such account. The user was never imported and never logged in.
 */
#define TIM_ERR_ACCOUNT_NOT_FOUND 70107

/**
 * Internal server error. The server could not carry out the request. Retry later.
 */
#define TIM_ERR_SERVER_ERROR 70500

/**
 * User status is switched off. The app's switch for status query and change notification is off.
 */
#define TIM_ERR_STATUS_DISABLED 72001

/** Bit in the flags of an error: the same call may succeed later. */
#define TIM_ERROR_FLAG_RETRIABLE 1
/** Bit in the flags of an error: the client or session is over; repeating the call cannot help. */
#define TIM_ERROR_FLAG_FATAL 2
/** Bit in the flags of an error: the calling program has a mistake. */
#define TIM_ERROR_FLAG_PROGRAMMING 4

/** One row of the table of errors. Static: valid as long as the process. */
typedef struct TimErrorDesc {
  /** sizeof(TimErrorDesc) of the library. Fields are only ever added at the end. */
  uint32_t struct_size;
  /** The number. */
  int32_t code;
  /** Bits TIM_ERROR_FLAG_*. */
  int32_t flags;
  /** 0. */
  uint32_t reserved;
  /** The constant, such as "TIM_ERR_BUSY". Never NULL. */
  const char *name;
  /** A short text for a person. Never NULL. */
  const char *message;
  /** When it happens and what to do about it. Never NULL. */
  const char *details;
} TimErrorDesc;

/**
 * Gives the name of a code, such as "TIM_ERR_BUSY".
 *
 * @param code  Any number.
 * @return A static string, never NULL; "TIM_ERR_UNKNOWN" for a number that is not in the table.
 */
TIM_API const char *timErrorName(int32_t code);

/**
 * Gives a short text for a code, in English. What was wrong in detail is in timLastErrorMessage or the result.
 *
 * @param code  Any number.
 * @return A static string, never NULL and never empty.
 */
TIM_API
const char *timErrorMessage(int32_t code);

/**
 * Says what kind of error a code is.
 *
 * @param code  Any number.
 * @return Bits TIM_ERROR_FLAG_*; 0 for a number that is not in the table.
 */
TIM_API int32_t timErrorFlags(int32_t code);

/**
 * Hands out the whole table of errors, for bindings and documentation.
 *
 * @param table  Receives an array of count pointers to rows; static, do not free. Not NULL.
 * @param count  Receives how many rows there are; not NULL.
 * @return TIM_OK; TIM_ERR_NULL_POINTER.
 */
TIM_API int32_t timErrorTable(const struct TimErrorDesc *const **table, size_t *count);

/**
 * Copies out what was wrong with the last call of this library on this thread that did not return TIM_OK: it names the
 * argument or option. A success leaves the text as it is, and so does this function. "" if nothing was ever wrong.
 *
 * @param buf       Receives the text and a NUL; NULL with a capacity of 0 to ask for the size.
 * @param capacity  Bytes that buf holds; 512 always suffice.
 * @param needed    Receives the capacity that suffices, also with TIM_ERR_BUFFER_TOO_SMALL; may be NULL if buf is not.
 * @return TIM_OK; TIM_ERR_BUFFER_TOO_SMALL; TIM_ERR_NULL_POINTER.
 */
TIM_API
int32_t timLastErrorMessage(char *buf,
                            size_t capacity,
                            size_t *needed);

/* ================================================================================================
 * Version: which library a program runs with, and whether it fits the header it was compiled with.
 *
 * Within one major ABI version, a program compiled against an older minor version runs with every newer library.
 * ================================================================================================ */

/** The version of this header: compare timVersion(). */
#define TIM_VERSION_MAJOR 0
/** See TIM_VERSION_MAJOR. */
#define TIM_VERSION_MINOR 1
/** See TIM_VERSION_MAJOR. */
#define TIM_VERSION_PATCH 0
/** See TIM_VERSION_MAJOR. */
#define TIM_VERSION_STRING "0.1.0"

/** The ABI of this header, for timCheckAbi. It breaks when the major number changes and grows with the minor one. */
#define TIM_ABI_MAJOR 0
/** See TIM_ABI_MAJOR. */
#define TIM_ABI_MINOR 1
/** Both in one number: compare timAbiVersion(). */
#define TIM_ABI_VERSION (TIM_ABI_MAJOR * 65536 + TIM_ABI_MINOR)

/**
 * Gives the version of the library the program runs with, such as "0.1.0". Compare TIM_VERSION_STRING.
 *
 * @return A static string, never NULL.
 */
TIM_API
const char *timVersion(void);

/**
 * Gives the ABI version of the library the program runs with. Compare TIM_ABI_VERSION.
 *
 * @return major << 16 | minor.
 */
TIM_API int32_t timAbiVersion(void);

/**
 * Checks that the library fits the program: timCheckAbi(TIM_ABI_MAJOR, TIM_ABI_MINOR). Call it first.
 *
 * @param major      The major ABI version the program was compiled with; must be the library's.
 * @param minor_min  The minor ABI version the program was compiled with; the library's may be higher.
 * @return TIM_OK; TIM_ERR_ABI_MISMATCH, the text has both versions.
 */
TIM_API
int32_t timCheckAbi(uint32_t major,
                    uint32_t minor_min);

/* ================================================================================================
 * Embedded server: a real presence server inside this process.
 *
 * For demos, for the tests of your application, for use on a single machine: clients of this and of other processes
 * connect to it as to any other. It keeps everything in memory and has threads of its own. Builds without the feature
 * "embedded-server" have these functions too; they answer TIM_ERR_UNSUPPORTED there.
 * ================================================================================================ */

/**
 * An embedded server. A number like TimClient: 0 is never one, and a wrong one is answered with
 * TIM_ERR_INVALID_HANDLE.
 */
typedef uint64_t TimServer;

/**
 * Starts a server. When this returns, it accepts connections.
 *
 * @param options_json  A JSON object in UTF-8; NULL or "{}" for the defaults: an address of this machine alone
 *     (127.0.0.1) with a free port, app 1400000001, a random secret key, and accounts that exist as soon as somebody
 *     subscribes to them. All keys are in docs/C_API.md, "Options of the embedded server". A key that this version
 *     does not know is refused.
 * @param server        Receives the handle; not NULL. Written only on success.
 * @return TIM_OK; TIM_ERR_INVALID_OPTIONS, the text names the key; TIM_ERR_ADDRESS_IN_USE; TIM_ERR_NO_MEMORY;
 *     TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8; TIM_ERR_UNSUPPORTED.
 */
TIM_API
int32_t timServerStart(const char *options_json,
                       TimServer *server);

/**
 * Says where the server listens, as a client's option "server" wants it: "tim://127.0.0.1:40123", or "tims://…" with a certificate.
 *
 * @param server    The server.
 * @param buf       Receives the address and a NUL; NULL with a capacity of 0 to ask for the size.
 * @param capacity  Bytes that buf holds; 64 always suffice.
 * @param needed    Receives the capacity that suffices, also with TIM_ERR_BUFFER_TOO_SMALL; may be NULL if buf is not.
 * @return TIM_OK; TIM_ERR_BUFFER_TOO_SMALL; TIM_ERR_NULL_POINTER, TIM_ERR_INVALID_HANDLE, TIM_ERR_FORKED;
 *     TIM_ERR_UNSUPPORTED.
 */
TIM_API
int32_t timServerAddress(TimServer server,
                         char *buf,
                         size_t capacity,
                         size_t *needed);

/**
 * Makes a UserSig for a user of the server's app, as a backend would.
 *
 * @param server    The server.
 * @param user_id   The user: 1 to 32 bytes of printable ASCII; not NULL. The account need not exist.
 * @param valid_s   For how many seconds it is valid from now on; at least 1.
 * @param buf       Receives the UserSig and a NUL; NULL with a capacity of 0 to ask for the size.
 * @param capacity  Bytes that buf holds; 1024 always suffice.
 * @param needed    Receives a capacity that suffices, also with TIM_ERR_BUFFER_TOO_SMALL; may be NULL if buf is not.
 *     A UserSig made a second later may be a few bytes longer: ask and copy with some room to spare.
 * @return TIM_OK; TIM_ERR_BUFFER_TOO_SMALL; TIM_ERR_INVALID_ARGUMENT for a user_id or valid_s out of range;
 *     TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8, TIM_ERR_INVALID_HANDLE, TIM_ERR_FORKED; TIM_ERR_UNSUPPORTED.
 */
TIM_API
int32_t timServerIssueUserSig(TimServer server,
                              const char *user_id,
                              uint32_t valid_s,
                              char *buf,
                              size_t capacity,
                              size_t *needed);

/**
 * Stops the server: its connections end, its clients of this and other processes see a lost connection. The handle is
 * invalid from the moment of this call, whatever it returns.
 *
 * Waits for the server's own threads, which run no callbacks, so it may be called from a callback.
 *
 * @param server      The server.
 * @param timeout_ms  How long to wait, in milliseconds.
 * @return TIM_OK: no thread or memory of the server is left; TIM_ERR_TIMEOUT: the rest ends in the background;
 *     TIM_ERR_INVALID_HANDLE, TIM_ERR_FORKED; TIM_ERR_UNSUPPORTED.
 */
TIM_API
int32_t timServerStop(TimServer server,
                      uint32_t timeout_ms);

#ifdef __cplusplus
}
#endif

#endif /* TIM_PRESENCE_H */
