"""The classes in docs/migrate.md run as they are printed, in a config of MMSegmentation's form."""
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from segkit import registry

PAGE = (Path(__file__).parents[1] / 'docs' / 'migrate.md').read_text()


def run_example(name: str) -> None:
    exec(re.search(rf'<!-- test: {name} -->\n```python\n(.*?)```', PAGE, re.S)[1], {})


@pytest.fixture(autouse=True)
def forget():
    yield
    for kind, name in ((registry.MODELS, 'MyHead'), (registry.DATASETS, 'MyDataset')):
        kind._module_dict.pop(name, None)


def test_the_head_trains_and_predicts():
    run_example('head')
    model = registry.MODELS.build(dict(
        type='EncoderDecoder',
        backbone=dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, out_indices=(0, 1, 2, 3),
                      strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
        decode_head=dict(type='MyHead', in_channels=64, in_index=3, channels=8, depth=1, num_classes=3,
                         norm_cfg=dict(type='BN'),
                         loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0))))
    losses = model(torch.rand(2, 3, 32, 32), labels=torch.randint(0, 3, (2, 32, 32)), mode='loss')
    losses['decode.loss_ce'].backward()
    assert all(p.grad is not None for p in model.decode_head.parameters())
    assert model.eval()(torch.rand(1, 3, 32, 40), mode='predict')[0].pred_sem_seg.data.shape == (1, 32, 40)


def test_the_dataset_reads_a_folder(tmp_path):
    run_example('dataset')
    for folder, value in (('images', np.zeros((4, 5, 3), np.uint8)), ('masks', np.eye(4, 5, dtype=np.uint8))):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / ('a.jpg' if folder == 'images' else 'a.png')), value)
    dataset = registry.DATASETS.build(dict(
        type='MyDataset', data_root=str(tmp_path), data_prefix=dict(img_path='images', seg_map_path='masks'),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))
    assert dataset.metainfo['classes'] == ('background', 'road')
    assert dataset[0]['data_samples'].gt_sem_seg.data.sum() == 4
