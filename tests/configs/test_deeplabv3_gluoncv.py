"""GluonCV's DeepLabV3: three steps, one after the other."""
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from segkit.config import load_config
from segkit.datasets.mini_trees import write_mini_trees
from segkit.engine import SegRunner
from segkit.registry import MODELS, TRANSFORMS

CONFIGS = Path(__file__).parents[2] / 'configs/deeplabv3_gluoncv'
STEPS = ['173468_coco', '33069_voc12aug', '4575_voc12']
EACH = pytest.mark.parametrize('step', STEPS)
SMALL = ['model.backbone.base_channels=4', 'model.backbone.stem_channels=8', 'model.decode_head.channels=8',
         'model.auxiliary_head.channels=8', 'model.norm_cfg.type=BN']


def name(step, depth=101):
    return f'deeplabv3-gluoncv_r{depth}s-d8_4xb4-{step}-480x480'


def config(step, *overrides, depth=101):
    return load_config(CONFIGS / f'{name(step, depth)}.py', list(overrides), say=lambda line: None)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize('depth, total, without', [
    (50, 42_127_850, 39_762_645), (101, 61_119_978, 58_754_773), (152, 76_763_626, 74_398_421)])
def test_parameters(depth, total, without):
    cfg = config(STEPS[2], depth=depth) if depth < 152 else config(STEPS[2], 'model.backbone.depth=152')
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert count(model) == total and count(model) - count(model.auxiliary_head) == without


@pytest.mark.parametrize('depth', [50, 101])
def test_the_steps_are_chained(depth):
    cfgs = [config(step, depth=depth) for step in STEPS]
    assert cfgs[0].load_from is None
    for before, cfg in zip(STEPS, cfgs[1:]):
        assert cfg.load_from == f'work_dirs/{name(before, depth)}'
    assert [cfg.optim_wrapper.optimizer.lr for cfg in cfgs] == [0.01, 0.001, 0.0001]
    assert [cfg.train_cfg.max_iters for cfg in cfgs] == [
        math.ceil(epochs * images / 16) for epochs, images in ((30, 92_516), (50, 10_582), (50, 1_464))]
    for cfg in cfgs:
        assert cfg.model == cfgs[0].model and cfg.model.backbone.depth == depth
        assert 'end' not in cfg.param_scheduler[0]
        assert cfg.val_dataloader.dataset.pipeline == cfgs[0].val_dataloader.dataset.pipeline
        assert cfg.train_dataloader.dataset.pipeline == cfgs[0].train_dataloader.dataset.pipeline
        assert (cfg.tta_pipeline, cfg.tta_model) == (cfgs[0].tta_pipeline, cfgs[0].tta_model)


def test_no_step_trains_on_what_is_validated():
    coco, aug, voc = (config(step) for step in STEPS)
    lists = [f'ImageSets/Segmentation/{split}.txt' for split in ('train', 'aug')]  # 1,464 and 9,118
    assert aug.train_dataloader.dataset.ann_file == lists
    assert voc.train_dataloader.dataset.ann_file == lists[0]
    for cfg in (aug, voc):
        assert cfg.val_dataloader.dataset.ann_file == 'ImageSets/Segmentation/val.txt'
    assert coco.train_dataloader.dataset.type == coco.val_dataloader.dataset.type == 'COCOVOCDataset'
    assert coco.train_dataloader.dataset.data_prefix != coco.val_dataloader.dataset.data_prefix


def test_rates_and_strides():
    with torch.device('meta'):
        model = MODELS.build(config(STEPS[0]).model).eval()
        feats = model.backbone(torch.empty(1, 3, 480, 480))
        assert model.decode_head(feats).shape == model.auxiliary_head(feats).shape == (1, 21, 60, 60)
    net = model.backbone
    rates = [[block.conv2.dilation[0] for block in stage] for stage in (net.layer1, net.layer2, net.layer3, net.layer4)]
    assert rates == [[1] * 3, [1] * 4, [1] + [2] * 22, [2, 4, 4]]
    assert not net.maxpool.ceil_mode and model.decode_head.dilations == (1, 12, 24, 36) and model.align_corners
    head, aux = model.decode_head, model.auxiliary_head
    assert head.project_dropout.p == 0.5 and not head.pool_first
    assert [(type(h.dropout), h.dropout.p) for h in (head, aux)] == [(nn.Dropout, 0.1)] * 2


def test_losses_of_scores_that_are_zero():
    model = MODELS.build(config(STEPS[2], *SMALL, depth=50).model)
    for head in (model.decode_head, model.auxiliary_head):
        nn.init.zeros_(head.conv_seg.weight)
        nn.init.zeros_(head.conv_seg.bias)
    labels = torch.randint(0, 21, (2, 32, 32))
    labels[0, 20:] = 255  # padding
    losses = model.loss(torch.randn(2, 3, 32, 32), labels=labels)
    assert sum(v for k, v in losses.items() if 'loss' in k).item() == pytest.approx(4.5667837, rel=1e-6)


@EACH
def test_training_pictures(step):
    """Long sides of 260 to 1,040, black padding at the bottom and the right with void labels, one half blurred."""
    steps = config(step).train_dataloader.dataset.pipeline
    assert [s.type for s in steps] == ['LoadImageFromFile', 'LoadAnnotations', 'RandomFlip', 'RandomResize', 'Pad',
                                       'RandomCrop', 'RandomGaussianBlur', 'PackSegInputs']
    flip, resize, pad, crop, blur = (TRANSFORMS.build(s) for s in steps[2:7])
    assert flip.prob == 0.5
    np.random.seed(0)
    photo = np.random.randint(40, 216, (300, 500, 3), np.uint8)
    sides, padded = [], 0
    for _ in range(60):
        results = resize(dict(img=photo, gt_seg_map=np.ones((300, 500), np.uint8), seg_fields=['gt_seg_map']))
        height, width = results['img'].shape[:2]
        assert height == pytest.approx(0.6 * width, abs=1)
        sides.append(width)
        results = pad(results)
        full = results['img'].shape[:2]
        assert full == (max(height, 480), max(width, 480))
        for fill, value in ((results['img'], 0), (results['gt_seg_map'], 255)):
            assert (fill[height:] == value).all() and (fill[:, width:] == value).all()
        assert (results['gt_seg_map'][:height, :width] == 1).all()
        padded += full != (height, width)
        assert crop(results)['img'].shape == (480, 480, 3)
    assert 260 <= min(sides) < 320 and 980 < max(sides) <= 1040 and 0 < padded < 60

    photo = np.repeat((np.indices((16, 16)).sum(0) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    spreads = [blur(dict(img=photo.copy()))['img'].std() for _ in range(300)]
    untouched = np.isclose(spreads, photo.std()).sum()
    assert 120 < untouched < 220  # one half, and the smallest radii
    assert min(spreads) < 0.2 * photo.std()  # radii near 1
    assert (blur.prob, blur.radius) == (0.5, (0., 1.))


@EACH
def test_views(step):
    cfg = config(step)
    assert cfg.tta_model == dict(type='SegTTAModel', fusion='exp')
    augment = cfg.tta_pipeline[1]
    augment.transforms[2:] = [[dict(type='PackSegInputs')]]  # no labels here
    views = TRANSFORMS.build(augment)(
        dict(img=np.zeros((375, 500, 3), np.uint8), img_shape=(375, 500), ori_shape=(375, 500)))
    sides = [int(520 * s) for s in (0.5, 0.75, 1, 1.25, 1.5, 1.75) for _ in range(2)]
    assert [tuple(img.shape[-2:]) for img in views['inputs']] == [(int(s * 0.75 + 0.5), s) for s in sides]
    assert [s.type for s in cfg.val_dataloader.dataset.pipeline] == [
        'LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs']


class Recorder(Hook):
    """The rate, decay and momentum that each parameter is stepped with."""

    def __init__(self) -> None:
        self.seen: list[dict] = []

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        names = {p: n for n, p in model.named_parameters()}
        groups = runner.optim_wrapper.optimizer.param_groups
        self.seen.append({names[p]: (g['lr'], g['weight_decay'], g['momentum']) for g in groups for p in g['params']})


def tiny(step, tmp_path, max_iters, *overrides):
    """The step on three generated images, at a size that a test can afford."""
    run = [f'train_cfg.max_iters={max_iters}', f'train_cfg.val_interval={max_iters}']
    cfg = config(step, *run, *SMALL, *overrides, depth=50)
    cfg.merge_from_dict(write_mini_trees(cfg, str(tmp_path / 'trees'), images=3))
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.num_workers, loader.persistent_workers = 0, False
        if loader.dataset.type == 'COCOVOCDataset':
            loader.dataset.cache_dir = str(tmp_path / 'cache')
    cfg.train_dataloader.batch_size = 2
    for transform in cfg.train_dataloader.dataset.pipeline:
        for key in {'RandomCrop': ('crop_size',), 'Pad': ('size',), 'RandomResize': ('scale',)}.get(transform.type, ()):
            transform[key] = (33, 33)
    cfg.model.data_preprocessor.size = (33, 33)
    cfg.work_dir = str(tmp_path / 'work_dirs' / name(step, 50))
    return cfg


@pytest.mark.slow
@EACH
def test_heads_learn_ten_times_as_fast_down_to_zero(step, tmp_path):
    """A short real run: what the optimizer steps with, at every step."""
    runner = SegRunner.from_cfg(tiny(step, tmp_path, 6, 'load_from=None'))
    recorder = Recorder()
    runner.register_hook(recorder)
    model = runner.train()
    base = dict(zip(STEPS, (0.01, 0.001, 0.0001)))[step]
    assert len(recorder.seen) == 6
    for i, seen in enumerate(recorder.seen):
        assert seen.keys() == {n for n, _ in model.named_parameters()}
        for key, (lr, decay, momentum) in seen.items():
            factor = 1 if key.startswith('backbone.') else 10
            assert lr == pytest.approx(factor * base * (1 - i / 5)**0.9, rel=1e-9, abs=1e-15), (i, key)
            assert (decay, momentum) == (1e-4, 0.9), key
    assert {lr for lr, _, _ in recorder.seen[-1].values()} == {0.}


@pytest.mark.slow
def test_a_step_goes_on_from_the_checkpoint_of_the_one_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # load_from is relative to where a run is started
    before = SegRunner.from_cfg(tiny(STEPS[0], tmp_path, 2)).train().state_dict()
    for step in STEPS[1:]:
        runner, start = SegRunner.from_cfg(tiny(step, tmp_path, 2)), {}

        class Start(Hook):
            def before_train(self, runner, start=start) -> None:
                start.update({key: value.clone() for key, value in runner.model.state_dict().items()})

        runner.register_hook(Start())
        after = runner.train().state_dict()
        assert start.keys() == before.keys()
        assert all(torch.equal(start[key], value) for key, value in before.items())
        assert not torch.equal(after['decode_head.conv_seg.weight'], start['decode_head.conv_seg.weight'])
        before = after
