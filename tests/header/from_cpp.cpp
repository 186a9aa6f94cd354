// A C++ program links and runs: the declarations are extern "C".
#include <cstdio>
#include <cstring>

#include "tim_presence.h"

int main() {
    if (timVersion() == nullptr || std::strlen(timVersion()) == 0) return 1;
    if (timCheckAbi(TIM_ABI_MAJOR, TIM_ABI_MINOR) != TIM_OK) return 2;
    if (timClientDestroy(0, 0) != TIM_ERR_INVALID_HANDLE) return 3;
    std::printf("%s\n", timVersion());
    return 0;
}
