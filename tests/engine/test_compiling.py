"""compile=...: which parts, that training is the same, that checkpoints and validations know nothing of it."""
import os

import pytest
import torch
from torch import nn

from segkit.engine import compiling
from segkit.errors import ConfigError


def load(path):
    return torch.load(path, weights_only=True)


class Tiny(nn.Module):

    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 1)
        self.decode_head = nn.Sequential(nn.Conv2d(4, 2, 1))
        self.auxiliary_head = nn.ModuleList([nn.Conv2d(4, 2, 1)])


@pytest.mark.parametrize('wanted, parts', [
    (None, {}), (False, {}),
    (True, dict(backbone={}, decode_head={}, auxiliary_head={})),
    (dict(backend='eager'), {name: dict(backend='eager') for name in ('backbone', 'decode_head', 'auxiliary_head')}),
    (dict(backbone=True, decode_head=False), dict(backbone={})),
    ({'decode_head.0': dict(backend='eager', dynamic=False)}, {'decode_head.0': dict(backend='eager', dynamic=False)}),
])
def test_parts_that_are_named(wanted, parts):
    assert compiling.plan(Tiny(), wanted) == parts


@pytest.mark.parametrize('wanted, words', [
    (dict(backbon=True), "the model has no part 'backbon'. Nearest: backbone.\nIts parts: backbone, decode_head"),
    (dict(backbone=True, mode='default'), "no part 'mode'"),
    (dict(backbone=dict(mod='default')), "compile.backbone: torch.compile takes no 'mod'.*\nNearest: mode"),
    (dict(backbone='default'), 'compile.backbone: expected True, False or a dict'),
    ('backbone', 'compile: expected True, False or a dict of parts'),
    (dict(backend='inducer'), "compile.backbone.backend: torch has no 'inducer'; it has .*inductor"),
])
def test_what_cannot_be_is_refused(wanted, words):
    with pytest.raises(ConfigError, match=words) as caught:
        compiling.plan(Tiny(), wanted)
    assert len(str(caught.value).splitlines()) <= 4


def test_config_of_parts_loads(tiny_config):
    from segkit.config import load_config
    parts = dict(backbone=True, decode_head=dict(mode='default'))
    assert load_config(tiny_config, {'+compile': parts}, say=lambda line: None).compile == parts
    with pytest.raises(ConfigError, match='compile.decode_head.*(mde|mode)'):
        load_config(tiny_config, {'+compile': dict(decode_head=dict(mde='default'))}, say=lambda line: None)


def test_mode_that_torch_does_not_know():
    model = Tiny()
    with pytest.raises(ConfigError, match="compile.backbone: torch.compile refuses {'mode': 'fast'}"):
        compiling.apply(compiling.plan(model, dict(backbone=dict(mode='fast'))), model, 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason='there the compiler is another')
def test_machine_without_a_compiler(monkeypatch):
    monkeypatch.setenv('PATH', '')
    monkeypatch.delenv('CXX', raising=False)
    with pytest.raises(ConfigError, match='needs the compiler (g|clang)[+][+], which was not found.\nInstall it'):
        compiling.plan(Tiny(), True)
    assert compiling.plan(Tiny(), dict(backend='aot_eager'))  # needs none


def test_every_head_of_a_list_is_compiled():
    model = Tiny()
    assert compiling.apply(compiling.plan(model, dict(backend='eager')), model, 1)[0] == [
        'backbone', 'decode_head', 'auxiliary_head']
    assert model.auxiliary_head[0]._compiled_call_impl is not None


def test_parts_with_synchronised_norms_are_left_out_in_a_distributed_run():
    model = Tiny()
    model.decode_head.append(nn.SyncBatchNorm(2))
    parts = compiling.plan(model, dict(backend='eager'))
    assert compiling.apply(parts, model, 2) == (['backbone', 'auxiliary_head'], ['decode_head'])
    assert model.decode_head._compiled_call_impl is None


def test_training_is_the_same_and_so_are_its_files(run, tmp_path, capsys):
    run('plain').train()
    capsys.readouterr()
    runner = run('compiled', **{'+compile': dict(backend='eager')})
    runner.train()
    out = capsys.readouterr().out
    assert 'compile: backbone, decode_head; the first iterations take longer' in out
    assert runner.model.backbone._compiled_call_impl is not None
    assert not hasattr(runner.model.train_step, '_torchdynamo_orig_callable')  # MMEngine's own `compile`
    plain, compiled = (load(tmp_path / name / 'iter_6.pth') for name in ('plain', 'compiled'))
    assert list(plain['state_dict']) == list(compiled['state_dict'])
    for key, value in plain['state_dict'].items():
        assert torch.equal(value, compiled['state_dict'][key]), key


def test_resume_with_and_without(run, tmp_path):
    compiled = {'+compile': dict(backend='eager')}
    run('whole').train()
    run('parts', train_cfg__max_iters=6, default_hooks__checkpoint__save_last=False,
        default_hooks__checkpoint__interval=4, **compiled).train()
    run('parts', resume=True).train()
    for key, value in load(tmp_path / 'whole/iter_6.pth')['state_dict'].items():
        assert torch.equal(value, load(tmp_path / 'parts/iter_6.pth')['state_dict'][key]), key


def test_validations_compile_nothing(run):
    import torch._dynamo
    torch._dynamo.reset()
    runner = run(**{'+compile': dict(backend='eager')}, train_cfg__max_iters=4, train_cfg__val_interval=2)
    compiled_in = []
    torch._dynamo.utils.counters.clear()
    frames = torch._dynamo.utils.counters['stats']
    validate = runner.val_loop.run_iter

    def counted(*args, **kwargs):
        before = frames['unique_graphs']
        validate(*args, **kwargs)
        compiled_in.append(frames['unique_graphs'] - before)

    runner.val_loop.run_iter = counted
    runner.train()
    assert len(compiled_in) == 10 and not any(compiled_in)  # five sizes, twice
    assert frames['unique_graphs'] > 0  # training did


def test_error_inside_the_compiler_comes_with_a_remedy(run):
    def broken(graph, inputs):
        raise RuntimeError('no registers left')

    runner = run()
    runner.cfg['compile'] = dict(backbone=dict(backend=broken))
    with pytest.raises(ConfigError, match='compile: torch could not compile the model: .*no registers left'):
        runner.train()


@pytest.mark.slow
def test_inductor(run, tmp_path):
    """The real compiler: the same training to float tolerance, and a resumed run ends as the uninterrupted one."""
    os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', str(tmp_path / 'cache'))
    compiled = {'+compile': dict(decode_head=True), 'default_hooks__checkpoint__max_keep_ckpts': -1}
    run('plain').train()
    run('whole', **compiled).train()
    (tmp_path / 'parts').mkdir()
    resumed = run('parts', resume=True, load_from=str(tmp_path / 'whole/iter_4.pth'), **compiled)
    resumed.train()
    plain, whole, parts = (load(tmp_path / name / 'iter_6.pth')['state_dict'] for name in ('plain', 'whole', 'parts'))
    for key, value in whole.items():
        assert torch.equal(value, parts[key]), key
        assert torch.allclose(value.float(), plain[key].float(), rtol=1e-3, atol=1e-4), key
