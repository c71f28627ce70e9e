# What differs between schedulers: read by submit.sh, status.sh and cancel.sh. For another scheduler, add one line to each
# of the four functions.
#
# submit SCRIPT  puts a job into the queue and prints its number. The job has a $name, $threads, $mem_mb, $minutes, $gpus,
#                the file $log for what it prints, and the environment of whoever submits it.
# alive NUMBER   succeeds while the scheduler knows the job as waiting or running, and when it does not answer: a job that is
#                taken for lost is run again, beside itself if it lives.
# cancel NUMBER  takes the job out of the queue, or ends it.

submit() {
  case "${POPLEAK_SCHEDULER:-}" in
    # no scheduler: at once, in the background, on this machine; give Snakemake as many --jobs as there are cores
    here) setsid bash "$1" >"$log" 2>&1 </dev/null & echo $! ;;
    slurm) sbatch --parsable --job-name="$name" --output="$log" --ntasks=1 --cpus-per-task="$threads" --mem="${mem_mb}M" \
      --time="$minutes" --gpus="$gpus" "$1" ;;
  esac
}

alive() {
  case "${POPLEAK_SCHEDULER:-}" in
    here) kill -0 "$1" 2>/dev/null ;;
    slurm)
      if found=$(squeue --noheader --jobs "$1" 2>/dev/null); then [ -n "$found" ]; return; fi
      case "$(squeue --noheader --jobs "$1" 2>&1)" in *"Invalid job id"*) return 1 ;; esac ;;
  esac
}

cancel() {
  case "${POPLEAK_SCHEDULER:-}" in
    here) kill -- "-$1" ;;
    slurm) scancel "$1" ;;
  esac
}

known() {
  case "${POPLEAK_SCHEDULER:-}" in
    here | slurm) ;;
    *) echo "popleak: POPLEAK_SCHEDULER must be 'slurm', 'here', or what you add to ${BASH_SOURCE[0]}" >&2; return 2 ;;
  esac
}
