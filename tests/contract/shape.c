/* The shape of the interface: options as documented, handles, codes (docs/C_API.md, "Shape" and the tables of options). The
 * tables are read from the page itself: what it promises is what is tried. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "contract.h"

#ifndef C_API_PAGE
#error "the path of docs/C_API.md is needed"
#endif

/* ---- the tables of options ---- */

typedef struct Row {
    char key[64], takes[256], fallback[64], meaning[512];
} Row;

enum { ROWS_MAX = 64 };

static void copy_cell(char *to, size_t capacity, const char *from, const char *end) {
    while (from < end && *from == ' ') from++;
    while (end > from && end[-1] == ' ') end--;
    size_t length = (size_t)(end - from);
    CHECK(length < capacity);
    memcpy(to, from, length);
    to[length] = 0;
}

/* The text between the backquotes, in place. */
static void unquote(char *cell) {
    size_t length = strlen(cell);
    if (length < 2 || cell[0] != '`' || cell[length - 1] != '`') return;
    memmove(cell, cell + 1, length - 2);
    cell[length - 2] = 0;
}

/* The rows of the table below a heading. */
static size_t rows_of(const char *heading, Row *rows) {
    char line[2048], cells[4][1024];
    size_t count = 0;
    int inside = 0;
    FILE *page = fopen(C_API_PAGE, "r");
    CHECK(page != NULL);
    while (fgets(line, sizeof line, page) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#') inside = strcmp(line, heading) == 0;
        if (!inside || strncmp(line, "| `", 3) != 0) continue;
        const char *at = line + 1;
        for (int i = 0; i < 4; i++) {
            const char *end = strchr(at, '|');
            CHECK(end != NULL);
            copy_cell(cells[i], sizeof cells[i], at, end);
            at = end + 1;
        }
        CHECK(count < ROWS_MAX);
        Row *row = &rows[count++];
        snprintf(row->key, sizeof row->key, "%.60s", cells[0]);
        snprintf(row->takes, sizeof row->takes, "%.250s", cells[1]);
        snprintf(row->fallback, sizeof row->fallback, "%.60s", cells[2]);
        snprintf(row->meaning, sizeof row->meaning, "%.500s", cells[3]);
        unquote(row->key), unquote(row->fallback);
    }
    fclose(page);
    return count;
}

/* The range of a number: "from A to B" in what it takes, or "A to B." in its meaning. */
static int range_of(const Row *row, long long *least, long long *most) {
    const char *from = strstr(row->takes, "from ");
    if (from != NULL) return sscanf(from, "from %lld to %lld", least, most) == 2;
    const char *last = NULL;
    for (const char *at = row->meaning; (at = strstr(at, " to ")) != NULL; at++) last = at;
    if (last == NULL || strcmp(row->takes, "number") != 0) return 0;
    const char *start = last;
    while (start > row->meaning && start[-1] >= '0' && start[-1] <= '9') start--;
    return sscanf(start, "%lld to %lld", least, most) == 2;
}

typedef int32_t (*Try)(const char *members);

static int32_t try_client(const char *members) {
    char json[512];
    TimClient client = 0;
    snprintf(json, sizeof json, "{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1%s%s}", members[0] != 0 ? "," : "", members);
    int32_t code = timClientCreate(json, &client);
    if (code == TIM_OK) raw_destroy(client);
    return code;
}

static int32_t try_server(const char *members) {
    char json[512];
    TimServer server = 0;
    snprintf(json, sizeof json, "{%s}", members);
    int32_t code = timServerStart(json, &server);
    if (code == TIM_OK) ACCEPTED(timServerStop(server, DEADLINE_MS));
    return code;
}

static void try_row(const Row *row, const char *value, Try try, int32_t expected) {
    char members[256];
    snprintf(members, sizeof members, "\"%s\":%s", row->key, value);
    int32_t code = try(members);
    if (code != expected) FAIL("{%s} answered %s, not %s (%s)", members, timErrorName(code), timErrorName(expected), last_error());
    if (code != TIM_OK && strstr(last_error(), row->key) == NULL) FAIL("{%s}: the text \"%s\" does not name the key", members, last_error());
}

static void try_number(const Row *row, long long value, Try try, int32_t expected) {
    char text[32];
    snprintf(text, sizeof text, "%lld", value);
    try_row(row, text, try, expected);
}

/* Every row: its default is accepted, its range ends where the page says, another type is refused by name. */
static void check_table(const char *heading, size_t rows_min, Try try) {
    static Row rows[ROWS_MAX];
    size_t count = rows_of(heading, rows), ranges = 0;
    if (count < rows_min) FAIL("only %zu options under %s", count, heading);
    for (size_t i = 0; i < count; i++) {
        const Row *row = &rows[i];
        long long least, most;
        int required = strcmp(row->fallback, "required") == 0;
        try_row(row, "[[]]", try, TIM_ERR_INVALID_OPTIONS);
        if (required) continue;
        if (strcmp(row->fallback, "none") != 0 && strcmp(row->fallback, "random") != 0 && strcmp(row->fallback, "by system") != 0)
            try_row(row, row->fallback, try, TIM_OK);
        if (!range_of(row, &least, &most)) continue;
        ranges++;
        if (least > 0) try_number(row, least - 1, try, TIM_ERR_INVALID_OPTIONS);
        try_number(row, -1, try, TIM_ERR_INVALID_OPTIONS);
        try_number(row, most + 1, try, TIM_ERR_INVALID_OPTIONS);
        try_row(row, "1.5", try, TIM_ERR_INVALID_OPTIONS);
        try_row(row, "\"1\"", try, TIM_ERR_INVALID_OPTIONS);
        /* Some ends do not go with the defaults of others: heartbeats, or a thousand threads. */
        if (try == try_client) {
            try_number(row, least, try, TIM_OK);
            try_number(row, most, try, TIM_OK);
        }
    }
    if (ranges < count / 3) FAIL("only %zu of %zu options under %s have a range", ranges, count, heading);
    char members[64];
    snprintf(members, sizeof members, "\"colour\":1");
    CHECK_EQ(try(members), TIM_ERR_INVALID_OPTIONS);
    CHECK(strstr(last_error(), "colour") != NULL);
}

CASE(options_of_a_client_are_as_documented, "each default, each end of each range, each wrong type, an unknown key: by the table of the page") {
    check_table("## Options of a client", 12, try_client);
    static const char *const platforms[] = {"iOS", "Android", "Web", "Windows", "Mac", "Linux", "iPad", "Toaster", "12345678901234567890123456789012"};
    char members[128];
    for (size_t i = 0; i < sizeof platforms / sizeof platforms[0]; i++) {
        snprintf(members, sizeof members, "\"platform\":\"%s\"", platforms[i]);
        CHECK_EQ(try_client(members), TIM_OK);
    }
    CHECK_EQ(try_client("\"platform\":\"\""), TIM_ERR_INVALID_OPTIONS);
    CHECK_EQ(try_client("\"platform\":\"123456789012345678901234567890123\""), TIM_ERR_INVALID_OPTIONS);
    CHECK_EQ(try_client("\"platform\":\"T\xc3\xb6""aster\""), TIM_ERR_INVALID_OPTIONS);
}

CASE(options_of_the_embedded_server_are_as_documented, "the same, by its table") {
    check_table("## Options of the embedded server", 25, try_server);
    CHECK_EQ(try_server("\"listen\":\"0.0.0.0:0\""), TIM_ERR_INVALID_OPTIONS);
    CHECK_EQ(try_server("\"listen\":\"0.0.0.0:0\",\"insecure\":true"), TIM_OK);
    CHECK_EQ(try_server("\"accounts\":[\"alice\"],\"friends\":{\"alice\":[\"bob\"]},\"secret_key\":\"k\""), TIM_OK);
    CHECK_EQ(try_server("\"accounts\":[\"\"]"), TIM_ERR_INVALID_OPTIONS);
    CHECK_EQ(try_server("\"heartbeat_interval_ms\":1000,\"heartbeat_timeout_ms\":1000"), TIM_ERR_INVALID_OPTIONS);
}

CASE(an_app_id_is_below_2_to_the_53, "sdk_app_id: 1 to 2^53-1") {
    static const struct {
        const char *id;
        int32_t code;
    } ids[] = {{"1", TIM_OK}, {"9007199254740991", TIM_OK}, {"9007199254740992", TIM_ERR_INVALID_OPTIONS}, {"0", TIM_ERR_INVALID_OPTIONS}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char json[128];
        TimClient client = 0;
        snprintf(json, sizeof json, "{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":%s}", ids[i].id);
        CHECK_EQ(timClientCreate(json, &client), ids[i].code);
        if (client != 0) raw_destroy(client);
    }
}

/* ---- a data directory ---- */

/* Fails if a file below `directory` may be read by others; how many files there are. */
static int check_private(const char *directory) {
    char path[512];
    int files = 0;
    struct stat facts;
    DIR *listing = opendir(directory);
    CHECK(listing != NULL);
    CHECK_EQ(stat(directory, &facts), 0);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%.200s", directory, entry->d_name);
        CHECK_EQ(stat(path, &facts), 0);
        if ((facts.st_mode & 077) != 0) FAIL("%s has mode %o", path, (unsigned)facts.st_mode);
        files++;
    }
    closedir(listing);
    return files;
}

CASE(a_data_dir_is_its_owners_alone, "made if absent; whatever is in it, a UserSig while a logout is unsaid, only its owner can read") {
    char parent[] = "/tmp/tim-test-data-XXXXXX", options[256], directory[64];
    CHECK(mkdtemp(parent) != NULL);
    snprintf(directory, sizeof directory, "%s/device", parent);
    snprintf(options, sizeof options, "\"logout_timeout_ms\":50,\"data_dir\":\"%s\"", directory);
    umask(0);
    Home home = home_start("");
    Signal out = {0};
    TimClient client = raw_client(home.address, options);
    raw_login(client, "alice", home_user_sig(&home, "alice", 3600));
    int before = check_private(directory);
    CHECK(before > 0);
    home_stop(&home);
    ACCEPTED(timLogout(client, post_result, &out));
    await_posts(&out, 1, "the logout");
    raw_destroy(client);
    CHECK(check_private(directory) > before);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", parent);
    CHECK_EQ(system(command), 0);
}

/* ---- handles ---- */

static int compare(const void *a, const void *b) {
    uint64_t left, right;
    memcpy(&left, a, sizeof left), memcpy(&right, b, sizeof right);
    return (left > right) - (left < right);
}

CASE(no_handle_is_given_out_twice, "3 000 clients after one another and side by side; kind, slot and generation are where the page says") {
    enum { LIVES = 3000, TOGETHER = 30 };
    static TimClient handles[LIVES];
    for (int i = 0; i < LIVES; i += TOGETHER) {
        for (int j = 0; j < TOGETHER; j++) handles[i + j] = raw_client("tim://127.0.0.1:1", "\"delivery\":\"poll\"");
        for (int j = 0; j < TOGETHER; j++) raw_destroy(handles[i + j]);
    }
    uint64_t kind = handles[0] >> 56;
    for (int i = 0; i < LIVES; i++) {
        CHECK(handles[i] != 0);
        CHECK_EQ(handles[i] >> 56, kind);
        CHECK((uint32_t)handles[i] > 0);
    }
    qsort(handles, LIVES, sizeof handles[0], compare);
    for (int i = 1; i < LIVES; i++) CHECK(handles[i] != handles[i - 1]);
    Home home = home_start("");
    CHECK(home.server >> 56 != kind);
    home_stop(&home);
}

/* ---- codes ---- */

CASE(published_codes_keep_their_numbers, "the service's are positive, ours negative; every number is in the table once") {
    static const int32_t published[] = {TIM_ERR_NOT_INITIALIZED,      6013,  TIM_ERR_NOT_LOGGED_IN,         6014,  TIM_ERR_INVALID_PARAMETERS,    6017,
                                        TIM_ERR_LOGGED_OUT,           6023,  TIM_ERR_USER_SIG_EXPIRED_ONLINE, 6206, TIM_ERR_KICKED_OFFLINE,       6208,
                                        TIM_ERR_INVALID_USER_ID,      7003,  TIM_ERR_RATE_LIMITED,          7008,  TIM_ERR_INTERFACE_NOT_SUPPORTED, 7013,
                                        TIM_ERR_INVALID_OPERATION,    7014,  TIM_ERR_LOGIN_IN_PROGRESS,     7501,  TIM_ERR_DISCONNECTED,          9508,
                                        TIM_ERR_NO_CONNECTION,        9523,  TIM_ERR_USER_SIG_EXPIRED,      70001, TIM_ERR_STATUS_DISABLED,       72001};
    const TimErrorDesc *const *table = NULL;
    size_t count = 0;
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i += 2) CHECK_EQ(published[i], published[i + 1]);
    ACCEPTED(timErrorTable(&table, &count));
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(table[i]->struct_size, sizeof(TimErrorDesc));
        CHECK(table[i]->code == 0 || table[i]->code >= 6000 || (table[i]->code < 0 && table[i]->code > -1000));
        CHECK(strncmp(table[i]->name, "TIM_", 4) == 0 && table[i]->message[0] != 0 && table[i]->details[0] != 0);
        CHECK((table[i]->flags & ~(TIM_ERROR_FLAG_RETRIABLE | TIM_ERROR_FLAG_FATAL | TIM_ERROR_FLAG_PROGRAMMING)) == 0);
        for (size_t j = 0; j < i; j++) CHECK(table[i]->code != table[j]->code && strcmp(table[i]->name, table[j]->name) != 0);
    }
    CHECK_STR(timErrorName(INT32_MIN), "TIM_ERR_UNKNOWN");
    CHECK_STR(timErrorName(INT32_MAX), "TIM_ERR_UNKNOWN");
    CHECK_EQ(timErrorFlags(INT32_MIN), 0);
}
