#!/bin/sh
# A clean Maven project with the first programs of docs/KOTLIN.md, built and run from the installed jar:
#     run.sh PACKAGE_BUILD_DIR WORK_DIR
# The package is installed into a repository of WORK_DIR's own, which borrows everything else from the user's.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
package=$1 work=$2/maven
for tool in mvn java; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool"; exit 77; }
done
rm -rf "$work"
mkdir -p "$work/repository" "$work/src/main/kotlin" "$work/src/main/java"
for part in "${HOME}/.m2/repository"/*; do
    [ "$(basename "$part")" = tim ] || [ ! -d "$part" ] || ln -s "$part" "$work/repository/"
done
cp "$here/pom.xml" "$work"

# The first block of code in a language, as it stands in the page.
program() {
    awk -v fence="^\`\`\`$1\$" '$0 ~ fence { inside = 1; next } /^```$/ { if (inside) exit } inside' "$root/docs/KOTLIN.md" >"$2"
    [ "$(wc -l <"$2")" -gt 10 ] || { echo "docs/KOTLIN.md has no $1 program" >&2; exit 1; }
}
program kotlin "$work/src/main/kotlin/First.kt"
program java "$work/src/main/java/FirstInJava.java"

maven() { mvn -q -B -Dmaven.repo.local="$work/repository" "$@"; }
maven org.apache.maven.plugins:maven-install-plugin:3.1.4:install-file \
    -Dfile="$package/tim-presence-0.1.0.jar" -DpomFile="$root/bindings/kotlin/pom.xml"
maven -f "$work/pom.xml" package dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/lib"
for program in FirstKt FirstInJava; do
    java -cp "$work/target/classes:$work/lib/*" "$program" >"$work/output"
    cat "$work/output"
    grep -qF 'alice: ONLINE "hello, world"' "$work/output"
done
