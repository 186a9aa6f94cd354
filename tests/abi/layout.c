/* Sizes, alignments and offsets of the header's structs, and its version, as this compiler has them: one fact a line.
 *
 *   layout structs    compared by ctest with include/abi/layout_lp64.txt, and that by a Rust test with Rust's structs
 *   layout version    compared by ctest with Cargo.toml
 *
 * Exit code 77 where pointers do not have 64 bits: the table is of those. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tim_presence.h"

#if defined(__cplusplus)
#define ALIGNMENT(type) alignof(type)
#else
#define ALIGNMENT(type) _Alignof(type)
#endif

#define STRUCT(type) printf(#type " size %zu align %zu\n", sizeof(type), (size_t)ALIGNMENT(type))
#define FIELD(type, field)                                                                                             \
    printf(#type "." #field " offset %zu size %zu\n", offsetof(type, field), sizeof(((type *)0)->field))
#define SCALAR(type) printf(#type " size %zu\n", sizeof(type))

static void structs(void) {
    SCALAR(TimClient);
    SCALAR(TimServer);

    STRUCT(TimUserStatus);
    FIELD(TimUserStatus, struct_size);
    FIELD(TimUserStatus, code);
    FIELD(TimUserStatus, status);
    FIELD(TimUserStatus, reason);
    FIELD(TimUserStatus, platforms);
    FIELD(TimUserStatus, reserved);
    FIELD(TimUserStatus, version);
    FIELD(TimUserStatus, since_ms);
    FIELD(TimUserStatus, user_id);
    FIELD(TimUserStatus, custom_status);

    STRUCT(TimResult);
    FIELD(TimResult, struct_size);
    FIELD(TimResult, code);
    FIELD(TimResult, message);
    FIELD(TimResult, retry_after_ms);
    FIELD(TimResult, reserved);
    FIELD(TimResult, items);
    FIELD(TimResult, item_count);
    FIELD(TimResult, evicted);
    FIELD(TimResult, evicted_count);

    STRUCT(TimErrorDesc);
    FIELD(TimErrorDesc, struct_size);
    FIELD(TimErrorDesc, code);
    FIELD(TimErrorDesc, flags);
    FIELD(TimErrorDesc, reserved);
    FIELD(TimErrorDesc, name);
    FIELD(TimErrorDesc, message);
    FIELD(TimErrorDesc, details);
}

static void version(void) {
    printf("%d.%d.%d\n", TIM_VERSION_MAJOR, TIM_VERSION_MINOR, TIM_VERSION_PATCH);
    printf("%s\n", TIM_VERSION_STRING);
    printf("%s\n", timVersion());
    printf("%d.%d\n", TIM_ABI_MAJOR, TIM_ABI_MINOR);
    printf("%d.%d\n", TIM_ABI_VERSION / 65536, TIM_ABI_VERSION % 65536);
    printf("%d.%d\n", (int)(timAbiVersion() / 65536), (int)(timAbiVersion() % 65536));
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    if (strcmp(argv[1], "version") == 0) {
        version();
        return 0;
    }
    if (strcmp(argv[1], "structs") != 0) return 2;
    if (sizeof(void *) != 8) return 77;
    structs();
    return 0;
}
