/* Mistakes on purpose, one an argument: each must end this program with the sanitizer's report, or the sanitizer is not
 * there. `library` is the application's mistake as the library's own code meets it: it shows that the library, too, is
 * built with the sanitizer. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tim_presence.h"

static int heap(void) {
    volatile char *bytes = malloc(8);
    return bytes[8];
}

static int library(void) {
    TimClient client;
    if (timClientCreate("{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1}", &client) != TIM_OK) return 2;
    /* Room for two ids; the library is told of three. */
    const char **ids = malloc(2 * sizeof *ids);
    ids[0] = "bob", ids[1] = "carol";
    timGetUserStatus(client, ids, 3, NULL, NULL);
    free(ids);
    timClientDestroy(client, 10000);
    return 0;
}

static int overflow(int more) {
    int value = 0x7fffffff;
    return value + more;
}

static int leak(void) {
    /* The pointer is gone once the program has ended. */
    char *volatile bytes = malloc(100);
    bytes = NULL;
    return bytes != NULL;
}

static int raced;
static void *count_up(void *argument) {
    for (int i = 0; i < 100000; i++) raced++;
    return argument;
}
static int race(void) {
    pthread_t other;
    if (pthread_create(&other, NULL, count_up, NULL) != 0) return 0;
    count_up(NULL);
    pthread_join(other, NULL);
    return 0;
}

/* The library reads the ids while another thread changes them. */
static const char *changing_ids[] = {"bob", "carol"};
static void *change_ids(void *argument) {
    for (int i = 0; i < 200000; i++) changing_ids[1] = i % 2 == 0 ? "carol" : "dave";
    return argument;
}
static int library_race(void) {
    TimClient client;
    pthread_t other;
    if (timClientCreate("{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1}", &client) != TIM_OK) return 0;
    if (pthread_create(&other, NULL, change_ids, NULL) != 0) return 0;
    for (int i = 0; i < 2000; i++) timGetUserStatus(client, changing_ids, 2, NULL, NULL);
    pthread_join(other, NULL);
    timClientDestroy(client, 10000);
    return 0;
}

int main(int count, char **arguments) {
    const char *which = count > 1 ? arguments[1] : "";
    if (strcmp(which, "heap") == 0) return heap() == 77;
    if (strcmp(which, "library") == 0) return library();
    if (strcmp(which, "overflow") == 0) return overflow(count) == 77;
    if (strcmp(which, "leak") == 0) return leak();
    if (strcmp(which, "race") == 0) return race();
    if (strcmp(which, "library_race") == 0) return library_race();
    fprintf(stderr, "sanitizer_planted heap|library|overflow|leak|race|library_race\n");
    return 2;
}
