from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.registry import FUNCTIONS

from segkit.datasets import SeededDataset, bad_sample_limit, leaves
from segkit.registry import DATASETS


def test_datasets_inside_wrappers(voc_config):
    one, two = DATASETS.build(voc_config), DATASETS.build(voc_config)
    assert list(leaves(SeededDataset(ConcatDataset([one, two])))) == [one, two]
    assert list(leaves(RepeatDataset(one, times=3))) == [one]
    assert list(leaves(range(4))) == []


def test_limits_of_those_that_skip_add_up(voc_config):
    def build(**kwargs):
        return DATASETS.build(dict(voc_config, **kwargs))
    strict = build()
    assert FUNCTIONS.get('bad_sample_limit')(strict) is None and bad_sample_limit(range(3)) is None
    skips, share = build(bad_samples='skip'), build(bad_samples=dict(policy='skip', limit=0.5))
    assert bad_sample_limit(skips) == 10 and bad_sample_limit(share) == 2
    assert bad_sample_limit(SeededDataset(ConcatDataset([strict, skips, share]))) == 12
    assert bad_sample_limit(RepeatDataset(skips, times=100)) == 10
