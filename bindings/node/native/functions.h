// The functions of libtim_presence, looked up in the library file when the package is loaded.
//
// Looked up and not linked, so that the package says in words what is wrong with a library that does not fit, and so that
// TIM_PRESENCE_LIBRARY can name another file. The list is compared with include/tim_symbols.txt by tests/abi.test.mjs; the
// type of each function is that of the header.
#ifndef TIM_NODE_FUNCTIONS_H
#define TIM_NODE_FUNCTIONS_H

#include <string>

#include "tim_presence.h"

#define TIM_FUNCTIONS(F)                                                                                                \
  F(timAbiVersion)                                                                                                      \
  F(timCheckAbi)                                                                                                        \
  F(timClientCreate)                                                                                                    \
  F(timClientDestroy)                                                                                                   \
  F(timClientDestroyAsync)                                                                                              \
  F(timErrorFlags)                                                                                                      \
  F(timErrorMessage)                                                                                                    \
  F(timErrorName)                                                                                                       \
  F(timErrorTable)                                                                                                      \
  F(timGetFriends)                                                                                                      \
  F(timGetLoginState)                                                                                                   \
  F(timGetLoginUser)                                                                                                    \
  F(timGetServerTime)                                                                                                   \
  F(timGetSubscriptions)                                                                                                \
  F(timGetUserStatus)                                                                                                   \
  F(timGetWakeFd)                                                                                                       \
  F(timLastErrorMessage)                                                                                                \
  F(timLogin)                                                                                                           \
  F(timLogout)                                                                                                          \
  F(timNotifyNetworkChanged)                                                                                            \
  F(timPoll)                                                                                                            \
  F(timRenewUserSig)                                                                                                    \
  F(timServerAddress)                                                                                                   \
  F(timServerIssueUserSig)                                                                                              \
  F(timServerStart)                                                                                                     \
  F(timServerStop)                                                                                                      \
  F(timSetConnectionStateCallback)                                                                                      \
  F(timSetKickedOfflineCallback)                                                                                        \
  F(timSetLogCallback)                                                                                                  \
  F(timSetSelfStatus)                                                                                                   \
  F(timSetSubscriptionEvictedCallback)                                                                                  \
  F(timSetThreadHooks)                                                                                                  \
  F(timSetUserSigExpiredCallback)                                                                                       \
  F(timSetUserStatusChangedCallback)                                                                                    \
  F(timSetWakeCallback)                                                                                                 \
  F(timSubscribeUserStatus)                                                                                             \
  F(timUnsubscribeUserStatus)                                                                                           \
  F(timVersion)

namespace tim_node {

/// One pointer a function, by the function's name.
struct Functions {
#define TIM_POINTER(name) decltype(&::name) name;
  TIM_FUNCTIONS(TIM_POINTER)
#undef TIM_POINTER
};

/// Filled in by `load`; the same for every thread of the process.
extern Functions tim;

/// Opens the library and looks up every function, once in a process. "" or, for a person, what is wrong.
std::string load(const char *path);

} // namespace tim_node

#endif
