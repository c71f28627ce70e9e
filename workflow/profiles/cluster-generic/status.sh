#!/usr/bin/env bash
# status.sh "NUMBER FOLDER": prints running, success or failed. A job that is neither known to the scheduler nor has left
# its exit status was killed, or lost with its node.
set -euo pipefail
. "$(dirname "$0")/scheduler.sh"
number=${1%% *} folder=${1#* }
for patience in 10 0; do # a file of another node may be seen late
  if [ -f "$folder/status" ]; then
    if [ "$(cat "$folder/status")" = 0 ]; then rm -r "$folder"; echo success; else echo failed; fi
    exit
  fi
  if alive "$number"; then echo running; exit; fi
  sleep "$patience"
done
echo failed
