import numpy as np
import pytest

from segkit.datasets.transforms import RandomCrop
from segkit.errors import ConfigError


def sample(mask):
    """An image whose channels are the row, the column and the label of each pixel."""
    rows, columns = np.indices(mask.shape)
    return dict(img=np.stack([rows, columns, mask], axis=-1), gt_seg_map=mask, seg_fields=['gt_seg_map'])


def expected_window(mask, size, ratio, ignore_index=255):
    """The window by the rule as it is stated, each class of each try counted."""
    def draw():
        top = np.random.randint(0, max(mask.shape[0] - size[0], 0) + 1)
        return top, np.random.randint(0, max(mask.shape[1] - size[1], 0) + 1)

    top, left = draw()
    for _ in range(10 if ratio < 1 else 0):
        labels, counts = np.unique(mask[top:top + size[0], left:left + size[1]], return_counts=True)
        counts = counts[labels != ignore_index]
        if len(counts) > 1 and counts.max() / counts.sum() < ratio:
            break
        top, left = draw()
    return top, left


def blobs(seed, dtype):
    state = np.random.RandomState(seed)
    mask = np.full((state.randint(40, 160), state.randint(40, 160)), state.choice([0, 255]))
    for _ in range(state.randint(0, 12)):
        top, left = state.randint(0, mask.shape[0]), state.randint(0, mask.shape[1])
        label = state.choice([0, 3, 7, 20, 255] if dtype == np.uint8 else [0, 3, 700, 255])
        mask[top:top + state.randint(1, 70), left:left + state.randint(1, 70)] = label
    return mask.astype(dtype)


@pytest.mark.parametrize('dtype', [np.uint8, np.int32])
@pytest.mark.parametrize('ratio', [1.0, 0.9, 0.75, 0.4])
def test_windows_are_those_of_the_rule(dtype, ratio):
    crop = RandomCrop((48, 56), cat_max_ratio=ratio)
    for seed in range(60):
        mask = blobs(seed, dtype)
        np.random.seed(seed)
        top, left = expected_window(mask, (48, 56), ratio)
        after = np.random.random_sample()
        np.random.seed(seed)
        found = crop(sample(mask))
        assert np.random.random_sample() == after, seed  # the same number of draws
        assert found['img'][0, 0, :2].tolist() == [top, left], seed
        assert np.array_equal(found['img'][..., 2], found['gt_seg_map'])
        assert found['img_shape'] == (min(48, mask.shape[0]), min(56, mask.shape[1])) == found['gt_seg_map'].shape


def test_a_class_smaller_than_the_counting_grid_is_seen():
    mask = np.zeros((32, 32), np.uint8)
    mask[1:, 1:] = 9  # the sparse grid sees 0 at its first row and column; 9 holds 94 %
    assert not RandomCrop(32, 0.9)._is_mixed(mask)
    mask = np.zeros((20, 20), np.uint8)
    mask[5, 5] = 4  # between the grid points
    assert RandomCrop(20, 0.999)._is_mixed(mask)
    assert not RandomCrop(20, 0.99)._is_mixed(mask)


def test_one_class_and_void_are_not_mixed():
    crop = RandomCrop(16, 0.75, ignore_index=255)
    half = np.zeros((16, 16), np.uint8)
    half[:8] = 255
    assert not crop._is_mixed(half)
    assert not crop._is_mixed(np.full((16, 16), 255, np.uint8))
    assert RandomCrop(16, 0.75, ignore_index=1)._is_mixed(half)


def test_one_number_is_a_square():
    found = RandomCrop(16)(sample(np.zeros((40, 30), np.uint8)))
    assert found['gt_seg_map'].shape == (16, 16)


def test_wrong_arguments_are_refused():
    with pytest.raises(ConfigError, match='crop_size'):
        RandomCrop((0, 10))
    with pytest.raises(ConfigError, match='LoadAnnotations before RandomCrop'):
        RandomCrop(4, cat_max_ratio=0.75)(dict(img=np.zeros((9, 9, 3), np.uint8), seg_fields=[]))
