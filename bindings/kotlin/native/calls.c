/*
 * The functions of Native.kt. A text comes as its bytes in UTF-8 without a NUL (Kotlin checks that); out arrays have one element.
 * Every function answers what the library answered; where C memory runs out it is TIM_ERR_NO_MEMORY and nothing was done.
 */
#include <jni.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

#define NATIVE(type, name) JNIEXPORT type JNICALL Java_tim_presence_Native_##name

/* A copy with a NUL behind it; NULL when there is no memory. For the caller to free. */
static char *text_of(JNIEnv *env, jbyteArray array) {
  jsize length = (*env)->GetArrayLength(env, array);
  char *text = malloc((size_t)length + 1);
  if (!text) return NULL;
  (*env)->GetByteArrayRegion(env, array, 0, length, (jbyte *)text);
  text[length] = '\0';
  return text;
}

/* Memory that held a secret is not left as it was. */
static void forget(char *text) {
  if (!text) return;
  volatile char *at = text;
  while (*at) *at++ = '\0';
  free(text);
}

static jbyteArray bytes_of(JNIEnv *env, const void *bytes, size_t length) {
  if (length > INT32_MAX) return NULL;
  jbyteArray array = (*env)->NewByteArray(env, (jsize)length);
  if (array) (*env)->SetByteArrayRegion(env, array, 0, (jsize)length, bytes);
  return array;
}

static void set_long(JNIEnv *env, jlongArray out, jlong value) { (*env)->SetLongArrayRegion(env, out, 0, 1, &value); }
static void set_int(JNIEnv *env, jintArray out, jint value) { (*env)->SetIntArrayRegion(env, out, 0, 1, &value); }

/* ---- lifecycle and delivery ---- */

NATIVE(jint, create)(JNIEnv *env, jclass self, jbyteArray options, jlongArray out) {
  (void)self;
  char *json = text_of(env, options);
  if (!json) return TIM_ERR_NO_MEMORY;
  TimClient client;
  int32_t code = timClientCreate(json, &client);
  free(json);
  if (code != TIM_OK) return code;
  code = events_listen(client);
  if (code == TIM_OK) code = ready_watch(client);
  if (code == TIM_OK) set_long(env, out, (jlong)client);
  else timClientDestroy(client, 1000);
  return code;
}

NATIVE(jint, destroy)(JNIEnv *env, jclass self, jlong client) {
  (void)env, (void)self;
  return timClientDestroyAsync((TimClient)client, events_on_closed, NULL);
}

NATIVE(jlong, next)(JNIEnv *env, jclass self, jlong timeout_ms) {
  (void)env, (void)self;
  return (jlong)ready_next(timeout_ms);
}

/* out[0]: the code of timPoll, or TIM_ERR_NO_MEMORY when events were lost; out[1]: how many callbacks ran. NULL for no event. */
NATIVE(jbyteArray, poll)(JNIEnv *env, jclass self, jlong client, jint max_events, jintArray out) {
  (void)self;
  Buffer buffer = {NULL, 0, 0, false};
  size_t handled = 0;
  jint answers[2];
  answers[0] = events_poll((TimClient)client, (size_t)max_events, &buffer, &handled);
  answers[1] = (jint)handled;
  jbyteArray events = buffer.length && !buffer.failed ? bytes_of(env, buffer.bytes, buffer.length) : NULL;
  if (buffer.failed || (buffer.length && !events)) {
    answers[0] = TIM_ERR_NO_MEMORY;
    (*env)->ExceptionClear(env);
  }
  free(buffer.bytes);
  (*env)->SetIntArrayRegion(env, out, 0, 2, answers);
  return events;
}

NATIVE(jint, log)(JNIEnv *env, jclass self, jlong client, jint level) {
  (void)env, (void)self;
  return events_log((TimClient)client, level);
}

/* ---- session ---- */

NATIVE(jint, login)(JNIEnv *env, jclass self, jlong client, jint number, jbyteArray user_id, jbyteArray user_sig) {
  (void)self;
  char *user = text_of(env, user_id), *sig = text_of(env, user_sig);
  int32_t code = TIM_ERR_NO_MEMORY;
  if (user && sig) code = timLogin((TimClient)client, user, sig, events_on_result, events_tag(number));
  free(user);
  forget(sig);
  return code;
}

NATIVE(jint, logout)(JNIEnv *env, jclass self, jlong client, jint number) {
  (void)env, (void)self;
  return timLogout((TimClient)client, events_on_result, events_tag(number));
}

NATIVE(jint, renewUserSig)(JNIEnv *env, jclass self, jlong client, jint number, jbyteArray user_sig) {
  (void)self;
  char *sig = text_of(env, user_sig);
  if (!sig) return TIM_ERR_NO_MEMORY;
  int32_t code = timRenewUserSig((TimClient)client, sig, events_on_result, events_tag(number));
  forget(sig);
  return code;
}

NATIVE(jint, loginState)(JNIEnv *env, jclass self, jlong client, jintArray out) {
  (void)self;
  int32_t state;
  int32_t code = timGetLoginState((TimClient)client, &state);
  if (code == TIM_OK) set_int(env, out, state);
  return code;
}

/* NULL when the library refused, out[0] says why. */
NATIVE(jbyteArray, loginUser)(JNIEnv *env, jclass self, jlong client, jintArray out) {
  (void)self;
  char user[64];
  int32_t code = timGetLoginUser((TimClient)client, user, sizeof user, NULL);
  set_int(env, out, code);
  return code == TIM_OK ? bytes_of(env, user, strlen(user)) : NULL;
}

NATIVE(jint, serverTime)(JNIEnv *env, jclass self, jlong client, jlongArray out) {
  (void)self;
  int64_t ms;
  int32_t code = timGetServerTime((TimClient)client, &ms);
  if (code == TIM_OK) set_long(env, out, ms);
  return code;
}

NATIVE(jint, networkChanged)(JNIEnv *env, jclass self, jlong client) {
  (void)env, (void)self;
  return timNotifyNetworkChanged((TimClient)client);
}

/* ---- user status ---- */

NATIVE(jint, setSelfStatus)(JNIEnv *env, jclass self, jlong client, jint number, jbyteArray custom_status) {
  (void)self;
  char *text = text_of(env, custom_status);
  if (!text) return TIM_ERR_NO_MEMORY;
  int32_t code = timSetSelfStatus((TimClient)client, text, events_on_result, events_tag(number));
  free(text);
  return code;
}

typedef int32_t (*UsersFn)(TimClient, const char *const *, size_t, TimResultFn, void *);

/* joined holds count texts, each followed by a NUL. */
static jint with_users(JNIEnv *env, UsersFn call, jlong client, jint number, jbyteArray joined, jint count) {
  char *texts = text_of(env, joined);
  const char **ids = malloc(((size_t)count + 1) * sizeof *ids); /* never of size 0: NULL means all to unsubscribe */
  int32_t code = TIM_ERR_NO_MEMORY;
  if (texts && ids) {
    const char *at = texts;
    for (jint i = 0; i < count; i++) {
      ids[i] = at;
      at += strlen(at) + 1;
    }
    code = call((TimClient)client, ids, (size_t)count, events_on_result, events_tag(number));
  }
  free(ids);
  free(texts);
  return code;
}

NATIVE(jint, getUserStatus)(JNIEnv *env, jclass self, jlong client, jint number, jbyteArray joined, jint count) {
  (void)self;
  return with_users(env, timGetUserStatus, client, number, joined, count);
}

NATIVE(jint, subscribe)(JNIEnv *env, jclass self, jlong client, jint number, jbyteArray joined, jint count) {
  (void)self;
  return with_users(env, timSubscribeUserStatus, client, number, joined, count);
}

NATIVE(jint, unsubscribe)(JNIEnv *env, jclass self, jlong client, jint number, jbyteArray joined, jint count) {
  (void)self;
  return with_users(env, timUnsubscribeUserStatus, client, number, joined, count);
}

NATIVE(jint, unsubscribeAll)(JNIEnv *env, jclass self, jlong client, jint number) {
  (void)env, (void)self;
  return timUnsubscribeUserStatus((TimClient)client, NULL, 0, events_on_result, events_tag(number));
}

NATIVE(jint, getSubscriptions)(JNIEnv *env, jclass self, jlong client, jint number) {
  (void)env, (void)self;
  return timGetSubscriptions((TimClient)client, events_on_result, events_tag(number));
}

NATIVE(jint, getFriends)(JNIEnv *env, jclass self, jlong client, jint number) {
  (void)env, (void)self;
  return timGetFriends((TimClient)client, events_on_result, events_tag(number));
}

/* ---- errors and version ---- */

NATIVE(jstring, errorName)(JNIEnv *env, jclass self, jint code) {
  (void)self;
  return (*env)->NewStringUTF(env, timErrorName(code)); /* ASCII */
}

NATIVE(jbyteArray, errorMessage)(JNIEnv *env, jclass self, jint code) {
  (void)self;
  const char *message = timErrorMessage(code);
  return bytes_of(env, message, strlen(message));
}

NATIVE(jint, errorFlags)(JNIEnv *env, jclass self, jint code) {
  (void)env, (void)self;
  return timErrorFlags(code);
}

NATIVE(jbyteArray, lastError)(JNIEnv *env, jclass self) {
  (void)self;
  char text[512]; /* always suffices, says the header */
  if (timLastErrorMessage(text, sizeof text, NULL) != TIM_OK) text[0] = '\0';
  return bytes_of(env, text, strlen(text));
}

NATIVE(jstring, version)(JNIEnv *env, jclass self) {
  (void)self;
  return (*env)->NewStringUTF(env, timVersion());
}

/* The shim is compiled against the header of the library inside it; what may differ from both is Native.kt. */
NATIVE(jint, checkAbi)(JNIEnv *env, jclass self, jint major, jint minor_min) {
  (void)env, (void)self;
  return timCheckAbi((uint32_t)major, (uint32_t)minor_min);
}

/* ---- the embedded server ---- */

NATIVE(jint, serverStart)(JNIEnv *env, jclass self, jbyteArray options, jlongArray out) {
  (void)self;
  char *json = text_of(env, options);
  if (!json) return TIM_ERR_NO_MEMORY;
  TimServer server;
  int32_t code = timServerStart(json, &server);
  forget(json); /* it may have a secret key */
  if (code == TIM_OK) set_long(env, out, (jlong)server);
  return code;
}

/* NULL when the library refused, out[0] says why. */
NATIVE(jbyteArray, serverAddress)(JNIEnv *env, jclass self, jlong server, jintArray out) {
  (void)self;
  char address[128];
  int32_t code = timServerAddress((TimServer)server, address, sizeof address, NULL);
  set_int(env, out, code);
  return code == TIM_OK ? bytes_of(env, address, strlen(address)) : NULL;
}

/* NULL when the library refused, out[0] says why. */
NATIVE(jbyteArray, serverIssueUserSig)(JNIEnv *env, jclass self, jlong server, jbyteArray user_id, jint valid_s, jintArray out) {
  (void)self;
  char sig[1024]; /* always suffices, says the header */
  char *user = text_of(env, user_id);
  int32_t code = TIM_ERR_NO_MEMORY;
  if (user) code = timServerIssueUserSig((TimServer)server, user, (uint32_t)valid_s, sig, sizeof sig, NULL);
  free(user);
  set_int(env, out, code);
  if (code != TIM_OK) return NULL;
  return bytes_of(env, sig, strlen(sig));
}

NATIVE(jint, serverStop)(JNIEnv *env, jclass self, jlong server, jint timeout_ms) {
  (void)env, (void)self;
  return timServerStop((TimServer)server, (uint32_t)timeout_ms);
}
