import numpy as np
import pytest

from segkit.datasets.transforms import PackSegInputs, TestTimeAug
from segkit.errors import ConfigError

RATIOS = (0.5, 1.0, 1.5)
STEPS = [
    [dict(type='Resize', scale_factor=ratio, keep_ratio=True) for ratio in RATIOS],
    [dict(type='RandomFlip', prob=0.), dict(type='RandomFlip', prob=1.)],
    [dict(type='PackSegInputs')],
]


def sample():
    img = np.random.RandomState(0).randint(0, 256, (20, 30, 3)).astype(np.uint8)
    return dict(img=img, img_path='a.jpg', ori_shape=(20, 30), seg_fields=[])


def test_every_combination_the_last_step_fastest():
    found = TestTimeAug(STEPS)(sample())
    assert [tuple(one.shape) for one in found['inputs']] == [
        (3, 10, 15), (3, 10, 15), (3, 20, 30), (3, 20, 30), (3, 30, 45), (3, 30, 45)]
    assert [one.flip for one in found['data_samples']] == [False, True] * 3
    for plain, mirrored in zip(found['inputs'][::2], found['inputs'][1::2]):
        assert plain.flip(-1).equal(mirrored)
    assert np.array_equal(found['inputs'][2].numpy(), sample()['img'].transpose(2, 0, 1))


def test_versions_do_not_share_what_a_step_changes():
    def darken(results):
        results['img'][:] = 0
        results['seg_fields'].append('x')
        return results

    given = sample()
    found = TestTimeAug([[darken, lambda results: results], [PackSegInputs(meta_keys=('seg_fields',))]])(given)
    assert not found['inputs'][0].any() and found['inputs'][1].any()
    assert found['data_samples'][1].seg_fields == [] == given['seg_fields']


def test_the_config_is_not_changed():
    steps = [[dict(type='PackSegInputs')]]
    TestTimeAug(steps)
    assert steps == [[dict(type='PackSegInputs')]]


def test_wrong_steps_are_refused():
    with pytest.raises(ConfigError, match='list of lists'):
        TestTimeAug([dict(type='PackSegInputs')])
    with pytest.raises(ConfigError, match='dropped the sample a.jpg'):
        TestTimeAug([[lambda results: None]])(sample())
