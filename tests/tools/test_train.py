"""The tools as commands: how soon they speak, how they end."""
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def environment():
    return dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')


def command(tool, *args):
    return [sys.executable, str(ROOT / 'tools' / f'{tool}.py'), *map(str, args)]


@pytest.mark.parametrize('tool, options', [
    ('train', '--work-dir --resume --amp --cfg-options --launcher --local-rank --local_rank --debug'),
    ('test', '--work-dir --out --show-dir --tta --cfg-options --launcher --local-rank --local_rank --debug'),
    ('predict', '--out-dir --device --opacity --cfg-options --debug'),
])
def test_help_loads_nothing_heavy(tool, options):
    code = (f"import runpy, sys\nsys.argv = ['{tool}.py', '--help']\n"
            f"try:\n    runpy.run_path({str(ROOT / 'tools' / (tool + '.py'))!r}, run_name='__main__')\n"
            "except SystemExit as end:\n    assert end.code == 0\n"
            "assert not {'torch', 'mmengine', 'numpy'} & set(sys.modules)")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert 'example:' in done.stdout and 'default' in done.stdout
    assert set(options.split()) <= set(done.stdout.replace(',', ' ').replace(']', ' ').replace('[', ' ').split())


def test_first_words_come_before_torch_is_loaded(tiny_config, tmp_path):
    (tmp_path / 'torch').mkdir()
    (tmp_path / 'torch' / '__init__.py').write_text('raise SystemExit(7)')
    env = environment()
    env['PYTHONPATH'] = os.pathsep.join([str(tmp_path), env.get('PYTHONPATH', '')])
    done = subprocess.run(command('train', tiny_config), capture_output=True, text=True, env=env)
    assert done.returncode == 7 and done.stdout.startswith('segkit ')


@pytest.mark.slow
def test_ctrl_c_leaves_no_trace(tiny_config, tmp_path):
    process = subprocess.Popen(
        command('train', tiny_config, '--work-dir', tmp_path / 'run', '--cfg-options', 'train_cfg.max_iters=100000',
                'train_cfg.val_interval=100000', 'train_dataloader.num_workers=1'),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell's background jobs ignore it
    first = process.stdout.readline()
    assert first.startswith('segkit ')
    for line in process.stdout:
        if line.startswith('iter 2/'):
            break
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the loader process too
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == 'SIGINT: saving, then stopping (Ctrl-C ends it at once)\n'


@pytest.mark.slow
def test_user_s_error_as_a_command(tiny_config):
    done = subprocess.run(command('train', tiny_config, '--cfg-options', 'model.backbone.typ=X'), capture_output=True,
                          text=True, env=environment())
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr and len(done.stderr.strip().splitlines()) <= 4
