import numpy as np
import pytest

from segkit.datasets.transforms import RandomRotate, RandomRotFlip
from segkit.errors import ConfigError


def sample(height=21, width=21):
    mask = np.zeros((height, width), np.uint8)
    mask[2:5, 12:17] = 1  # top right of the middle
    return dict(img=np.repeat(mask[..., None] * 200, 3, axis=2), gt_seg_map=mask, seg_fields=['gt_seg_map'])


def test_a_quarter_turn_is_clockwise_and_exact():
    found = RandomRotate(prob=1., degree=(90., 90.))(sample())
    assert np.array_equal(found['gt_seg_map'], np.rot90(sample()['gt_seg_map'], -1))
    assert np.array_equal(found['img'], np.rot90(sample()['img'], -1))


def test_corners_from_outside_are_void():
    found = RandomRotate(prob=1., degree=(45., 45.), pad_val=7)(sample())
    assert found['gt_seg_map'][0, 0] == 255 and found['img'][0, 0].tolist() == [7, 7, 7]
    assert set(np.unique(found['gt_seg_map'])) == {0, 1, 255}  # nearest: no label in between


def test_auto_bound_keeps_all_and_tells_the_new_shape():
    found = RandomRotate(prob=1., degree=(90., 90.), auto_bound=True)(sample(21, 31))
    assert found['img'].shape == (31, 21, 3) and found['gt_seg_map'].shape == found['img_shape'] == (31, 21)


def test_centre_is_x_then_y():
    found = RandomRotate(prob=1., degree=(180., 180.), center=(14., 3.))(sample())
    assert np.array_equal(found['gt_seg_map'][2:5, 12:17], np.ones((3, 5)))


def test_coin_and_angle_are_drawn_in_any_case():
    np.random.seed(3)
    RandomRotate(prob=0., degree=10)(sample())
    after = np.random.random_sample()
    np.random.seed(3)
    np.random.rand(2)
    assert np.random.random_sample() == after


@pytest.mark.parametrize('options', [dict(prob=2, degree=10), dict(prob=0.5, degree=-3),
                                     dict(prob=0.5, degree=10, center=(1, 2), auto_bound=True)])
def test_wrong_arguments_are_refused(options):
    with pytest.raises(ConfigError, match='RandomRotate'):
        RandomRotate(**options)


def test_rot_flip_leaves_turns_or_mirrors_and_never_makes_a_label():
    mask = np.random.RandomState(0).choice([0, 4, 8], (20, 31)).astype(np.uint8)
    given = dict(img=np.repeat(mask[..., None] * 20, 3, axis=2), gt_seg_map=mask, seg_fields=['gt_seg_map'])
    kinds = set()
    for seed in range(60):
        np.random.seed(seed)
        found = RandomRotFlip(degree=20)({**given})
        labels = found['gt_seg_map']
        assert set(np.unique(labels)) <= {0, 4, 8} and found['img'].shape[:2] == labels.shape
        exact = np.array_equal(found['img'][..., 0], labels * 20)
        kinds.add((labels.shape, exact, np.array_equal(labels, mask)))
        if exact and not np.array_equal(labels, mask):
            assert sorted(labels.ravel()) == sorted(mask.ravel())
            assert found['img_shape'] == labels.shape
    kinds.discard(((20, 31), False, True))  # turned by less than moves a label
    assert kinds == {((20, 31), True, True), ((31, 20), True, False), ((20, 31), True, False),
                     ((20, 31), False, False)}


@pytest.mark.parametrize('options', [dict(rotate_prob=2), dict(flip_prob=-1), dict(degree=0), dict(degree=(1, 2, 3))])
def test_wrong_arguments_of_rot_flip_are_refused(options):
    with pytest.raises(ConfigError, match='RandomRotFlip'):
        RandomRotFlip(**options)
