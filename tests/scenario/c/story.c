/* Words of a story's line. A word ends at a space; one that begins with a quote ends at the next quote. "u{1..3}" is
 * three words, "x{*3}" is "xxx". */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(Words *words, const char *text, size_t length) {
    if (words->count == WORDS_MAX) broken("more than %d words", WORDS_MAX);
    char *copy = malloc(length + 1);
    if (copy == NULL) broken("no memory");
    memcpy(copy, text, length);
    copy[length] = 0;
    words->word[words->count++] = copy;
}

static void add_repeated(Words *words, const char *text, size_t length, int times) {
    size_t total = length * (size_t)times;
    char *repeated = malloc(total + 1);
    if (repeated == NULL) broken("no memory");
    for (int i = 0; i < times; i++) memcpy(repeated + (size_t)i * length, text, length);
    add(words, repeated, total);
    free(repeated);
}

static void add_unquoted(Words *words, const char *text, size_t length) {
    const char *brace = memchr(text, '{', length);
    char numbered[64];
    int first, last;
    if (brace == NULL) {
        add(words, text, length);
    } else if (sscanf(brace, "{*%d}", &last) == 1) {
        add_repeated(words, text, (size_t)(brace - text), last);
    } else if (sscanf(brace, "{%d..%d}", &first, &last) == 2) {
        for (int i = first; i <= last; i++) {
            int written = snprintf(numbered, sizeof numbered, "%.*s%d", (int)(brace - text), text, i);
            add(words, numbered, (size_t)written);
        }
    } else {
        broken("braces that are not understood: %s", text);
    }
}

void words_of(const char *line, Words *words) {
    words->count = 0;
    while (*line != 0) {
        if (*line == ' ') {
            line++;
        } else if (*line == '"') {
            const char *end = strchr(++line, '"');
            if (end == NULL) broken("a quote without end: %s", line);
            add(words, line, (size_t)(end - line));
            line = end + 1;
        } else {
            size_t length = strcspn(line, " ");
            add_unquoted(words, line, length);
            line += length;
        }
    }
}

void words_free(Words *words) {
    for (size_t i = 0; i < words->count; i++) free(words->word[i]);
    words->count = 0;
}
