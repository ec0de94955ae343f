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


def trained(folder):
    """Losses by iteration and the state at the end, of a run folder."""
    rows = [json.loads(row) for row in (folder / 'vis_data/scalars.json').open()]
    state = torch.load(Path((folder / 'last_checkpoint').read_text().strip()), weights_only=True)
    return {row['step']: row['loss'] for row in rows if 'loss' in row}, state


def assert_alike(a, b):
    """The same training: losses to the rounding of the log, weights and buffers to that of float32."""
    assert a[0] == pytest.approx(b[0], abs=1e-4) and a[0]
    for key, value in b[1]['state_dict'].items():
        assert torch.allclose(a[1]['state_dict'][key].float(), value.float(), rtol=1e-4, atol=1e-5), key


@pytest.fixture
def each_loss(tiny_config):
    """The tiny config without dropout, which each process draws for itself, and with every loss on record."""
    text = tiny_config.read_text().replace('dropout_ratio=0.1', 'dropout_ratio=0.')
    tiny_config.write_text(text.replace("type='ProgressHook', interval=2", "type='ProgressHook', interval=1"))
    return tiny_config


@pytest.mark.slow
def test_processes_train_as_one(each_loss, tmp_path):
    from segkit.apis import train
    done = script('dist_train.sh', each_loss, 2, '--work-dir', tmp_path / 'several', '--cfg-options',
                  'train_dataloader.batch_size=2')
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('iter 2/6') == 1 and '2 processes' in done.stdout  # one of them speaks
    train.main([str(each_loss), '--work-dir', str(tmp_path / 'one'), '--cfg-options', 'train_dataloader.batch_size=4'])
    several, one = trained(tmp_path / 'several'), trained(tmp_path / 'one')
    assert several[1]['meta']['total_batch'] == one[1]['meta']['total_batch'] == 4
    assert_alike(several, one)


@pytest.mark.slow
def test_two_machines_train_as_one(each_loss, tmp_path):
    """Two launches that meet at a port, as two machines do."""
    port = free_port()

    def begin(node):
        environment = dict(os.environ, PYTHON=sys.executable, PORT=port, NNODES='2', NODE_RANK=str(node),
                           MASTER_ADDR='127.0.0.1')
        return subprocess.Popen(['bash', str(ROOT / 'tools/dist_train.sh'), str(each_loss), '1', '--work-dir',
                                 str(tmp_path / 'two')], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=environment)

    machines = [begin(1), begin(0)]
    ends = [machine.communicate(timeout=300) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], ends
    assert 'machine 1 of 2 (0 to 1): 1 of 2 processes' in ends[0][0] and 'iter 6/6' in ends[1][0]
    assert 'iter 6/6' not in ends[0][0]  # only the first process of all speaks
    done = script('dist_train.sh', each_loss, 2, '--work-dir', tmp_path / 'one')
    assert done.returncode == 0, done.stderr
    two, one = trained(tmp_path / 'two'), trained(tmp_path / 'one')
    assert two[0] == one[0]
    assert all(torch.equal(two[1]['state_dict'][key], value) for key, value in one[1]['state_dict'].items())


@pytest.mark.slow
@pytest.mark.parametrize('images, processes', [(5, 3), (1, 2)])  # one process of the last has no image at all
def test_each_image_counts_once(launched, tiny_config, tmp_path, trained_tiny, images, processes):
    from segkit.apis import test as test_tool
    options = ['--cfg-options', f'test_dataloader.dataset.indices={images}',
               'default_hooks.report=dict(type="RunReportHook")']
    test_tool.main([str(tiny_config), str(trained_tiny), '--work-dir', str(tmp_path / 'one'), *options])
    argv = [tiny_config, trained_tiny, '--work-dir', tmp_path / 'several', *options]
    said = launched(test_tool.main, argv, processes)
    assert f'protocol: {images} image' in said
    for name in ('confusion_matrix.csv', 'metrics.json'):
        assert (tmp_path / 'several/test' / name).read_bytes() == (tmp_path / 'one/test' / name).read_bytes()


@pytest.fixture
def trained_tiny(tiny_config, tmp_path):
    from segkit.apis import train
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--cfg-options', 'train_cfg.max_iters=1'])
    return tmp_path / 'run/iter_1.pth'


@pytest.mark.slow
def test_errors_are_said_once_and_a_stop_can_be_resumed(tiny_config, tmp_path):
    wrong = script('dist_train.sh', tiny_config, 2, '--cfg-options', 'model.backbonee.depth=3')
    assert wrong.returncode == 2
    assert wrong.stderr == "error: model.backbonee: EncoderDecoder takes no 'backbonee'.\nNearest: model.backbone\n"

    process = subprocess.Popen(
        ['bash', str(ROOT / 'tools/dist_train.sh'), str(tiny_config), '2', '--work-dir', str(tmp_path / 'run'),
         '--cfg-options', 'train_cfg.max_iters=100000', 'train_cfg.val_interval=100000',
         'default_hooks.checkpoint.interval=100000'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=dict(os.environ, PYTHON=sys.executable, PORT=free_port()))
    for line in process.stdout:
        if line.startswith('iter 4/'):
            break
    process.terminate()
    rest = process.communicate(timeout=120)[0]
    assert process.returncode == 143, rest
    assert 'Traceback' not in rest and rest.count('stopped by SIGTERM') == 1
    assert len(list((tmp_path / 'run').glob('iter_*.pth'))) == 1
    command = next(line for line in rest.splitlines() if 'dist_train.sh' in line)
    assert command.endswith('default_hooks.checkpoint.interval=100000 --resume')


@pytest.mark.parametrize('name, few', [('dist_train.sh', ['x.py']), ('dist_test.sh', ['x.py', 'y.pth'])])
def test_too_few_arguments_explain_themselves(name, few):
    done = script(name, *few)
    assert done.returncode == 2
    assert f'tools/{name} CONFIG' in done.stderr


@pytest.mark.slow
def test_predictions_and_pictures_of_all_processes_are_written(tiny_config, tmp_path, trained_tiny):
    """Of the config in the checkpoint, too: 5 images on 2 processes give the files that one process gives."""
    from segkit.apis import test as test_tool
    where = {name: ['--work-dir', tmp_path / name, '--out', tmp_path / name / 'out', '--show-dir',
                    tmp_path / name / 'show'] for name in ('one', 'several')}
    test_tool.main([str(trained_tiny), *map(str, where['one'])])
    done = script('dist_test.sh', tiny_config, trained_tiny, 2, *where['several'])
    assert done.returncode == 0, done.stderr

    def files(name):
        return {str(p.relative_to(tmp_path / name)).split('vis_data/')[-1]: p.read_bytes()
                for folder in ('out', 'show') for p in (tmp_path / name / folder).rglob('*.png')}

    assert files('several') == files('one') and len(files('one')) == 10


@pytest.mark.slow
def test_best_weights_of_plain_batch_norm_score_what_was_validated(launched, tiny_config, tmp_path):
    """Each process has running statistics of its own; those that are kept are those that were validated."""
    from segkit.apis import train
    from segkit.config import load_config
    from segkit.engine import SegRunner
    launched(train.main, [tiny_config, '--work-dir', tmp_path / 'run', '--cfg-options', 'model.norm_cfg.type=BN',
                          'val_cfg.val_loss=True', 'custom_hooks=[dict(type="EMAHook", momentum=0.3)]'])
    best = tmp_path / 'run/best_mIoU.pth'
    cfg = load_config(tiny_config, {'model.norm_cfg.type': 'BN', 'val_cfg.val_loss': True, 'load_from': str(best)},
                      say=lambda line: None)
    cfg.work_dir = str(tmp_path / 'one')
    validated = torch.load(best, weights_only=True)['meta']['metrics']
    assert SegRunner.from_cfg(cfg).val() == pytest.approx(validated, rel=1e-6)
