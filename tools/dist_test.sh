#!/usr/bin/env bash
# Evaluate on several processes of one or more machines: tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of test.py]
# Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (29500 between machines, any free one on a
# single machine), PYTHON (python); docs/distributed.md.
# A process uses one GPU; where there is none the processes run on the CPU.
set -euo pipefail
if [ $# -lt 3 ] && ! [[ ${2:-} =~ ^[0-9]+$ ]]; then sed -n 's/^# //p' "$0" >&2; exit 2; fi
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m segkit.apis.launch test "$0" "$@"
