"""What is done to labels, compared between the parts that read and write them."""
import pytest

from segkit.engine.checks.config_parts import datasets_of, heads_of, metrics_of
from segkit.engine.checks.label_checks import check_dataset, check_metric, check_sides, check_training
from segkit.errors import ConfigError

CLASSES = dict(classes=('a', 'b', 'c'))


def sides(train: dict, val: dict) -> dict:
    return {f'{split}_dataloader': dict(dataset=dict(dict(type='BaseSegDataset', metainfo=CLASSES), **own))
            for split, own in (('train', train), ('val', val))}


def loading(**keys) -> dict:
    return dict(pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', **keys)])


@pytest.mark.parametrize('train, val, words', [
    (dict(reduce_zero_label=True), {}, 'train_dataloader.dataset.reduce_zero_label is True, val_dataloader.dataset.'),
    ({}, dict(label_map={0: 1}), 'label_map is None, val_dataloader.dataset.label_map is {0: 1}'),
    (loading(color_map={(1, 2, 3): 0}), loading(), 'LoadAnnotations.color_map is {(1, 2, 3): 0}'),
])
def test_labels_that_only_one_side_changes_are_one_line(train, val, words):
    lines = check_sides(sides(train, val))
    assert len(lines) == 1 and words in lines[0]


@pytest.mark.parametrize('both', [
    {}, dict(reduce_zero_label=True), dict(label_map={0: 1}), loading(color_map={(1, 2, 3): 0})])
def test_labels_that_both_sides_change_alike_are_not_said(both):
    assert check_sides(sides(both, both)) == []
    assert check_sides(sides(dict(reduce_zero_label=False), {})) == []
    assert check_sides({'train_dataloader': sides(both, {})['train_dataloader']}) == []


def test_a_label_map_leads_to_a_class_or_void():
    for label_map in ({0: 2}, {0: 255}):
        check_dataset(datasets_of(sides(dict(label_map=label_map), {}), 'train')[0])
    with pytest.raises(ConfigError, match='0 becomes 3, which is neither one of 3 classes'):
        check_dataset(datasets_of(sides(dict(label_map={0: 3}), {}), 'train')[0])


def test_void_is_one_label_in_data_head_and_metric():
    heads = heads_of(dict(num_classes=3, ignore_index=254, decode_head=dict(type='FCNHead')))
    assert check_training(sides(dict(ignore_index=254), {}), heads) == []
    with pytest.raises(ConfigError, match='ignore_index is 255, but model.ignore_index is 254'):
        check_training(sides({}, {}), heads)
    dataset = datasets_of(sides({}, {}), 'val')[0]

    def metric(void):
        return metrics_of(dict(val_evaluator=dict(type='IoUMetric', ignore_index=void)), 'val')[0]
    assert check_metric(dataset, metric(255)) == []
    assert 'class 1 (b) is not scored' in check_metric(dataset, metric(1))[0]
    with pytest.raises(ConfigError, match='would stop at the first void pixel'):
        check_metric(dataset, metric(254))
