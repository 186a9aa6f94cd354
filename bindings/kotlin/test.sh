#!/bin/sh
# The package built and tested:  test.sh WHAT PROFILE_DIR BUILD_DIR [ARGUMENT...]
#   package    the shim, the jar, its tests, and the jars that it needs in BUILD_DIR/lib
#   alignment  the shared object inside is fit for Android (docs/KOTLIN.md)
#   scenario   the runner of tests/scenario; the arguments are its own
set -eu
here=$(cd "$(dirname "$0")" && pwd)
what=$1 profile=$2 build=$3
shift 3
for tool in mvn java javac; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool"; exit 77; }
done
case $what in
package)
    "$here/native/build.sh" "$profile/libtim_presence.a" "$build/native"
    rm -rf "$build/surefire-reports"
    mvn -q -B -f "$here/pom.xml" -Dtim.build="$build" package \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$build/lib"
    # A class whose tests did not run, because it was not compiled, for one, would be missed by nobody else.
    for class in "$here"/src/test/*/tim/presence/*Test.*; do
        class=$(basename "$class")
        cat "$build/surefire-reports/tim.presence.${class%.*}.txt" || { echo "the tests of $class did not run" >&2; exit 1; }
    done
    # What -Xcheck:jni finds is printed past Maven, which keeps it.
    ! grep -h 'WARNING in native\|WARNING: JNI' "$build"/surefire-reports/*.dumpstream 2>/dev/null || { echo "the shim uses JNI in a wrong way" >&2; exit 1; }
    ;;
alignment)
    mkdir -p "$build/unpacked"
    (cd "$build/unpacked" && jar xf "$build/tim-presence-0.1.0.jar" META-INF/native)
    found=0
    for object in "$build"/unpacked/META-INF/native/*/*.so; do
        sh "$here/../../tests/library.sh" alignment "$object" "$here/../../include"
        sh "$here/../../tests/library.sh" nodelete "$object" "$here/../../include"
        others=$(nm -D --defined-only "$object" | awk '$3 !~ /^Java_tim_presence_Native_/ { print $3 }')
        [ -z "$others" ] || { echo "the shim exports besides its own: $others" >&2; exit 1; }
        found=$((found + 1))
    done
    [ "$found" -gt 0 ]
    ;;
scenario)
    exec java -cp "$build/test-classes:$build/tim-presence-0.1.0.jar:$build/lib/*" tim.presence.ScenarioKt "$@"
    ;;
*) echo "test.sh cannot $what" >&2; exit 2 ;;
esac
