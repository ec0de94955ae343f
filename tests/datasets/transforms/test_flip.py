import numpy as np
import pytest

from segkit.datasets.transforms import RandomFlip
from segkit.errors import ConfigError


def sample():
    img = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    return dict(img=img, gt_seg_map=img[..., 1].copy(), seg_fields=['gt_seg_map'])


@pytest.mark.parametrize('direction, axes', [('horizontal', (1,)), ('vertical', (0,)), ('diagonal', (0, 1))])
def test_image_and_mask_are_mirrored_together(direction, axes):
    found = RandomFlip(prob=1.0, direction=direction)(sample())
    assert found['flip'] is True and found['flip_direction'] == direction
    assert np.array_equal(found['img'], np.flip(sample()['img'], axes))
    assert np.array_equal(found['gt_seg_map'], found['img'][..., 1])


def test_never_at_probability_zero():
    for seed in range(20):
        np.random.seed(seed)
        found = RandomFlip(prob=0.)(sample())
        assert found['flip'] is False and found['flip_direction'] is None
        assert np.array_equal(found['img'], sample()['img'])


@pytest.mark.parametrize('prob, direction, shares', [
    (0.5, 'horizontal', [0.5, 0.5]),
    (0.6, ['horizontal', 'vertical'], [0.3, 0.3, 0.4]),
    ([0.2, 0.3, 0.1], ['horizontal', 'vertical', 'diagonal'], [0.2, 0.3, 0.1, 0.4]),
])
def test_directions_are_those_numpy_chooses(prob, direction, shares):
    names = [direction] if isinstance(direction, str) else direction
    transform = RandomFlip(prob=prob, direction=direction)
    np.random.seed(11)
    expected = [np.random.choice([*names, None], p=shares) for _ in range(400)]
    np.random.seed(11)
    assert [transform(sample())['flip_direction'] for _ in range(400)] == expected


def test_left_and_right_labels_change_places():
    mask = np.array([[1, 2, 0]], np.uint8)
    results = dict(img=np.zeros((1, 3, 3), np.uint8), gt_seg_map=mask, seg_fields=['gt_seg_map'])
    found = RandomFlip(prob=1.0, swap_seg_labels=[(1, 2)])(results)
    assert found['gt_seg_map'].tolist() == [[0, 1, 2]]


@pytest.mark.parametrize('options', [dict(prob=1.5), dict(prob=0.5, direction='sideways'),
                                     dict(prob=[0.5, 0.5], direction='horizontal'),
                                     dict(prob=[0.7, 0.7], direction=['horizontal', 'vertical'])])
def test_wrong_arguments_are_refused(options):
    with pytest.raises(ConfigError, match='RandomFlip'):
        RandomFlip(**options)
