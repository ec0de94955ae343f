"""Dicts that MMEngine, torch or the tools read."""
import inspect

from mmengine.runner import LogProcessor, Runner

from segkit.config.plain_dicts import AT, TYPES, plain_keys, priority_fault, words_at


def test_the_keys_are_those_that_mmengine_reads():
    source = inspect.getsource(Runner.setup_env)
    assert all(f"'{key}'" in source for key in AT['env_cfg',])
    assert AT['randomness',] == set(inspect.signature(Runner.set_randomness).parameters) - {'self'}
    assert AT['env_cfg', 'mp_cfg'] == {'mp_start_method', 'opencv_num_threads'}
    assert {'backend', 'timeout', 'init_method'} <= AT['env_cfg', 'dist_cfg']
    assert {'init_scale', 'growth_interval'} <= AT['optim_wrapper', 'loss_scale']
    assert 'launcher' not in AT['env_cfg', 'dist_cfg'] and 'device' not in AT['optim_wrapper', 'loss_scale']


def test_clipping_depends_on_its_type():
    place = ('optim_wrapper', 'clip_grad')
    assert {'max_norm', 'norm_type'} < plain_keys(place, {}) and 'clip_value' not in plain_keys(place, {})
    assert plain_keys(place, dict(type='value')) >= {'type', 'clip_value'}
    assert {'max_norm', 'clip_value'} < plain_keys(place, dict(type='nrm'))


def test_storage_depends_on_its_backend():
    place = ('train_dataloader', 'dataset', 'backend_args')
    assert plain_keys(place, dict(backend='local')) == {'backend'}
    assert 'path_mapping' in plain_keys(place, dict(backend='petrel')) & plain_keys(place, {})
    assert plain_keys(place, dict(backend='lmdb')) is None  # takes any keyword
    assert 'petrel' in words_at((*place, 'backend'))


def test_other_places_are_not_known():
    assert plain_keys(('model', 'env_cfg'), {}) is None and words_at(('model', 'launcher')) is None


def test_types_are_of_keys_that_are_read():
    assert all(set(types) <= AT[place] for place, types in TYPES.items() if place in AT)
    assert set(TYPES['log_processor',]) <= set(inspect.signature(LogProcessor).parameters)


def test_priorities():
    assert [priority_fault(one) for one in (0, 100, 'HIGH', 'very_low', None)] == [None] * 5
    assert 'Nearest: HIGH' in priority_fault('HIHG') and '0 (first) to 100' in priority_fault(-1)
