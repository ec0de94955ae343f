import numpy as np
import pytest

from segkit.datasets.transforms import RandomCutOut
from segkit.errors import ConfigError


def sample(height=30, width=50):
    return dict(img=np.full((height, width, 3), 9, np.uint8), gt_seg_map=np.full((height, width), 4, np.uint8),
                seg_fields=['gt_seg_map'])


def test_a_hole_has_the_width_and_the_height_that_were_given():
    sizes = set()
    for seed in range(40):
        np.random.seed(seed)
        found = RandomCutOut(prob=1., n_holes=1, cutout_shape=(5, 11), fill_in=(1, 2, 3), seg_fill_in=255)(sample())
        hole = found['gt_seg_map'] == 255
        assert np.array_equal(hole, (found['img'] == (1, 2, 3)).all(axis=2))
        assert (found['img'][~hole] == 9).all() and (found['gt_seg_map'][~hole] == 4).all()
        rows, columns = np.nonzero(hole)
        sizes.add((len(set(columns.tolist())), len(set(rows.tolist()))))
    assert (5, 11) in sizes and all(w <= 5 and h <= 11 for w, h in sizes)


def test_ratios_are_of_width_and_height():
    np.random.seed(2)  # the corner is at the upper left of the middle
    found = RandomCutOut(prob=1., n_holes=1, cutout_ratio=(0.1, 0.5))(sample(30, 50))
    hole = (found['img'] == 0).all(axis=2)
    assert hole.any(axis=0).sum() <= 5 and hole.any(axis=1).sum() <= 15
    assert (found['gt_seg_map'] == 4).all()  # labels stay where nothing else is said


def test_what_it_was_given_stays_as_it_is():
    before = sample()
    after = RandomCutOut(prob=1., n_holes=3, cutout_shape=(9, 9), seg_fill_in=0)(dict(before))
    assert (before['img'] == 9).all() and (before['gt_seg_map'] == 4).all()
    assert (after['img'] == 0).any() and (after['gt_seg_map'] == 0).any()


def test_without_luck_nothing_is_drawn_but_the_coin():
    np.random.seed(1)
    found = RandomCutOut(prob=0., n_holes=3, cutout_shape=(9, 9))(sample())
    after = np.random.rand()
    np.random.seed(1)
    np.random.rand()
    assert np.random.rand() == after and (found['img'] == 9).all()


@pytest.mark.parametrize('options', [
    dict(prob=2, n_holes=1, cutout_shape=(1, 1)), dict(prob=0.5, n_holes=1),
    dict(prob=0.5, n_holes=1, cutout_shape=(1, 1), cutout_ratio=(0.1, 0.1)),
    dict(prob=0.5, n_holes=(3, 1), cutout_shape=(1, 1)), dict(prob=0.5, n_holes=1, cutout_shape=(1, 2, 3)),
    dict(prob=0.5, n_holes=1, cutout_shape=(1, 1), seg_fill_in=256)])
def test_wrong_arguments_are_refused(options):
    with pytest.raises(ConfigError, match='RandomCutOut'):
        RandomCutOut(**options)
