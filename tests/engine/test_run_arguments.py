"""What a runner is given is completed, and refused where it could only fail later."""
from segkit.engine import run_arguments


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
