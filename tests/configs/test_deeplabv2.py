"""DeepLabV2 of DeepLab-ResNet-Pytorch: what its configs build, read, and do in a short run."""
import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.config import load_config
from segkit.datasets.mini_trees import write_mini_trees
from segkit.engine import SegRunner, recipe
from segkit.registry import MODELS, PARAM_SCHEDULERS, TRANSFORMS

CONFIGS = Path(__file__).parents[2] / 'configs/deeplabv2'
FILES = dict(aspp='deeplabv2_r101-d8_1xb10-20k_voc12aug-321x321.py',
             largefov='deeplabv2-largefov_r101-d8_1xb10-20k_voc12aug-321x321.py',
             msc='deeplabv2-msc_r101-d8_1xb1-200k_voc12aug-321x321.py')
ALL = pytest.mark.parametrize('name', FILES)
SMALL = ['model.backbone.depth=50', 'model.backbone.base_channels=4', 'model.backbone.stem_channels=8',
         'model.backbone.init_cfg=None']


def config(name, *overrides):
    return load_config(CONFIGS / FILES[name], list(overrides), say=lambda line: None)


def count(parameters):
    return sum(p.numel() for p in parameters)


def norms(model):
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


@pytest.mark.parametrize('name, head, total', [
    ('aspp', 1_548_372, 44_048_532), ('largefov', 387_093, 42_887_253), ('msc', 1_548_372, 44_048_532)])
def test_parameters(name, head, total):
    with torch.device('meta'):
        model = MODELS.build(config(name).model)
    frozen = count(p for norm in norms(model) for p in norm.parameters())
    assert count(model.parameters()) == total and count(model.decode_head.parameters()) == head
    assert frozen == 105_344
    assert count(p for p in model.parameters() if p.requires_grad) == total - frozen
    if name != 'largefov':
        assert total - frozen == 43_943_188


def test_keys_and_shapes_are_torchvisions_and_the_heads():
    """632 keys, as the source's files have; theirs are those of torchvision's ResNet-101 and ``layer5.conv2d_list``."""
    torchvision = pytest.importorskip('torchvision', exc_type=Exception)
    with torch.device('meta'):
        ours = MODELS.build(config('aspp').model).state_dict()
        theirs = torchvision.models.resnet101(weights=None).state_dict()
    wanted = {f'backbone.{key}': value.shape for key, value in theirs.items() if not key.startswith('fc.')}
    for i in range(4):
        wanted |= {f'decode_head.conv_seg.{i}.weight': (21, 2048, 3, 3), f'decode_head.conv_seg.{i}.bias': (21,)}
    assert {key: value.shape for key, value in ours.items()} == wanted and len(wanted) == 632


@ALL
def test_rates_and_strides_of_every_convolution(name):
    with torch.device('meta'):
        model = MODELS.build(config(name).model)
    net = model.backbone
    stages = [net.layer1, net.layer2, net.layer3, net.layer4]
    # No block keeps the rate of the stage before; the stride is on the first 1x1 convolution.
    assert [[block.conv2.dilation for block in stage] for stage in stages] == [
        [(1, 1)] * 3, [(1, 1)] * 4, [(2, 2)] * 23, [(4, 4)] * 3]
    assert [[block.conv1.stride for block in stage] for stage in stages] == [
        [(1, 1)] * 3, [(2, 2)] + [(1, 1)] * 3, [(1, 1)] * 23, [(1, 1)] * 3]
    assert {block.conv2.stride for stage in stages for block in stage} == {(1, 1)}
    assert net.maxpool.ceil_mode and (net.maxpool.kernel_size, net.maxpool.stride, net.maxpool.padding) == (3, 2, 1)
    rates = [(12, 12)] if name == 'largefov' else [(6, 6), (12, 12), (18, 18), (24, 24)]
    assert [conv.dilation for conv in model.decode_head.conv_seg] == rates
    assert [conv.padding for conv in model.decode_head.conv_seg] == rates
    assert model.align_corners


@pytest.mark.parametrize('size, wanted', [(321, 41), (240, 31), (241, 31), (160, 21), (161, 21), (505, 64), (513, 65)])
def test_sizes_of_the_scores(size, wanted):
    with torch.device('meta'):
        model = MODELS.build(config('aspp', *SMALL).model).eval()
        assert model(torch.empty(1, 3, size, size)).shape == (1, 21, wanted, wanted)


@pytest.mark.slow
def test_receptive_field_of_the_widest_branch():
    cfg = config('aspp', *SMALL, 'model.num_classes=2')
    cfg.model.backbone.update(depth=101, base_channels=2)
    model = MODELS.build(cfg.model).double().eval()
    for name, parameter in model.named_parameters():
        nn.init.constant_(parameter, 0.05 if parameter.dim() == 4 else float('bias' not in name))
    model.backbone.maxpool = nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True)  # a maximum looks at one pixel only
    img = torch.ones(1, 3, 8, 1601, dtype=torch.float64, requires_grad=True)
    for output, extent in ((lambda: model.backbone(img)[-1], 1027), (lambda: model(img), 1411)):
        img.grad = None
        output()[0, 0, 0, 100].backward()
        columns = img.grad[0].abs().sum((0, 1)).nonzero().flatten()
        assert columns[-1] - columns[0] + 1 == extent


def test_training_scales_pads_and_colours():
    cfg = config('aspp')
    scale, = (TRANSFORMS.build(t) for t in cfg.train_dataloader.dataset.pipeline if t.type == 'RandomScale')
    frame = np.zeros((100, 200, 3), np.uint8)
    np.random.seed(0)
    sizes = {scale(dict(img=frame, img_shape=frame.shape[:2]))['img'].shape[:2] for _ in range(400)}
    assert sizes == {(f * 10, f * 20) for f in range(5, 17)}

    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    image = torch.tensor([104, 117, 123], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 200, 321)  # BGR
    batch = preprocessor(dict(inputs=image, labels=torch.zeros(1, 200, 321, dtype=torch.uint8)), training=True)
    assert batch['inputs'].shape == (1, 3, 321, 321) and not batch['inputs'][:, :, 200:].any()
    assert batch['inputs'][0, :, 0, 0].tolist() == pytest.approx([-0.00698793, 0.33123238, 0.32107], abs=1e-4)
    assert (batch['labels'][:, 200:] == 255).all() and not batch['labels'][:, :200].any()


@torch.no_grad()
def test_evaluation_pads_to_505_and_cuts_back(draw_photo):
    torch.manual_seed(0)
    model = MODELS.build(config('aspp', *SMALL, 'model.test_cfg.keep_logits=True').model).eval()
    nn.init.normal_(model.decode_head.conv_seg[0].weight)
    found, = model.test_step(dict(inputs=[draw_photo]))
    padded = torch.zeros(1, 3, 505, 505)
    mean = torch.tensor([104.00698793, 116.66876762, 122.67891434])
    padded[..., :375, :500] = draw_photo.float() - mean[:, None, None]
    scores = model(padded)
    assert scores.shape[-2:] == (64, 64)
    wanted = F.interpolate(scores, size=(505, 505), mode='bilinear', align_corners=True)[0, :, :375, :500]
    torch.testing.assert_close(found.seg_logits.data, wanted)
    assert found.pred_sem_seg.data.shape == (1, 375, 500)


@pytest.fixture
def draw_photo():
    return torch.from_numpy(np.random.RandomState(0).randint(0, 256, (3, 375, 500)).astype(np.uint8))


class Named(nn.Module):
    """The names that the multipliers go by."""

    def __init__(self, branches: int) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(1, 1, 1)
        self.decode_head = nn.Module()
        self.decode_head.conv_seg = nn.ModuleList(nn.Conv2d(1, 1, 1) for _ in range(branches))


@pytest.mark.slow
@pytest.mark.parametrize('name', ['aspp', 'largefov'])
def test_rates_over_the_whole_schedule(name):
    """1 - i / N over all 20,000 steps, of the backbone, of the classifier's weights and of its biases."""
    cfg = config(name)
    model = Named(4 if name == 'aspp' else 1)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    schedule = PARAM_SCHEDULERS.build(cfg.param_scheduler[0], default_args=dict(optimizer=wrapper.optimizer))
    of = {p: group for group in wrapper.optimizer.param_groups for p in group['params']}
    expected = {0: 2.5e-4, 1: 2.499887e-4, 10000: 1.339717e-4, 19999: 3.365217e-8}
    heads = [(conv.weight, conv.bias) for conv in model.decode_head.conv_seg]
    for i in range(20000):
        base = of[model.backbone.weight]['lr']
        assert of[model.backbone.bias]['lr'] == base
        for weight, bias in heads:
            assert abs(of[weight]['lr'] / base - 10) < 1e-5 and abs(of[bias]['lr'] / base - 20) < 1e-5, i
        if i in expected:
            assert base == pytest.approx(expected[i], rel=2e-6)
        wrapper.optimizer.step()
        schedule.step()


def test_msc_takes_the_same_updates_one_image_at_a_time():
    """Its counts are those that --match-recipe gives the file of ten images for batches of one."""
    cfg, msc = config('aspp', 'train_dataloader.batch_size=1'), config('msc')
    recipe.match(cfg, processes=1)
    assert cfg.optim_wrapper == msc.optim_wrapper and msc.optim_wrapper.accumulative_counts == 10
    assert cfg.param_scheduler == msc.param_scheduler and cfg.train_cfg == msc.train_cfg
    assert cfg.default_hooks.checkpoint == msc.default_hooks.checkpoint
    assert recipe.difference(msc, 1) is None


def runner_of(name, tmp_path, iterations, validation=False, **changes):
    """The config with a small network, small crops and generated photos."""
    # The last step that the schedule counts is the last iteration, as in the file.
    each = changes.get('optim_wrapper.accumulative_counts', 10 if name == 'msc' else 1)
    cfg = config(name, *SMALL, f'train_cfg.max_iters={iterations}', f'param_scheduler.0.begin={each - 1}',
                 f'param_scheduler.0.end={iterations + each}', 'train_dataloader.num_workers=0',
                 'val_dataloader.num_workers=0')
    if cfg.train_dataloader.batch_size > 1:
        cfg.train_dataloader.batch_size = 2
    cfg.merge_from_dict(changes)
    cfg.model.data_preprocessor.update(size=(65, 65), test_cfg=dict(size=(73, 73)))
    crop, = (t for t in cfg.train_dataloader.dataset.pipeline if t.type == 'RandomCrop')
    crop.crop_size = (65, 65)
    cfg.merge_from_dict(write_mini_trees(cfg, str(tmp_path / 'data'), images=4))
    cfg.default_hooks.report = None
    if not validation:
        cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
        cfg.default_hooks.checkpoint.save_best = None
    cfg.work_dir = str(tmp_path / 'run')
    return SegRunner.from_cfg(cfg)


class Record(Hook):
    """What a step starts from: each parameter's group, all values, the batch."""

    def __init__(self):
        self.groups, self.states, self.batches, self.modes = [], [], [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        named = {p: name for name, p in runner.model.named_parameters()}
        found = [(named[p], group['lr'], group['weight_decay'])
                 for group in runner.optim_wrapper.optimizer.param_groups for p in group['params']]
        self.groups.append({name: values for name, *values in found})
        assert len(found) == len(self.groups[-1])  # none is in two groups
        self.batches.append(copy.deepcopy(data_batch))
        self.modes.append({norm.training for norm in norms(runner.model)})
        self.keep(runner)

    def after_train(self, runner):
        self.keep(runner)

    def keep(self, runner):
        self.states.append({key: value.clone() for key, value in runner.model.state_dict().items()})


def is_norm(name):
    return '.bn' in name or '.downsample.1.' in name


@ALL
def test_groups_and_frozen_norms_at_every_step(name, tmp_path):
    iterations, counts = 6, 2 if name == 'msc' else 1
    changes = {'optim_wrapper.accumulative_counts': counts} if name == 'msc' else {}
    runner = runner_of(name, tmp_path, iterations, **changes)
    record = Record()
    runner.register_hook(record)
    runner.train()
    trained = {key for key, p in runner.model.named_parameters() if p.requires_grad}
    assert len(record.groups) == iterations and record.modes == [{False}] * iterations
    for i, groups in enumerate(record.groups):
        base = 2.5e-4 * (1 - max(i - counts + 1, 0) / iterations)**0.9
        assert groups.keys() == trained
        for key, (rate, decay) in groups.items():
            times, wanted_decay = 1, 5e-4
            if key.startswith('decode_head'):
                times, wanted_decay = (20, 0) if key.endswith('bias') else (10, 5e-4)
            assert rate == pytest.approx(times * base, rel=1e-6), (i, key)
            assert decay == wanted_decay, (i, key)
    for i, (before, after) in enumerate(zip(record.states, record.states[1:])):
        for key in before:
            if is_norm(key):
                assert torch.equal(before[key], after[key]), (i, key)
            elif i % counts == counts - 1:
                assert not torch.equal(before[key], after[key]), (i, key)
            else:
                assert torch.equal(before[key], after[key]), (i, key)
    assert {key for key in record.states[0] if not is_norm(key)} == trained
    assert sum(key.startswith('decode_head') for key in trained) == (2 if name == 'largefov' else 8)


def test_ten_images_one_by_one_are_the_mean_of_their_losses(tmp_path):
    """Caffe's iter_size: one step with the mean of ten gradients, each of an image's own mean over valid pixels."""
    runner = runner_of('msc', tmp_path, 10)
    record = Record()
    runner.register_hook(record)
    runner.train()
    start, end = record.states[0], record.states[-1]
    assert all(torch.equal(state[key], start[key]) for state in record.states[:10] for key in start)
    model = MODELS.build(runner.cfg.model).train()
    model.load_state_dict(start)
    for batch in record.batches:
        data = model.data_preprocessor(batch, True)
        assert len(data['inputs']) == 1
        losses = model.loss(data['inputs'], labels=data['labels'])
        assert sum('loss' in key for key in losses) == 4
        (sum(value for key, value in losses.items() if 'loss' in key) / 10).backward()
    for key, parameter in model.named_parameters():
        wanted = start[key]
        if parameter.requires_grad:
            rate, decay = record.groups[9][key]
            wanted = start[key] - rate * (parameter.grad + decay * start[key])
        torch.testing.assert_close(end[key], wanted, rtol=1e-5, atol=1e-7, msg=key)


def test_a_run_with_everything_at_once(tmp_path):
    """MSC with half precision, accumulation, validation losses and test-time augmentation's segmentor around it."""
    runner = runner_of('msc', tmp_path, 4, validation=True, **{
        'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.dtype': 'bfloat16',
        'optim_wrapper.accumulative_counts': 2, 'train_cfg.val_interval': 4, 'val_cfg.val_loss': True,
        'default_hooks.logger.interval': 2})
    runner.train()
    logged = {key for key in runner.message_hub.log_scalars if key.startswith('train/') and 'loss' in key}
    assert logged == {'train/loss', *(f'train/decode{size}.loss_ce' for size in ('', '_x1', '_x0.75', '_x0.5'))}
    scores = {key: value.current() for key, value in runner.message_hub.log_scalars.items()}
    total = sum(value for key, value in scores.items() if key.startswith('train/decode') and 'loss' in key)
    assert scores['train/loss'] == pytest.approx(total, rel=1e-5)
    assert scores['val/val/loss'] == scores['val/val/decode.loss_ce'] > 0, scores.keys()
