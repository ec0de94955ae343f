"""The two systems trained in two phases: their networks and rates as in the sources, and both phases run."""
from pathlib import Path

import pytest
import torch
from torch import nn

from segkit.apis import test as test_tool
from segkit.apis import train
from segkit.config import load_config
from segkit.datasets.mini_trees import write_mini_trees
from segkit.engine import SegRunner
from segkit.registry import MODELS

CONFIGS = Path(__file__).parents[1] / 'configs'
VORTEX = 'vortex/vortex_r{}v2-d16_4xb4-30k_voc12aug-512x512.py'
VORTEX_2 = 'vortex/vortex_r{}v2-d8_4xb2-30k_voc12-512x512.py'
PAPER = 'deeplabv3_paper/deeplabv3-paper_r101-d16-mg124_4xb4-30k_voc12aug-513x513.py'
PAPER_2 = 'deeplabv3_paper/deeplabv3-paper_r101-d8-mg124_4xb4-30k_voc12-513x513.py'
TRAINVAL = 'deeplabv3_paper/deeplabv3-paper_r101-d8-mg124_4xb4-30k_voc12trainval-513x513.py'
# One value, of the decode head's type, whatever else the config says.
ASPP, TO_VORTEX = 'model.decode_head.type=DeepLabV3Head', 'model.decode_head.type=VortexHead'


def load(name, *options):
    return load_config(CONFIGS / name, list(options), say=lambda line: None)


def build(name, *options):
    with torch.device('meta'):
        return MODELS.build(load(name, *options).model)


@pytest.mark.parametrize('name, options, parameters', [
    *[(name.format(depth), options, total) for name in (VORTEX, VORTEX_2) for options in ([], [ASPP])
      for depth, total in ((50, 39_042_517), (101, 58_034_645))],
    (VORTEX.format(50), ['model.decode_head.first_kernel=3'], 39_042_517 + 8 * 2048 * 256),
    *[(name, options, 58_040_661) for name in (PAPER, PAPER_2, TRAINVAL)
      for options in ([], [TO_VORTEX, '+model.decode_head.first_kernel=1'])],
])
def test_parameters(name, options, parameters):
    model = build(name, *options)
    assert sum(p.numel() for p in model.parameters()) == parameters


def spatial_rates(module):
    """The rates of every 3x3 convolution, in order."""
    return [conv.dilation[0] for conv in module.modules() if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3)]


@pytest.mark.parametrize('name, options, stages, head', [
    (VORTEX.format(50), [], [[1] * 3, [1] * 4, [1] * 6, [2, 4, 8]], [3, 9, 27]),
    (VORTEX.format(101), [], [[1] * 3, [1] * 4, [1] * 23, [2, 4, 8]], [3, 9, 27]),
    (VORTEX.format(50), ['model.decode_head.first_kernel=3'], [[1] * 3, [1] * 4, [1] * 6, [2, 4, 8]], [1, 3, 9, 27]),
    (VORTEX.format(50), [ASPP], [[1] * 3, [1] * 4, [1] * 6, [2, 4, 8]], [6, 12, 18]),
    (VORTEX_2.format(50), [], [[1] * 3, [1] * 4, [2] * 6, [4, 8, 16]], [3, 9, 27]),
    (VORTEX_2.format(101), [], [[1] * 3, [1] * 4, [2] * 23, [4, 8, 16]], [3, 9, 27]),
    (VORTEX_2.format(50), [ASPP], [[1] * 3, [1] * 4, [2] * 6, [4, 8, 16]], [12, 24, 36]),
    (PAPER, [], [[1] * 3, [1] * 4, [1] * 23, [2, 4, 8]], [6, 12, 18]),
    (PAPER_2, [], [[1] * 3, [1] * 4, [1] + [2] * 22, [4, 8, 16]], [12, 24, 36]),
    (TRAINVAL, [], [[1] * 3, [1] * 4, [1] + [2] * 22, [4, 8, 16]], [12, 24, 36]),
])
def test_rates_of_every_convolution(name, options, stages, head):
    model = build(name, *options)
    assert [spatial_rates(stage) for stage in model.backbone.stages] == stages
    assert spatial_rates(model.decode_head) == head


def test_the_paper_s_network_predicts_at_stride_8_with_the_rates_of_its_second_phase():
    first, second = build(PAPER), build(PAPER_2)
    seen = []

    def note(head, inputs, scores):
        seen.append((tuple(scores.shape[-2:]), spatial_rates(first.backbone), spatial_rates(head)))

    first.decode_head.register_forward_hook(note)
    first.eval()
    with torch.device('meta'):
        image = torch.empty(1, 3, 513, 513)
        list(first.original_logits(image, [first_sample()]))
        first(image)
    assert seen[0] == ((65, 65), spatial_rates(second.backbone), spatial_rates(second.decode_head))
    assert seen[1][0] == (33, 33) and seen[1][2] == [6, 12, 18]


def first_sample():
    from segkit.structures import SegDataSample
    return SegDataSample(metainfo=dict(img_shape=(375, 500), ori_shape=(375, 500)))


@pytest.mark.parametrize('name, split, lists, batch, momentum', [
    (VORTEX.format(50), 'SegmentationClassAug', ['train', 'aug'], 16, 0.1),
    (VORTEX_2.format(101), 'SegmentationClass', ['train'], 8, 0.1),
    (PAPER, 'SegmentationClassAug', ['train', 'aug'], 16, 0.0003),
    (PAPER_2, 'SegmentationClass', ['train'], 16, 0.0003),
    (TRAINVAL, 'SegmentationClass', ['trainval'], 16, 0.0003),
])
def test_data_batch_and_momentum(name, split, lists, batch, momentum):
    cfg = load(name)
    data = cfg.train_dataloader.dataset
    files, folders = ([one] if isinstance(one, str) else one for one in (data.ann_file, data.data_prefix.seg_map_path))
    assert [Path(file).stem for file in files] == lists and folders[-1] == split
    assert cfg.auto_scale_lr.base_batch_size == batch == 4 * cfg.train_dataloader.batch_size
    norms = [m for m in build(name).modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert {norm.momentum for norm in norms} == {momentum}
    if name == TRAINVAL:  # val is training data there
        assert cfg.val_dataloader is None and cfg.test_dataloader.dataset.ann_file.endswith('/test.txt')


# RECIPES' values of lr * (1 - i / 30000)^0.9.
PHASE_1 = {0: 7e-3, 1: 6.999790e-3, 15000: 3.751207e-3, 29999: 6.541674e-7}
PHASE_2 = {0: 1e-3, 15000: 5.358867e-4, 29999: 6.541674e-7 / 7}


@pytest.mark.slow
@pytest.mark.parametrize('name, rates, decay', [
    (VORTEX.format(50), PHASE_1, 2e-4), (VORTEX_2.format(50), PHASE_2, 2e-4), (VORTEX_2.format(101), PHASE_2, 2e-4),
    (PAPER, PHASE_1, 1e-4), (PAPER_2, PHASE_2, 1e-4), (TRAINVAL, PHASE_2, 1e-4),
])
def test_rates_of_learning_at_every_step(name, rates, decay):
    from mmengine.optim import build_optim_wrapper

    from segkit.engine.schedule import fill_ends
    from segkit.registry import PARAM_SCHEDULERS
    cfg = load(name)
    model = nn.ModuleDict(dict(backbone=nn.Conv2d(1, 1, 1), decode_head=nn.BatchNorm2d(1)))
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    schedule, = (PARAM_SCHEDULERS.build(one, default_args=dict(optimizer=optimizer))
                 for one in fill_ends(cfg.param_scheduler, cfg.train_cfg))
    assert sum(len(group['params']) for group in optimizer.param_groups) == 4
    last = float('inf')
    for step in range(cfg.train_cfg.max_iters):
        rate, = {group['lr'] for group in optimizer.param_groups}  # one for all
        assert 0 < rate < last and {group['weight_decay'] for group in optimizer.param_groups} == {decay}
        assert {group['momentum'] for group in optimizer.param_groups} == {0.9}
        if step in rates:
            assert rate == pytest.approx(rates[step], rel=1e-6), step
        last = rate
        optimizer.step()
        schedule.step()


SMALL = ['crop_size=(65,65)', 'model.data_preprocessor.test_cfg.size=(64,64)', '+model.backbone.base_channels=8',
         '+model.backbone.stem_channels=8', 'model.decode_head.channels=8', 'train_dataloader.batch_size=2',
         'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
         'train_cfg.max_iters=2',
         'default_hooks.report=None', 'default_hooks.logger.interval=1']
VALIDATED = ['val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False', 'train_cfg.val_interval=2']


@pytest.mark.slow
@pytest.mark.parametrize('first, second, options', [
    (VORTEX.format(50), VORTEX_2.format(50), []),
    (VORTEX.format(50), VORTEX_2.format(50), [ASPP]),
    (PAPER, PAPER_2, ['model.backbone.depth=50']),
])
def test_phase_2_starts_from_phase_1_and_moves_all_but_batch_norm(first, second, options, tmp_path, monkeypatch,
                                                                  capsys):
    monkeypatch.chdir(tmp_path)
    built = []
    make = SegRunner.from_cfg.__func__
    monkeypatch.setattr(SegRunner, 'from_cfg', classmethod(lambda cls, cfg: built.append(make(cls, cfg)) or built[-1]))
    for name, more in ((first, [] if first != PAPER else ['model.backbone.init_cfg=None']), (second, [])):
        cfg = load(name)
        roots = [f'{key}={value}' for key, value in write_mini_trees(cfg, str(tmp_path / 'trees')).items()]
        train.main([str(CONFIGS / name), '--cfg-options', *SMALL, *VALIDATED, *options, *more, *roots])
    folder = f'work_dirs/{Path(first).stem}'
    assert f'tensors from {folder}/iter_2.pth' in capsys.readouterr().out

    before = torch.load(tmp_path / folder / 'iter_2.pth', weights_only=False)['state_dict']
    after = torch.load(tmp_path / f'work_dirs/{Path(second).stem}/iter_2.pth', weights_only=False)['state_dict']
    model = built[1].model
    norms = {name for name, module in model.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)}
    fixed = {key for key in before if key.rsplit('.', 1)[0] in norms}
    assert len(norms) > 50 and before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in fixed)
    assert not any(torch.equal(before[key], after[key]) for key in before.keys() - fixed)
    # Phase 1 had moved them.
    assert {int(before[f'{name}.num_batches_tracked']) for name in norms} == {2}
    assert all(before[f'{name}.running_mean'].any() for name in norms)
    learning = {id(p) for group in built[1].optim_wrapper.param_groups for p in group['params'] if p.requires_grad}
    assert learning == {id(p) for name, p in model.named_parameters() if name.rsplit('.', 1)[0] not in norms}
    assert model.backbone.output_stride == 8 and built[0].model.backbone.output_stride == 16


@pytest.mark.slow
@pytest.mark.parametrize('flags', [[], ['--tta']])
def test_the_phase_for_the_test_server_writes_predictions_of_photos_without_labels(flags, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [*SMALL, 'model.backbone.depth=50', *(
        f'{key}={value}' for key, value in write_mini_trees(load(TRAINVAL), str(tmp_path / 'trees'), images=2).items())]
    train.main([str(CONFIGS / TRAINVAL), '--cfg-options', *options, 'load_from=None'])
    (masks,) = tmp_path.glob('trees/**/SegmentationClass')
    names = (masks.parent / 'ImageSets/Segmentation/test.txt').read_text().split()
    for name in names:
        (masks / f'{name}.png').unlink(missing_ok=True)
    out = tmp_path / 'results/VOC2012/Segmentation/comp6_test_cls'
    test_tool.main([str(CONFIGS / TRAINVAL), f'work_dirs/{Path(TRAINVAL).stem}/iter_2.pth', *flags, '--cfg-options',
                    'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False',
                    *(one for one in options if one.startswith(('model.', '+model.', 'test_dataloader.')))])
    assert sorted(path.stem for path in out.glob('*.png')) == sorted(names) and len(names) == 2
