#!/bin/sh
# A runner that has drifted: it prints what is expected but for one word.   drift.sh STORY ADDRESS APP_ID
sed 's/CUSTOM_STATUS newer/CUSTOM_STATUS same/' "$(dirname "$0")/expected.txt"
