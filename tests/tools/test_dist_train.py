"""dist_train.sh and dist_test.sh: several processes on a CPU."""
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason='one GPU cannot serve two processes')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return str(s.getsockname()[1])


def script(name, *args):
    environment = dict(os.environ, PYTHON=sys.executable, PORT=free_port(), OMP_NUM_THREADS='1')
    return subprocess.run(['bash', str(ROOT / 'tools' / name), *map(str, args)], capture_output=True, text=True,
                          env=environment, timeout=300)


@pytest.mark.slow
def test_two_processes_train_as_one_and_count_each_image_once(tiny_config, tmp_path):
    from segkit.apis import test as test_tool
    from segkit.apis import train
    options = ['--cfg-options', 'model.decode_head.dropout_ratio=0.']  # each process draws its own dropout
    done = script('dist_train.sh', tiny_config, 2, '--work-dir', tmp_path / 'two', *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('iter 2/6') == 1 and '2 processes' in done.stdout  # one of them speaks
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'one'), *options, 'train_dataloader.batch_size=4'])

    two, one = (torch.load(tmp_path / name / 'iter_6.pth', weights_only=True) for name in ('two', 'one'))
    assert two['meta']['total_batch'] == one['meta']['total_batch'] == 4
    for key, value in one['state_dict'].items():
        assert torch.allclose(two['state_dict'][key].float(), value.float(), rtol=1e-4, atol=1e-5), key
    losses = [[json.loads(row)['loss'] for row in (tmp_path / name / 'vis_data/scalars.json').open() if '"loss"' in row]
              for name in ('two', 'one')]
    assert len(losses[0]) == 3

    checkpoint = tmp_path / 'one/iter_6.pth'
    done = script('dist_test.sh', tiny_config, checkpoint, 2, '--work-dir', tmp_path / 'two')
    assert done.returncode == 0, done.stderr
    assert 'protocol: 5 images' in done.stdout  # five do not divide by two
    test_tool.main([str(tiny_config), str(checkpoint), '--work-dir', str(tmp_path / 'one')])
    assert (tmp_path / 'two/test/metrics.json').read_text() == (tmp_path / 'one/test/metrics.json').read_text()


@pytest.mark.parametrize('name, few', [('dist_train.sh', ['x.py']), ('dist_test.sh', ['x.py', 'y.pth'])])
def test_too_few_arguments_explain_themselves(name, few):
    done = script(name, *few)
    assert done.returncode == 2
    assert f'tools/{name} CONFIG' in done.stderr
