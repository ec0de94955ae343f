from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.registry import FUNCTIONS

from segkit.datasets import SeededDataset, bad_sample_limit, beyond_own_limit, leaves
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
    skips, share = build(bad_samples='skip'), build(indices=2, bad_samples=dict(policy='skip', limit=0.5))
    assert bad_sample_limit(skips) == 10 and bad_sample_limit(share) == 1
    assert bad_sample_limit(SeededDataset(ConcatDataset([strict, skips, share]))) == 11
    assert bad_sample_limit(RepeatDataset(skips, times=100)) == 10


def test_joined_datasets_keep_their_own_limits(voc_config):
    def build(limit, number):
        return DATASETS.build(dict(voc_config, indices=number, bad_samples=dict(policy='skip', limit=limit)))
    one, rest = build(1, 2), build(3, -1)
    paths = [one.get_data_info(i)['img_path'] for i in range(2)]
    joined = SeededDataset(ConcatDataset([one, rest]))
    assert bad_sample_limit(joined) == 4
    assert beyond_own_limit(joined, paths) == (paths, 1)
    assert beyond_own_limit(joined, [paths[0], rest.get_data_info(0)['img_path']]) is None
    assert beyond_own_limit(one, paths) is None  # one dataset: its limit is that of the whole


def test_a_dataset_joined_with_itself_may_skip_no_more(voc_config):
    def build():
        return DATASETS.build(dict(voc_config, bad_samples=dict(policy='skip', limit=1)))
    one = build()
    for other in (one, build()):
        joined = ConcatDataset([one, other])
        paths = [one.get_data_info(i)['img_path'] for i in range(2)]
        assert bad_sample_limit(joined) == 1 and beyond_own_limit(joined, paths) == (paths, 1)
