"""A random factor of a photo's own size."""
import numpy as np
import pytest

from segkit.datasets.transforms import RandomScale, Resize
from segkit.errors import ConfigError


def sample(height, width):
    dice = np.random.default_rng(0)
    return dict(img=dice.integers(0, 255, (height, width, 3), dtype=np.uint8),
                gt_seg_map=dice.integers(0, 21, (height, width), dtype=np.uint8), seg_fields=['gt_seg_map'])


def factors(transform, draws, height=40, width=60):
    np.random.seed(0)
    return [transform(sample(height, width))['img_shape'][0] / height for _ in range(draws)]


@pytest.mark.parametrize('ratio_range, step, wanted', [
    ((0.5, 1.6), 0.1, [n / 10 for n in range(5, 17)]), ((0.7, 2.1), 0.1, [n / 10 for n in range(7, 22)]),
    ((0.5, 2.0), 0.25, [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2])])
def test_steps_are_all_drawn_and_nothing_else(ratio_range, step, wanted):
    drawn = factors(RandomScale(ratio_range, step), 400)
    assert sorted(set(drawn)) == wanted
    counts = [drawn.count(factor) for factor in wanted]
    assert min(counts) > 400 / len(wanted) / 3  # evenly, the ends too


def test_without_steps_it_is_uniform_on_the_whole_range():
    drawn = np.array(factors(RandomScale((0.5, 2.0)), 400, height=1000, width=4))
    assert drawn.min() < 0.52 and drawn.max() > 1.98 and abs(drawn.mean() - 1.25) < 0.07
    assert len(set(drawn)) > 300


def test_photo_and_labels_are_what_resize_makes_of_them():
    results = RandomScale((0.7, 0.7), 0.1)(sample(33, 50))
    wanted = Resize(scale_factor=0.7)(sample(33, 50))
    assert results['img_shape'] == (23, 35) and results['keep_ratio']
    for key in ('img', 'gt_seg_map'):
        assert np.array_equal(results[key], wanted[key])


def test_a_factor_of_one_leaves_the_photo():
    np.random.seed(1)
    ones = [r for r in (RandomScale((0.5, 1.6), 0.1)(sample(41, 57)) for _ in range(60)) if r['img_shape'] == (41, 57)]
    assert ones and all(np.array_equal(one['img'], sample(41, 57)['img']) for one in ones)


def test_a_very_fine_step_takes_no_memory():
    transform = RandomScale(step=1e-9)
    drawn = factors(transform, 50, height=1000, width=4)
    assert len(set(drawn)) > 45 and transform.choices == 1_500_000_001


@pytest.mark.parametrize('options', [
    dict(ratio_range=(2, 1)), dict(ratio_range=(0, 1)), dict(ratio_range=(1,)), dict(ratio_range=(0.5, 1.6), step=0.25),
    dict(step=-0.1), dict(step=float('nan')), dict(step=1e-12), dict(ratio_range=(1, float('inf')))])
def test_values_that_do_not_fit_are_refused(options):
    with pytest.raises(ConfigError, match='RandomScale'):
        RandomScale(**options)
