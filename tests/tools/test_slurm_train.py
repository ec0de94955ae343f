"""slurm_train.sh and slurm_test.sh, with a stand-in for srun that starts its tasks on this machine."""
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
SRUN = r"""#!/usr/bin/env bash
# Starts --ntasks tasks here, with the variables that Slurm gives them.
echo "srun $*" > "$SRUN_SAW"
while [[ $1 == --* ]]; do case $1 in --ntasks=*) tasks=${1#*=};; esac; shift; done
export SLURM_NTASKS=$tasks SLURM_NODELIST=localhost SLURM_JOB_ID=77
for ((i = 0; i < tasks; i++)); do SLURM_PROCID=$i SLURM_LOCALID=$i "$@" & children+=($!); done
status=0; for child in "${children[@]}"; do wait "$child" || status=$?; done; exit $status
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Call a script where srun is the stand-in; gives what the script said, and srun's command line."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    (folder / 'srun').write_text(SRUN)
    (folder / 'srun').chmod(0o755)
    with socket.socket() as s:
        s.bind(('', 0))
        port = s.getsockname()[1]

    def call(name, *args, **variables):
        environment = dict(os.environ, PATH=f'{folder}:{os.environ["PATH"]}', SRUN_SAW=str(tmp_path / 'saw'),
                           PORT=str(port), **{'PYTHON': sys.executable, **variables})
        done = subprocess.run(['bash', str(ROOT / 'tools' / name), *map(str, args)], capture_output=True, text=True,
                              env=environment, timeout=300)
        saw = tmp_path / 'saw'
        return done, saw.read_text() if saw.exists() else ''

    return call


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason='one GPU cannot serve two processes')
def test_two_tasks_train_and_test(slurm, tiny_config, tmp_path):
    done, saw = slurm('slurm_train.sh', 'part', 'job', tiny_config, '--work-dir', tmp_path / 'run', '--cfg-options',
                      'train_cfg.max_iters=2', GPUS='2', GPUS_PER_NODE='0', SRUN_ARGS='--time=1 --quiet')
    assert done.returncode == 0, done.stderr
    assert saw.startswith('srun --partition=part --job-name=job --ntasks=2 --cpus-per-task=5 --kill-on-bad-exit=1 '
                          '--time=1 --quiet ')
    assert '2 processes' in done.stdout and done.stdout.count('iter 2/2') == 1
    done, _ = slurm('slurm_test.sh', 'part', 'job', tiny_config, tmp_path / 'run/iter_2.pth', '--work-dir',
                    tmp_path / 'run', GPUS='2', GPUS_PER_NODE='0')
    assert done.returncode == 0, done.stderr
    assert 'protocol: 5 images' in done.stdout and done.stdout.count('protocol') == 1


def test_gpus_are_asked_for_by_node(slurm):
    for variables, asked in ((dict(), '--gres=gpu:4 --ntasks-per-node=4 --ntasks=4 --cpus-per-task=5'),
                             (dict(GPUS='16', CPUS_PER_TASK='2'),
                              '--gres=gpu:8 --ntasks-per-node=8 --ntasks=16 --cpus-per-task=2')):
        _, saw = slurm('slurm_train.sh', 'p', 'j', 'a.py', **variables, **dict(PYTHON='true'))
        assert asked in saw and saw.rstrip().endswith('--launcher slurm')


@pytest.mark.parametrize('name, few', [('slurm_train.sh', ['p', 'j']), ('slurm_test.sh', ['p', 'j', 'x.py'])])
def test_too_few_arguments_explain_themselves(slurm, name, few):
    done, saw = slurm(name, *few)
    assert done.returncode == 2 and not saw
    assert f'tools/{name} PARTITION JOB_NAME CONFIG' in done.stderr
