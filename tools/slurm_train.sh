#!/usr/bin/env bash
# Train as a Slurm job: tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of train.py]
# Environment: GPUS (4) in all, GPUS_PER_NODE (GPUS, at most 8), CPUS_PER_TASK (5), SRUN_ARGS (more options of srun),
# PORT (follows from the job's number), PYTHON (python). With GPUS_PER_NODE=0 no GPU is asked for and GPUS processes
# run on CPUs. docs/distributed.md.
set -euo pipefail
if [ $# -lt 3 ]; then sed -n 's/^# //p' "$0" >&2; exit 2; fi
typed=$0; for name in GPUS GPUS_PER_NODE CPUS_PER_TASK SRUN_ARGS PORT; do
    if [ -n "${!name:-}" ]; then typed="$name=$(printf %q "${!name}") $typed"; fi
done
SEGKIT_COMMAND="$typed$(printf ' %q' "$@")"; export SEGKIT_COMMAND
partition=$1; job=$2; shift 2
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MKL_NUM_THREADS="${MKL_NUM_THREADS:-1}"
gpus=${GPUS:-4}; per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
where=(); if [ "$per_node" -gt 0 ]; then where=(--gres="gpu:$per_node" --ntasks-per-node="$per_node"); fi
# One task a process; srun hands signals on to all of them and ends the others where one fails. After a SIGTERM Slurm
# waits KillWait seconds of its own settings; --signal=TERM@120 in SRUN_ARGS stops a job two minutes before its limit.
# shellcheck disable=SC2086  # SRUN_ARGS is several words
exec srun --partition="$partition" --job-name="$job" ${where[@]+"${where[@]}"} --ntasks="$gpus" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$here/tools/train.py" "$@" --launcher slurm
