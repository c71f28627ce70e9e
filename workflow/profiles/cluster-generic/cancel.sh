#!/usr/bin/env bash
# cancel.sh "NUMBER FOLDER"...: ends the jobs of a run that is interrupted.
set -uo pipefail
. "$(dirname "$0")/scheduler.sh"
for job in "$@"; do cancel "${job%% *}"; done
