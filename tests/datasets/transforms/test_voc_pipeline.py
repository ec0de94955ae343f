"""Whole pipelines against MMSegmentation's, by digests recorded under it.

The digests stand in tests/data/mmseg_pipelines.json. They depend on OpenCV's rounding, which differs between its
releases and between processors, so `same_rounding` skips them where OpenCV itself gives other bytes than it did under
the recording; tools/benchmarks/data_pipeline.py --peer compares live.
"""
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from segkit.registry import TRANSFORMS

RECORDED = json.loads((Path(__file__).parents[2] / 'data' / 'mmseg_pipelines.json').read_text())
# -- shared with the recording, which ran this part under MMSegmentation
TRAIN = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
TEST = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
EXTRA = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=[(300, 200), (400, 350)], keep_ratio=False),
    dict(type='RandomCrop', crop_size=(190, 230)),
    dict(type='RandomFlip', prob=[0.3, 0.3, 0.3], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='RandomRotate', prob=0.7, degree=20.),
    dict(type='PhotoMetricDistortion', brightness_delta=60, contrast_range=(0.2, 2.0), hue_delta=30),
    dict(type='Pad', size=(256, 256), padding_mode='reflect'),
    dict(type='PackSegInputs'),
]
TTA = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in (0.5, 1.0, 1.75)],
        [dict(type='RandomFlip', prob=0., direction='horizontal'),
         dict(type='RandomFlip', prob=1., direction='horizontal')],
        [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')],
    ]),
]


def rounding():
    """Digest of what OpenCV's own functions make of a fixed image on this machine."""
    img = np.random.RandomState(7).randint(0, 256, (97, 203, 3)).astype(np.uint8)
    made = [cv2.resize(img, size, interpolation=cv2.INTER_LINEAR) for size in ((301, 155), (88, 41), (203, 194))]
    made += [cv2.cvtColor(img, cv2.COLOR_BGR2HSV), cv2.cvtColor(img % 180, cv2.COLOR_HSV2BGR)]
    made.append(cv2.warpAffine(img, cv2.getRotationMatrix2D((90, 40), 17, 1), (203, 97)))
    return hashlib.sha256(b''.join(one.tobytes() for one in made)).hexdigest()


def draw_pair(folder, seed):
    """Write a smooth photo with noise and a mask of rectangles, both as PNG; return their paths."""
    state = np.random.RandomState(1000 + seed)
    height, width = int(state.randint(150, 420)), int(state.randint(150, 520))
    small = state.randint(0, 256, (12, 12, 3)).astype(np.uint8)
    photo = np.kron(small, np.ones((40, 50, 1), np.uint8))[:height, :width].astype(int)
    photo = (photo + state.randint(-20, 21, photo.shape)).clip(0, 255).astype(np.uint8)
    mask = np.zeros((height, width), np.uint8)
    for label in (5, 255, 20, 1, 12):
        top, left = state.randint(0, height - 60), state.randint(0, width - 60)
        mask[top:top + state.randint(20, 200), left:left + state.randint(20, 200)] = label
    paths = [str(Path(folder) / f'{seed}{suffix}.png') for suffix in ('', '_mask')]
    cv2.imwrite(paths[0], photo)
    cv2.imwrite(paths[1], mask)
    return paths


def run(pipeline, pair, seed):
    np.random.seed(seed)
    results = dict(img_path=pair[0], seg_map_path=pair[1], label_map=None, reduce_zero_label=False, seg_fields=[],
                   num_classes=21)
    for step in pipeline:
        results = TRANSFORMS.build(dict(step))(results)
    return results


def digest(inputs, sample):
    labels = sample.gt_sem_seg.data.numpy()
    meta = [list(map(float, sample.get(key) or ())) for key in ('ori_shape', 'img_shape', 'pad_shape', 'scale_factor')]
    flips = [sample.get('flip'), sample.get('flip_direction')]
    assert inputs.is_contiguous() and inputs.dtype is torch.uint8
    content = inputs.numpy().tobytes() + labels.astype(np.uint8).tobytes()
    return hashlib.sha256(content + repr((inputs.shape, labels.shape, meta, flips)).encode()).hexdigest()[:24]


def train_digest(pair, seed):
    packed = run(TRAIN, pair, seed)
    return digest(packed['inputs'], packed['data_samples'])


def val_digest(pair, seed):
    packed = run(TEST, pair, seed)
    return digest(packed['inputs'], packed['data_samples'])


def extra_digest(pair, seed):
    packed = run(EXTRA, pair, seed)
    return digest(packed['inputs'], packed['data_samples'])


def tta_digest(pair, seed):
    packed = run(TTA, pair, seed)
    return [digest(*version) for version in zip(packed['inputs'], packed['data_samples'])]
# -- end shared


same_rounding = pytest.mark.skipif(rounding() != RECORDED['rounding'], reason='OpenCV rounds differently here')


@same_rounding
@pytest.mark.parametrize('name, digest_of', [('synthetic_train', train_digest), ('synthetic_test', val_digest),
                                             ('synthetic_tta', tta_digest), ('synthetic_extra', extra_digest)])
def test_samples_are_those_of_mmsegmentation(tmp_path, name, digest_of):
    found = [digest_of(draw_pair(tmp_path, seed), seed) for seed in range(len(RECORDED[name]))]
    assert found == RECORDED[name]


@same_rounding
def test_real_samples_are_those_of_mmsegmentation(data_pack):
    root = data_pack / 'VOC2012'
    for seed, (name, expected) in enumerate(RECORDED['voc_train'].items()):
        pair = root / 'JPEGImages' / f'{name}.jpg', root / 'SegmentationClass' / f'{name}.png'
        assert train_digest([str(path) for path in pair], seed) == expected, name


def test_the_same_seed_gives_the_same_sample_and_another_seed_another(tmp_path):
    pair = draw_pair(tmp_path, 3)
    assert train_digest(pair, 5) == train_digest(pair, 5) != train_digest(pair, 6)


def test_image_and_mask_stay_paired(tmp_path):
    """The image is the mask itself in white on black, so wherever geometry moves one the other must follow."""
    mask = np.zeros((300, 400), np.uint8)
    cv2.ellipse(mask, (140, 110), (90, 50), 30, 0, 360, 1, -1)
    cv2.rectangle(mask, (260, 180), (390, 290), 1, -1)
    paths = [str(tmp_path / name) for name in ('photo.png', 'mask.png')]
    cv2.imwrite(paths[0], np.repeat(mask[..., None] * 255, 3, axis=2))
    cv2.imwrite(paths[1], mask)
    geometry = [step for step in EXTRA if step['type'] != 'PhotoMetricDistortion']
    seen = set()
    for seed in range(40):
        packed = run(geometry, paths, seed)
        labels = packed['data_samples'].gt_sem_seg.data[0].numpy()
        bright = packed['inputs'][0].numpy() > 127
        valid = labels != 255
        agree = (bright == (labels == 1))[valid].mean()
        assert agree > 0.97, (seed, agree)
        assert 0.02 < bright.mean() < 0.9
        seen.add(packed['data_samples'].flip_direction)
    assert seen == {None, 'horizontal', 'vertical', 'diagonal'}
