#!/bin/sh
# The wrapper leaves nothing out: covers.sh ROOT. It uses every function of the C header, names every constant that is
# not an error or a version, has every option of a client that docs/C_API.md has, and says what each enumerator means.
set -eu
cd "$1"
hpp=include/tim_presence.hpp
missing=0
require() { grep -q -- "$1" "$hpp" || { echo "$hpp has no $1"; missing=$((missing + 1)); }; }

functions=$(awk '!/^#/ && NF { print $1 }' include/tim_symbols.txt)
constants=$(grep -oE '^#define TIM_(STATUS|REASON|PLATFORM|CONNECTION|LOGIN|LOG|ERROR_FLAG)_[A-Z_]+' include/tim_presence.h | cut -d' ' -f2)
options=$(awk '/^## / { on = /^## Options of a client/ } on && /^\| `/ { gsub(/`/, "", $2); print $2 }' docs/C_API.md)
[ "$(echo "$functions" | wc -l)" -gt 30 ] && [ "$(echo "$constants" | wc -l)" -gt 30 ] && [ "$(echo "$options" | wc -l)" -gt 10 ] ||
    { echo "the lists to compare with are not where they were"; exit 1; }

for function in $functions; do
    case $function in
    timAbiVersion) continue ;; # timCheckAbi, which the wrapper calls, compares it
    esac
    require "\\b$function\\b"
done
for constant in $constants; do require "\\b$constant\\b"; done
for option in $options; do
    case $option in
    server | sdk_app_id) require "$option\\\\\": " ;; # always written
    *) require "append(json, \"$option\"" ;;
    esac
done

# Doxygen does not ask for the comments of enumerators.
bare=$(awk '/^enum class/ { on = 1; next } /^};/ { on = 0 } on && /[A-Za-z]/ && !/\/\*\*</' "$hpp")
[ -z "$bare" ] || { echo "without a comment: $bare"; missing=$((missing + 1)); }
[ "$missing" = 0 ] || exit 1
echo "everything is there"
