#!/usr/bin/env bash
# Train on several processes of one or more machines: tools/dist_train.sh CONFIG PROCESSES [arguments of train.py]
# Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (29500), PYTHON (python).
# A process uses one GPU; where there is none the processes run on the CPU.
set -euo pipefail
if [ $# -lt 2 ]; then sed -n 's/^# //p' "$0" >&2; exit 2; fi
config=$1; processes=$2; shift 2
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MKL_NUM_THREADS="${MKL_NUM_THREADS:-1}"
exec "${PYTHON:-python}" -m torch.distributed.run --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" --nproc_per_node="$processes" \
    "$here/tools/train.py" "$config" --launcher pytorch "$@"
