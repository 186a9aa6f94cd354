/* The installed header, which pkg-config finds. */
#include <tim_presence.h>
