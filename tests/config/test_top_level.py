"""Names at the top of a file that no key of Runner is."""
from pathlib import Path

import pytest

from segkit.config import load_config
from segkit.engine.config_text import as_python
from segkit.errors import ConfigError

OURS = Path(__file__).parents[2] / 'configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py'


@pytest.fixture
def child(tmp_path):
    """Write a file whose base is one of ours."""
    def write(text: str, name: str = 'mine.py', base: Path = OURS) -> Path:
        (tmp_path / name).write_text(f'_base_ = [{str(base)!r}]\n{text}\n')
        return tmp_path / name
    return write


def load(path: Path, *overrides: str):
    said: list[str] = []
    return load_config(path, list(overrides), say=said.append), said


def refused(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        load_config(path, list(overrides), say=lambda line: None)
    assert len(str(error.value).splitlines()) <= 4
    return str(error.value)


@pytest.mark.parametrize('line, key', [
    ('seed = 3', 'randomness.seed'), ('deterministic = True', 'randomness.deterministic'),
    ("resume_from = 'a.pth'", '--resume'),
    ('cudnn_benchmark = False', 'env_cfg.cudnn_benchmark'),
    ("lr_config = dict(policy='poly')", 'param_scheduler')])
def test_keys_of_mmsegmentation_0(child, line, key):
    text = refused(child(line))
    assert 'mine.py:2' in text and key in text.partition('The key that takes effect: ')[2], text


def test_a_variable_of_such_a_name_may_be_used(child):
    cfg, _ = load(child('seed = 3\nrandomness = dict(seed=seed)'))
    assert cfg.randomness.seed == 3 and 'seed' not in cfg


def test_old_keys_that_files_of_mmsegmentation_still_have_are_said(child):
    said = load(child("runner = dict(type='IterBasedRunner', max_iters=9)\nfp16 = dict(loss_scale='dynamic')"))[1]
    assert 'what takes effect is train_cfg' in said[0] and 'AmpOptimWrapper' in said[0]


@pytest.mark.parametrize('line, key', [
    ("data_root = '/my'", 'train_dataloader.dataset.data_root'), ('max_iters = 7', 'train_cfg.max_iters'),
    ('val_interval = 7', 'train_cfg.val_interval'), ('num_classes = 3', 'num_classes'),
    ("norm_cfg = dict(type='BN')", 'norm_cfg')])
def test_a_word_of_the_command_line_takes_no_effect_in_a_file(child, line, key):
    word = line.split()[0]
    text = refused(child(line))
    assert f'mine.py:2: {word!r} is set' in text and key in text and f'--cfg-options {word}=' in text


@pytest.mark.parametrize('text', [
    "data_root = '/my'\ntrain_dataloader = dict(dataset=dict(data_root=data_root))",
    "max_iters = 9\nmax_iters = 10"])
def test_a_word_that_is_used_or_given_again_is_a_variable(child, text):
    load(child(text))


def test_a_word_in_a_whole_file_is_the_variable_it_was_built_from(tiny_config):
    tiny_config.write_text(tiny_config.read_text() + "max_iters = 9\ndata_root = '/old'\n")
    assert load(tiny_config)[0].train_cfg.max_iters == 6


def test_all_names_that_nothing_reads_are_said(child):
    said = load(child('\n'.join(f'my_{i} = {i}' for i in range(6))))[1]
    assert all(f'my_{i} (' in said[0] for i in range(6))


def test_a_key_of_ones_own_at_the_top(child):
    text = refused(child(''), 'epoch=3')
    assert '+epoch' not in text and 'print_config' in text
    cfg, said = load(child(''), '+epoch=3')
    assert cfg.epoch == 3 and 'added epoch: 3, which only code of your own can read' in said


def test_imported_classes_do_not_spoil_the_copy(child, tmp_path):
    path = child('from pathlib import Path\nfrom torch.optim import AdamW\nimport functools\n'
                 'class K:\n    pass\n'
                 'mine = [dict(a=functools.partial(int))]\nmy_path = Path("/x")\n'
                 'optim_wrapper = dict(optimizer=dict(_delete_=True, type=AdamW, lr=1.))')
    text = as_python(load(path)[0].to_dict())
    assert 'not_written' not in text
    (tmp_path / 'copy.py').write_text(text)
    again, _ = load(tmp_path / 'copy.py')
    assert again.optim_wrapper.optimizer.type == 'torch.optim.adamw.AdamW' and again.my_path == '/x'
    assert not {'AdamW', 'Path', 'K', 'mine'} & set(again)


def test_what_a_run_reads_is_never_left_out(child):
    cfg, _ = load(child('def f(batch):\n    return batch\nmodel = dict(test_cfg=dict(mode=f))'))
    assert 'not_written' in as_python(cfg.to_dict())


def test_a_dict_takes_the_place_of_none(child, tmp_path):
    base = child("n = dict(clip_grad=None)\noptim_wrapper = n\ndefault_hooks = dict(visualization=None)", 'base.py')
    mine = child("optim_wrapper = dict(clip_grad=dict(max_norm=1.0))\n"
                 "default_hooks = dict(visualization=dict(type='SegVisualizationHook'))", base=base)
    cfg, _ = load(mine)
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=1.0) and cfg.optim_wrapper.optimizer.lr
    assert cfg.default_hooks.visualization.type == 'SegVisualizationHook' and cfg.n.clip_grad is None
    text = refused(base, 'optim_wrapper.clip_grad.max_norm=1.0')
    assert 'optim_wrapper.clip_grad="dict(max_norm=...)"' in text
    assert load(base, 'optim_wrapper.clip_grad=dict(max_norm=2.)')[0].optim_wrapper.clip_grad.max_norm == 2
    assert 'dict(type=..., draw=...)' in refused(base, 'default_hooks.visualization.draw=True')


def test_a_config_of_0_x_is_refused_as_a_whole(tmp_path):
    path = tmp_path / 'old.py'
    path.write_text("model = dict(type='EncoderDecoder')\ndata = dict(samples_per_gpu=2)\n"
                    "lr_config = dict(policy='poly')\n"
                    "optimizer = dict(type='SGD')\nrunner = dict(type='IterBasedRunner')\n")
    text = refused(path)
    assert 'a config of MMSegmentation 0.x' in text and 'data, lr_config, optimizer' in text


def test_a_key_that_nothing_reads_in_a_base_of_a_lazy_file(tmp_path):
    (tmp_path / 'deeper').mkdir()
    (tmp_path / 'deeper/below.py').write_text("lr_config = dict(policy='poly')\n")
    (tmp_path / 'base.py').write_text('from mmengine.config import read_base\nwith read_base():\n'
                                      '    from .deeper.below import *\nlength = 3\n')
    path = tmp_path / 'lazy.py'
    path.write_text('from mmengine.config import read_base\nwith read_base():\n    from .base import *\n'
                    "train_cfg = dict(type='IterBasedTrainLoop', max_iters=length)\n")
    text = refused(path)
    assert "below.py:1: 'lr_config' is set, and nothing reads it" in text and 'param_scheduler' in text
