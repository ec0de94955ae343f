import numpy as np
import pytest

from segkit.datasets.transforms import Pad
from segkit.errors import ConfigError


def sample(height=5, width=7):
    state = np.random.RandomState(0)
    return dict(img=state.randint(1, 256, (height, width, 3)).astype(np.uint8),
                gt_seg_map=state.randint(0, 21, (height, width)).astype(np.uint8), seg_fields=['gt_seg_map'])


def test_size_is_width_then_height_and_labels_get_void():
    found = Pad(size=(10, 6))(sample())
    assert found['img'].shape == found['pad_shape'] == (6, 10, 3) and found['img_shape'] == (6, 10)
    assert np.array_equal(found['img'][:5, :7], sample()['img'])
    assert not found['img'][5:].any() and not found['img'][:, 7:].any()
    assert np.array_equal(found['gt_seg_map'][:5, :7], sample()['gt_seg_map'])
    assert (found['gt_seg_map'][5:] == 255).all() and (found['gt_seg_map'][:, 7:] == 255).all()


def test_what_is_larger_stays():
    assert Pad(size=(6, 8))(sample())['img'].shape == (8, 7, 3)


@pytest.mark.parametrize('options, expected', [
    (dict(size_divisor=4), (8, 8)), (dict(size_divisor=5), (5, 10)), (dict(pad_to_square=True), (7, 7)),
    (dict(pad_to_square=True, size_divisor=16), (16, 16)),
])
def test_other_targets(options, expected):
    found = Pad(**options)(sample())
    assert found['img'].shape[:2] == found['gt_seg_map'].shape == expected


def test_values_for_image_and_labels():
    found = Pad(size=(8, 5), pad_val=dict(img=(1, 2, 3), seg=0))(sample())
    assert found['img'][0, 7].tolist() == [1, 2, 3] and found['gt_seg_map'][0, 7] == 0
    found = Pad(size=(8, 5), pad_val=9)(sample())
    assert found['img'][0, 7].tolist() == [9, 9, 9] and found['gt_seg_map'][0, 7] == 255


@pytest.mark.parametrize('mode', ['edge', 'reflect', 'symmetric'])
def test_modes_are_numpys(mode):
    found = Pad(size=(9, 8), padding_mode=mode)(sample())
    assert np.array_equal(found['img'], np.pad(sample()['img'], ((0, 3), (0, 2), (0, 0)), mode))
    assert np.array_equal(found['gt_seg_map'], np.pad(sample()['gt_seg_map'], ((0, 3), (0, 2)), mode))


@pytest.mark.parametrize('options', [dict(), dict(size=(4, 4), size_divisor=2), dict(size=(4, 4), pad_to_square=True),
                                     dict(size=(4, 4), padding_mode='wrap'), dict(size_divisor=0)])
def test_wrong_arguments_are_refused(options):
    with pytest.raises(ConfigError, match='Pad'):
        Pad(**options)
