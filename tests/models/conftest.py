"""Inputs and weights that another program can make too: all from NumPy's legacy generator, whose values are fixed."""
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData

DATA = Path(__file__).parents[1] / 'data'


@pytest.fixture(scope='session')
def mmseg_numbers() -> dict:
    """What MMSegmentation computes for the inputs of :func:`draw`."""
    return json.loads((DATA / 'mmseg_numbers.json').read_text())


@pytest.fixture(scope='session')
def mmseg_outputs() -> SimpleNamespace:
    """What MMSegmentation's parts give for ``draw.weights`` and ``draw.feats(5, ...)``: check(name, module, input)."""
    recorded = json.loads((DATA / 'mmseg_heads.json').read_text())

    def check(name: str, module: torch.nn.Module, inputs) -> None:
        with torch.no_grad():
            outs = module(inputs)
        outs = outs if isinstance(outs, tuple) else (outs,)
        assert sum(p.numel() for p in module.parameters()) == recorded[f'{name}_parameters']
        assert len(module.state_dict()) == recorded[f'{name}_keys']
        assert len(outs) == len(recorded[name])
        for out, wanted in zip(outs, recorded[name]):
            assert list(out.shape) == wanted['shape']
            ends = torch.cat([out.flatten()[:4], out.flatten()[-4:]])
            torch.testing.assert_close(ends, torch.tensor(wanted['first'] + wanted['last']), rtol=1e-4, atol=1e-5)
            assert out.double().norm().item() == pytest.approx(wanted['norm'], rel=1e-5)

    return SimpleNamespace(check=check)


@pytest.fixture(scope='session')
def mmseg_keys() -> dict:
    """Key -> shape of MMSegmentation's DeepLabV3 R50-D8 checkpoint for 21 classes."""
    rows = (line.split('\t') for line in (DATA / 'mmseg_deeplabv3_r50-d8_voc21.tsv').read_text().splitlines())
    return {key: () if shape == 'scalar' else tuple(map(int, shape.split('x'))) for key, shape in rows}


@pytest.fixture(scope='session')
def draw() -> SimpleNamespace:
    """Makers of inputs: image(seed, h, w), labels(seed, n, h, w, k), scores(seed, n, k, h, w),
    feats(seed, *shapes), weights(model), ..."""

    def image(seed: int, h: int, w: int) -> torch.Tensor:
        return torch.from_numpy(np.random.RandomState(seed).randint(0, 256, (3, h, w)).astype(np.uint8))

    def labels(seed: int, n: int, h: int, w: int, k: int) -> torch.Tensor:
        rng = np.random.RandomState(seed)
        values = rng.randint(0, k, (n, h, w))
        values[rng.rand(n, h, w) < 0.2] = 255
        return torch.from_numpy(values.astype(np.int64))

    def scores(seed: int, n: int, k: int, h: int, w: int) -> torch.Tensor:
        return torch.from_numpy(np.random.RandomState(seed).standard_normal((n, k, h, w)).astype(np.float32) * 3)

    def feats(seed: int, *shapes: tuple) -> tuple:
        rng = np.random.RandomState(seed)
        return tuple(torch.from_numpy(rng.standard_normal(shape).astype(np.float32)) for shape in shapes)

    def weights(model: torch.nn.Module) -> torch.nn.Module:
        rng, state = np.random.RandomState(7), model.state_dict()
        for key in sorted(state):
            if key.endswith('num_batches_tracked'):
                continue
            value = rng.standard_normal(tuple(state[key].shape)).astype(np.float32)
            if key.endswith('running_var'):
                value = np.abs(value) + 0.5
            elif state[key].dim() == 4:
                value *= (2.0 / np.prod(value.shape[1:]))**0.5
            else:
                value = 1 + 0.1 * value if key.endswith('weight') else 0.1 * value
            state[key].copy_(torch.from_numpy(value))
        return model

    def sample(h: int, w: int, labels: torch.Tensor = None, ori_shape: tuple = None, **meta):
        from segkit.structures import SegDataSample
        sample = SegDataSample(metainfo=dict(img_shape=(h, w), ori_shape=ori_shape or (h, w), **meta))
        if labels is not None:
            sample.gt_sem_seg = PixelData(data=labels)
        return sample

    return SimpleNamespace(image=image, labels=labels, scores=scores, feats=feats, weights=weights, sample=sample)


@pytest.fixture
def model_cfg() -> dict:
    """A small DeepLabV3 with every fact written into every part, as MMSegmentation's files do."""
    norm = dict(type='BN')
    return dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True, pad_val=0, seg_pad_val=255, size=(48, 64)),
        backbone=dict(
            type='ResNetV1c', depth=18, stem_channels=8, base_channels=8, num_stages=4, out_indices=(0, 1, 2, 3),
            dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1), norm_cfg=norm, norm_eval=False, style='pytorch',
            contract_dilation=True),
        decode_head=dict(
            type='ASPPHead', in_channels=64, in_index=3, channels=8, dilations=(1, 2, 4, 6), dropout_ratio=0.1,
            num_classes=5, norm_cfg=norm, align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
        auxiliary_head=dict(
            type='FCNHead', in_channels=32, in_index=2, channels=8, num_convs=1, concat_input=False,
            dropout_ratio=0.1, num_classes=5, norm_cfg=norm, align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4)),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'))
