"""The order of a dataset's transforms."""
import pytest

from segkit.datasets.pipeline import Pipeline
from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS


def test_a_transform_before_what_it_needs_is_named():
    resize = TRANSFORMS.build(dict(type='Resize', scale=(9, 9)))
    with pytest.raises(ConfigError, match="pipeline.1: Resize needs 'img', .*\nPut LoadImageFromFile before it"):
        Pipeline([lambda results: results, resize])(dict(img_path='a.jpg', seg_fields=[]))


def test_another_missing_key_stays_what_it_is():
    with pytest.raises(KeyError, match='weather'):
        Pipeline([lambda results: results['weather']])(dict(img_path='a.jpg'))
    with pytest.raises(KeyError, match='img'):
        Pipeline([lambda results: {}['img']])(dict(img='there'))  # the transform's own dict lacks it


def test_a_dropped_sample_ends_the_pipeline():
    assert Pipeline([lambda results: None, lambda results: results['img']])({}) is None
