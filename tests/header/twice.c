/* The header alone, and twice: compiled in every language version that ctest knows. */
#include "tim_presence.h"

#include "tim_presence.h"

int main(void) { return (int)sizeof(TimUserStatus) == 0; }
