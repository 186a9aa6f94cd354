/* How long dlopen takes, in a fresh process each time (the file is in the page cache): load NAME LIBRARY [NAME LIBRARY]… Does not link
 * the library. */
#include <dlfcn.h>

#include "bench.h"

static void load(const void *library, void *us) {
    double began = now_ns();
    void *loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    *(double *)us = (now_ns() - began) / 1000;
    if (loaded == NULL) FAIL("%s", dlerror());
}

int main(int argc, char **argv) {
    print_table_head("dlopen, in a fresh process");
    for (int i = 1; i + 1 < argc; i += 2) {
        Series runs = {0};
        double us = 0;
        for (int n = 5 * runs_wanted(); n >= 0; n--) {
            in_fresh_process(load, argv[i + 1], &us, sizeof us);
            series_add(&runs, us);
            /* The first finds the file on the disk, perhaps. */
            if (runs.count == 1 && n == 5 * runs_wanted()) series_clear(&runs);
        }
        print_row(argv[i], "µs", &runs);
    }
    return 0;
}
