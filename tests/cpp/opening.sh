#!/bin/sh
# The example on the first page of tim_presence.hpp compiles and runs: opening.sh COMPILER ROOT LIBRARY LIBRARY_FOLDER
set -eu
compiler=$1 hpp=$2/include/tim_presence.hpp
{
    echo '#include <iostream>'
    echo '#include "tim_presence.hpp"'
    echo 'int main() {'
    awk '/^ \*\// { exit } /^ \*     / { sub(/^ \*     /, ""); print }' "$hpp"
    echo '}'
} >opening.cpp
[ "$(wc -l <opening.cpp)" -gt 10 ] || { echo "the example is not where it was"; exit 1; }
"$compiler" -std=c++17 -Wall -Wextra -Wpedantic -Werror -I "$2/include" opening.cpp -o opening "$3" -Wl,-rpath,"$4" -pthread
./opening
