#!/bin/sh
# Builds the JNI shim, libtim_presence and all:  build.sh LIBTIM_PRESENCE.a OUT_DIR
# The result is OUT_DIR/META-INF/native/<system>-<machine>/libtim_presence_jni.so, as the jar holds it: one file that needs nothing
# but the C library. Needs a C compiler (CC, or cc) and a JDK (JAVA_HOME, or that of javac). To build for another
# system, give its compiler in CC, its JDK headers in JNI_CFLAGS and its name in TIM_PLATFORM (docs/KOTLIN.md, "Android").
set -eu
here=$(cd "$(dirname "$0")" && pwd)
archive=$1
platform=${TIM_PLATFORM:-linux-$(uname -m)}
out=$2/META-INF/native/$platform
: "${CC:=cc}"
if [ -z "${JNI_CFLAGS:-}" ]; then
    [ -n "${JAVA_HOME:-}" ] || JAVA_HOME=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")
    JNI_CFLAGS="-I$JAVA_HOME/include -I$JAVA_HOME/include/linux"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
for part in calls events ready; do
    "$CC" -std=c11 -D_GNU_SOURCE -O2 -g0 -fPIC -fvisibility=hidden -Wall -Wextra -Wpedantic -Werror $JNI_CFLAGS -I "$here/../../../include" \
        -c "$here/$part.c" -o "$work/$part.o"
done
# What the shim uses of the library, for the test that compares it with include/tim_symbols.txt.
${NM:-nm} -u "$work"/*.o | awk '$1 == "U" && $2 ~ /^tim[A-Z]/ { print $2 }' | sort -u >"$2/used-symbols.txt"
# 16 KiB: 64-bit Android. nodelete: the library's threads outlive a class loader.
"$CC" -shared -o "$work/libtim_presence_jni.so" "$work"/*.o "$archive" -s -Wl,--gc-sections -Wl,--version-script="$here/exports.map" \
    -Wl,-z,max-page-size=16384 -Wl,-z,nodelete -Wl,-z,defs -Wl,-soname,libtim_presence_jni.so ${TIM_LIBS:--lpthread -lm -ldl}
# In one step: a program that has the old file mapped keeps it.
mv "$work/libtim_presence_jni.so" "$out/libtim_presence_jni.so"
