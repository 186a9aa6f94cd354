/* TIMCloud.h compiles by itself, twice, beside tim_presence.h, in C and in C++. */
#include "imsdk/TIMCloud.h"
#include "imsdk/TIMCloud.h"
#include "tim_presence.h"

enum TIMLoginStatus (*ask)(void) = TIMGetLoginStatus;
int (*query)(const char *, TIMCommCallback, const void *) = TIMGetUserStatus;
int (*code)(void) = TIMUninit;
