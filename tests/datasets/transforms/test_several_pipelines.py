"""Several pipelines give what each of them gives alone."""
import numpy as np
import pytest
import torch

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS

PACK = dict(type='PackSegInputs')
PLAIN = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), PACK]
TTA = [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=[
    [dict(type='Resize', scale_factor=r) for r in (0.5, 2.0)], [dict(type='RandomFlip', prob=1.0)], [PACK]])]


@pytest.fixture
def sample(tmp_path):
    import cv2
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / 'a.png'), rng.integers(0, 255, (10, 12, 3), np.uint8))
    cv2.imwrite(str(tmp_path / 'b.png'), rng.integers(0, 3, (10, 12), np.uint8))
    return dict(img_path=str(tmp_path / 'a.png'), seg_map_path=str(tmp_path / 'b.png'), seg_fields=[], label_map=None,
                reduce_zero_label=False)


def build(*pipelines):
    return TRANSFORMS.build(dict(type='SeveralPipelines', pipelines=pipelines))


def test_versions_are_those_of_each_pipeline_in_order(sample):
    before = dict(sample, seg_fields=list(sample['seg_fields']))
    found = build(PLAIN, TTA)(sample)
    assert sample == before  # nothing of one pipeline reaches the next
    plain = sample_of(PLAIN, sample)
    several = sample_of(TTA, sample)
    assert [tuple(image.shape) for image in found['inputs']] == [(3, 10, 12), (3, 5, 6), (3, 20, 24)]
    for image, alone in zip(found['inputs'], [plain['inputs'], *several['inputs']]):
        assert torch.equal(image, alone)
    assert ['gt_sem_seg' in one for one in found['data_samples']] == [True, False, False]
    assert [one.metainfo.get('flip') or False for one in found['data_samples']] == [False, True, True]


def sample_of(pipeline, sample):
    sample = dict(sample, seg_fields=[])
    for step in pipeline:
        sample = TRANSFORMS.build(step)(sample)
    return sample


def test_what_cannot_be(sample):
    with pytest.raises(ConfigError, match='at least one'):
        build()
    with pytest.raises(ConfigError, match=r'pipelines\.1 does not end with PackSegInputs'):
        build(PLAIN, PLAIN[:2])(sample)
    drop = dict(type='LoadImageFromFile', ignore_empty=True)
    with pytest.raises(ConfigError, match=r'pipelines\.0 dropped the sample'):
        build([drop, PACK])(dict(sample, img_path='no.png'))
