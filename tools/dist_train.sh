#!/usr/bin/env bash
# Train on several processes of one or more machines: tools/dist_train.sh CONFIG PROCESSES [arguments of train.py]
# Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (29500 between machines, any free one on a
# single machine), PYTHON (python); docs/distributed.md.
# A process uses one GPU; where there is none the processes run on the CPU.
set -euo pipefail
if [ $# -lt 2 ]; then sed -n 's/^# //p' "$0" >&2; exit 2; fi
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m segkit.apis.launch train "$0" "$@"
