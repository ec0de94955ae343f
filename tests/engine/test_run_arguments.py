"""What a runner is given is completed, and refused where it could only fail later."""
from types import SimpleNamespace

import pytest

from segkit.engine import run_arguments
from segkit.errors import ConfigError


def data(*classes):
    return SimpleNamespace(metainfo=dict(classes=classes) if classes else {})


@pytest.mark.parametrize('ours, channels, dataset', [
    (3, 3, data('a', 'b', 'c')),
    (1, 1, data('a', 'b')),  # one sigmoid, two classes
    (2, 1, data('a', 'b')),
    (9, 9, data()),  # a dataset that names no classes
    (9, 9, object()),
])
def test_number_of_classes_that_fits(ours, channels, dataset):
    head = SimpleNamespace(num_classes=ours, out_channels=channels)
    run_arguments.check_num_classes(SimpleNamespace(decode_head=head), dataset, 'train')
    run_arguments.check_num_classes(SimpleNamespace(), dataset, 'train')  # a model that does not say


@pytest.mark.parametrize('ours, channels, named', [(2, 2, 3), (4, 4, 3), (21, 21, 3), (1, 1, 3), (2, 2, 1)])
def test_number_of_classes_that_does_not_fit(ours, channels, named):
    head = SimpleNamespace(num_classes=ours, out_channels=channels)
    words = f'num_classes is {ours}, but the dataset of val_dataloader has {named} class'
    with pytest.raises(ConfigError, match=words):
        run_arguments.check_num_classes(SimpleNamespace(decode_head=head), data(*'abc'[:named]), 'val')


def hooks_of(**given):
    return run_arguments.complete(dict(work_dir='w', **given))['default_hooks']


def test_report_is_written_where_the_config_does_not_name_it():
    assert hooks_of()['report'] == dict(type='RunReportHook')
    assert 'timer' in hooks_of(default_hooks=dict(timer=None))
    assert 'report' not in hooks_of(default_hooks=dict(report=None))
    assert 'report' not in hooks_of(custom_hooks=[dict(type='RunReportHook')])
    assert 'report' not in hooks_of(visualizer=dict(type='Visualizer'))
    assert 'report' in hooks_of(visualizer=dict(type='SegLocalVisualizer'))


def test_hooks_that_every_run_has():
    for name, hook in run_arguments.OTHERS.items():
        assert hooks_of()[name] == hook
        assert name not in hooks_of(default_hooks={name: None})
        assert name not in hooks_of(custom_hooks=[dict(hook)])
        assert list(hooks_of(default_hooks=dict(mine=dict(hook)))).count(name) == 0
