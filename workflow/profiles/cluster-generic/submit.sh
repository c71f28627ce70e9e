#!/usr/bin/env bash
# submit.sh NAME THREADS MEM_MB MINUTES GPUS SCRIPT: puts a job into the queue and prints what status.sh and cancel.sh take.
# The job leaves its exit status in a file. So its end is known without the scheduler, which may forget jobs at once.
set -euo pipefail
. "$(dirname "$0")/scheduler.sh"
known || exit 2
name=$1 threads=$2 mem_mb=$3 minutes=$4 gpus=$5
mkdir -p .snakemake/cluster-generic
folder=$(mktemp -d "$PWD/.snakemake/cluster-generic/$name.XXXXXXXX")
log=$folder/log
cp "$6" "$folder/script"
cat >"$folder/job" <<JOB
#!/usr/bin/env bash
bash '$folder/script' && status=0 || status=\$?
echo \$status >'$folder/status.part' && mv '$folder/status.part' '$folder/status'
JOB
number=$(submit "$folder/job")
echo "$number $folder"
