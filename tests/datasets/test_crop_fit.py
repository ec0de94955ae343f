"""How much of a crop is padding."""
import numpy as np
import pytest

from segkit.datasets.crop_fit import crop_fit
from segkit.registry import DATASETS, TRANSFORMS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture
def fit(voc_config):
    def fit(sizes, *steps):
        return crop_fit(DATASETS.build(dict(voc_config, pipeline=[*LOAD, *steps])), sizes)
    return fit


def test_crops_of_photos_at_their_own_size(fit):
    crop = dict(type='RandomCrop', crop_size=(100, 200))
    assert fit([(100, 200), (300, 300)], crop) == ((100, 200), 0.)
    assert fit([(50, 200)] * 3, crop).padding == pytest.approx(0.5)
    assert fit([(50, 50)], crop).padding == pytest.approx(1 - 50 * 50 / 20000)
    assert fit([(50, 200), (100, 200)], crop).padding == pytest.approx(0.25)


def test_crops_of_resized_photos(fit):
    crop = dict(type='RandomCrop', crop_size=(100, 100))
    assert fit([(50, 50)], dict(type='Resize', scale=(100, 100), keep_ratio=True), crop).padding == 0
    resize = dict(type='RandomResize', scale=(100, 100), ratio_range=(0.5, 2.0), keep_ratio=True)
    found = fit([(100, 100)], resize, crop)
    sides = np.minimum(np.linspace(0.5, 2, 10001), 1)
    assert found.padding == pytest.approx(1 - (sides ** 2).mean(), abs=0.15)  # 8 draws of one size
    state = np.random.get_state()[1].copy()
    assert fit([(100, 100)], resize, crop) == found
    assert (np.random.get_state()[1] == state).all()


def test_nothing_is_said_without_a_crop_or_where_a_transform_needs_more(fit):
    assert fit([(50, 50)]) is None and fit([], dict(type='RandomCrop', crop_size=(9, 9))) is None

    @TRANSFORMS.register_module(force=True)
    class NeedsMore:
        def __call__(self, results):
            return results['depth']

    assert fit([(50, 50)], dict(type='NeedsMore'), dict(type='RandomCrop', crop_size=(9, 9))) is None
    TRANSFORMS.module_dict.pop('NeedsMore')
