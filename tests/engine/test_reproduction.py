"""The config in a run folder repeats the run, to the last bit."""
import pytest
import torch

from segkit.apis import train
from segkit.checkpoint import load_file

SHORT = ['train_cfg.max_iters=3', 'val_dataloader=None', 'val_cfg=None', 'val_evaluator=None',
         'default_hooks.visualization=None']


def weights(folder) -> dict:
    return load_file(folder / 'iter_3.pth')['state_dict']


def in_the_form_of_mmsegmentation(path) -> None:
    """The same config with MMSegmentation's scope, its variables, and one key redefined behind a variable."""
    text = path.read_text().replace("default_scope = 'segkit'", "default_scope = 'mmseg'\nwidth = 8\n"
                                    "optimizer = dict(type='SGD', lr=0.5)\nunread = optimizer")
    text = text.replace("type='EncoderDecoder'", "type='mmseg.EncoderDecoder'").replace('channels=8, dropout',
                                                                                       'channels=width, dropout')
    path.write_text(text)


@pytest.mark.parametrize('foreign, flags, options', [
    (False, [], ['optim_wrapper.optimizer.lr=0.02', 'crop_size=(24, 24)', '+env_cfg.note=1', 'randomness.seed=3']),
    (True, ['--amp'], ['width=16', 'data_root={data}']),
])
def test_training_from_the_saved_config(tiny_config, tmp_path, foreign, flags, options):
    if foreign:
        in_the_form_of_mmsegmentation(tiny_config)
    options = [option.format(data=tmp_path / 'data') for option in options]
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'a'), *flags, '--cfg-options', *SHORT, *options])
    saved = tmp_path / 'a' / 'config.py'
    train.main([str(saved), '--work-dir', str(tmp_path / 'b')])
    first, second = weights(tmp_path / 'a'), weights(tmp_path / 'b')
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    again = (tmp_path / 'b' / 'config.py').read_text()
    assert again == saved.read_text().replace(str(tmp_path / 'a'), str(tmp_path / 'b'))


def test_the_config_of_a_resumed_run_starts_anew(tiny_config, tmp_path):
    options = ['--work-dir', str(tmp_path / 'a'), '--cfg-options', *SHORT[1:]]
    train.main([str(tiny_config), *options, 'train_cfg.max_iters=2'])
    train.main([str(tiny_config), '--resume', *options, 'train_cfg.max_iters=3'])
    train.main([str(tmp_path / 'a' / 'config.py'), '--work-dir', str(tmp_path / 'b')])
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'c'), '--cfg-options', *SHORT])
    first, second = weights(tmp_path / 'b'), weights(tmp_path / 'c')
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_config_that_cannot_be_written_does_not_stop_the_run(run, tmp_path):
    from segkit.config import load_config
    from segkit.engine import SegRunner
    cfg = load_config(tmp_path / 'tiny.py', SHORT, say=lambda line: None)
    cfg.work_dir, cfg.mine = str(tmp_path / 'a'), lambda: None
    SegRunner.from_cfg(cfg).train()
    assert "mine = not_written('mine', " in (tmp_path / 'a' / 'config.py').read_text()
