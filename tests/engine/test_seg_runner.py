"""SegRunner: what a run writes and says, and that a resumed run is the uninterrupted one."""
import json
import shutil

import pytest
import torch

from segkit.checkpoint import write_atomic
from segkit.errors import CheckpointError, ConfigError, SegkitError


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


def test_run_folder_and_checkpoints(run, tmp_path, capsys):
    run().train()
    folder = tmp_path / 'run'
    lines = capsys.readouterr().out.splitlines()
    first_step = next(i for i, line in enumerate(lines) if line.startswith('iter '))
    assert first_step <= 30
    assert {p.name for p in folder.glob('*.pth')} == {'iter_4.pth', 'iter_6.pth', 'best_mIoU.pth'}
    assert (folder / 'last_checkpoint').read_text() == str(folder / 'iter_6.pth')
    assert 'torch: ' in (folder / 'environment.txt').read_text()
    assert {p.name for p in folder.iterdir()} == {
        *(name + end for name in ('iter_4.pth', 'iter_6.pth', 'best_mIoU.pth') for end in ('', '.sha256')),
        'last_checkpoint', 'environment.txt', 'config.py', 'train.log', 'vis_data'}

    # Loading without any allow-list shows that a file of ours holds plain data only.
    full = torch.load(folder / 'iter_6.pth', weights_only=True)
    best = torch.load(folder / 'best_mIoU.pth', weights_only=True)
    assert set(full) == {'meta', 'state_dict', 'optimizer', 'message_hub', 'param_schedulers'}
    assert set(best) == {'meta', 'state_dict'}
    assert full['meta']['dataset_meta']['classes'] == ['ground', 'green', 'red']
    assert full['meta']['dataset_meta']['palette'][1] == [0, 200, 0]
    assert full['meta']['preprocessing']['mean'] == [120.0] * 3
    assert (full['meta']['iter'], full['meta']['seed'], full['meta']['total_batch']) == (6, 0, 2)
    assert json.loads(full['meta']['config_json'])['train_cfg']['max_iters'] == 6
    assert best['meta']['best_name'] == 'mIoU'
    assert best['meta']['iter'] in (3, 6)

    numbers = [json.loads(line) for line in (folder / 'vis_data/scalars.json').read_text().splitlines()]
    assert [row['step'] for row in numbers if 'loss' in row] == [2, 4, 6]
    assert [row['step'] for row in numbers if 'mIoU' in row] == [3, 6]


def test_config_that_names_no_report_leaves_one(tiny_config, tmp_path):
    from segkit.config import load_config
    from segkit.engine import SegRunner
    tiny_config.write_text(tiny_config.read_text() + "del default_hooks['report'], visualizer\n")
    cfg = load_config(tiny_config, {'train_cfg.max_iters': 2}, say=lambda line: None)
    cfg.work_dir = str(tmp_path / 'run')
    SegRunner.from_cfg(cfg).train()
    assert {p.name for p in (tmp_path / 'run').iterdir()} >= {
        'metrics.csv', 'curves.png', 'per_class.csv', 'confusion_matrix.png', 'train_samples.jpg', 'worst.jpg'}


def test_saved_config_gives_the_same_run(run, tmp_path):
    from segkit.config import load_config
    from segkit.engine import SegRunner
    run().train()
    cfg = load_config(tmp_path / 'run/config.py', say=lambda line: None)
    cfg.work_dir = str(tmp_path / 'again')
    SegRunner.from_cfg(cfg).train()
    assert_same(weights(tmp_path / 'run/iter_6.pth'), weights(tmp_path / 'again/iter_6.pth'))


@pytest.mark.parametrize('stopped_at', [2, 4])
def test_resumed_run_ends_with_the_same_weights(run, tmp_path, stopped_at):
    # With dropout, with a validation before and behind the place where it stopped, one draw of each sort before.
    run(default_hooks__checkpoint__max_keep_ckpts=-1).train()
    folder, stopped = tmp_path / 'run', tmp_path / 'stopped'
    stopped.mkdir()
    shutil.copy(folder / f'iter_{stopped_at}.pth', stopped)
    runner = run('stopped', resume=True)
    batches = []
    runner.call_hook_of_test = runner.call_hook

    def spy(name, **kwargs):
        if name == 'before_train_iter':
            batches.append(kwargs['batch_idx'])
        runner.call_hook_of_test(name, **kwargs)

    runner.call_hook = spy
    runner.train()
    assert batches == list(range(stopped_at, 6))
    assert_same(weights(folder / 'iter_6.pth'), weights(stopped / 'iter_6.pth'))
    full, again = (torch.load(p / 'iter_6.pth', weights_only=True)['optimizer']['state'] for p in (folder, stopped))
    assert all(torch.equal(full[i]['momentum_buffer'], again[i]['momentum_buffer']) for i in full)


def test_workers_make_no_difference(run, tmp_path):
    run(train_cfg__max_iters=3).train()
    run('two', train_cfg__max_iters=3, train_dataloader__num_workers=2).train()
    assert_same(weights(tmp_path / 'run/iter_3.pth'), weights(tmp_path / 'two/iter_3.pth'))


def test_resume_reads_no_sample_twice(run, tmp_path):
    run(train_cfg__max_iters=4).train()
    runner = run(resume=True)
    seen = []
    runner.train_dataloader.dataset.dataset.pipeline.transforms.insert(0, lambda d: seen.append(d['img_path']) or d)
    runner.train()
    assert len(seen) == 4  # iterations 5 and 6, two images each


def test_total_batch_of_the_checkpoint_is_kept(run, tmp_path):
    run(train_cfg__max_iters=2).train()
    with pytest.raises(CheckpointError, match='x 2 images x 1 accumulated, this run has 1 process x 3 images'):
        run(resume=True, train_dataloader__batch_size=3).train()


def test_nothing_to_resume(run):
    with pytest.raises(ConfigError, match='no checkpoint in .*\nGive the folder'):
        run('empty', resume=True).train()


def test_weights_alone_cannot_be_resumed(run, tmp_path):
    run(train_cfg__max_iters=3).train()
    with pytest.raises(CheckpointError, match='holds weights only'):
        run(resume=True, load_from=str(tmp_path / 'run/best_mIoU.pth')).train()


def test_moved_folder_is_resumed(run, tmp_path):
    run(train_cfg__max_iters=2).train()
    (tmp_path / 'run').rename(tmp_path / 'moved')
    runner = run('moved', resume=True)
    runner.train()
    assert runner.iter == 6


def test_other_class_count_is_said_in_words(run, tmp_path):
    run(train_cfg__max_iters=2).train()
    four = dict(classes=('ground', 'green', 'red', 'blue'), palette=[[i] * 3 for i in range(4)])
    with pytest.raises(CheckpointError, match='3 classes, the model 4') as caught:
        run('other', load_from=str(tmp_path / 'run/iter_2.pth'), model__num_classes=4,
            train_dataloader__dataset__metainfo=four, val_dataloader__dataset__metainfo=four).train()
    assert len(str(caught.value).splitlines()) <= 4


def test_other_class_names_stop_a_test_but_not_fine_tuning(run, tmp_path):
    run(train_cfg__max_iters=2).train()
    path = tmp_path / 'run/iter_2.pth'
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['meta']['dataset_meta']['classes'] = ['ground', 'Green ', 'sky']
    write_atomic(checkpoint, tmp_path / 'sky.pth')
    tested = run('tested', load_from=str(tmp_path / 'sky.pth'))
    with pytest.raises(CheckpointError, match="Class 2 is 'sky' in .* and 'red' in the dataset"):
        tested.val()
    tuned = run('tuned', load_from=str(tmp_path / 'sky.pth'), train_cfg__max_iters=1)
    tuned.train()
    assert tuned.iter == 1


def test_resume_needs_no_pretrained_weights(run, tmp_path):
    run(train_cfg__max_iters=2).train()
    missing = dict(type='Pretrained', checkpoint=str(tmp_path / 'gone.pth'))
    runner = run(resume=True, **{'+model__backbone__init_cfg': missing})
    runner.train()
    assert runner.iter == 6


def test_epoch_based_training(run, tmp_path):
    runner = run(train_cfg=dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=2, val_interval=1),
                 train_dataloader__sampler__type='DefaultSampler',
                 param_scheduler=[dict(type='PolyLR', by_epoch=True, power=0.9)],
                 log_processor__by_epoch=True, default_hooks__checkpoint__by_epoch=True,
                 default_hooks__checkpoint__interval=1)
    runner.train()
    assert runner.iter == 2 * 3  # 7 images: the odd last one is left out
    assert {p.name for p in (tmp_path / 'run').glob('*.pth')} == {'epoch_1.pth', 'epoch_2.pth', 'best_mIoU.pth'}
    assert runner.param_schedulers[0].end == 2


def test_poly_ends_with_the_training(run):
    runner = run()
    seen = []
    runner.register_hook(_Rates(seen))
    runner.train()
    # MMEngine's form: 1 - i / (N - 1), the last one eta_min; the head has ten times the rate until eta_min counts.
    expected = [(0.01 - 1e-4) * (1 - i / 5)**0.9 + 1e-4 for i in range(6)]
    assert [min(rates) for rates in seen] == pytest.approx(expected)
    assert [max(rates) for rates in seen] == pytest.approx([(0.1 - 1e-4) * (1 - i / 5)**0.9 + 1e-4 for i in range(6)])


def test_every_image_is_evaluated_once_and_protocol_is_told(run, capsys):
    run(val_dataloader__batch_size=2).val()
    out = capsys.readouterr().out
    assert 'protocol: 5 images' in out
    assert 'split: val.txt; resize: none; test-time augmentation: none; output stride: 16' in out


def test_tensorboard_that_is_not_installed(run, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name, *rest: None)
    with pytest.raises(ConfigError, match='pip install tensorboard'):
        run(visualizer__vis_backends=[dict(type='TensorboardVisBackend')])


def test_config_that_yapf_cannot_format(run, tmp_path, monkeypatch):
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda *a, **k: 1 / 0, raising=False)
    run(train_cfg__max_iters=1).train()
    from segkit.config import load_config
    assert load_config(tmp_path / 'run/config.py', say=lambda line: None).train_cfg.max_iters == 1


def test_torchvision_that_cannot_be_imported(run, monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    run(train_cfg__max_iters=1).train()


def test_mmengine_is_quiet_on_the_console_and_in_the_log(run, tmp_path, capsys):
    run(train_cfg__max_iters=1).train()
    out, log = capsys.readouterr().out, (tmp_path / 'run/train.log').read_text()
    assert 'paramwise_options' not in out + log
    assert 'Initialized by' not in log
    assert '\r' not in out


def test_seed_zero_is_the_default(run, tmp_path):
    assert run().seed == 0
    assert run(randomness=dict(seed=7)).seed == 7


def test_checkpoint_of_mmengine_is_resumed(run, tmp_path):
    """Their files hold the log as HistoryBuffer objects, the reason for the allow-list."""
    from mmengine.logging import HistoryBuffer
    run(train_cfg__max_iters=2).train()
    path = tmp_path / 'run/iter_2.pth'
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['message_hub']['log_scalars'] = {'train/loss': HistoryBuffer([1.5, 2.5], [1, 1])}
    del checkpoint['meta']['total_batch']
    write_atomic(checkpoint, path)
    runner = run(resume=True)
    runner.train()
    assert runner.message_hub.get_scalar('train/loss').data[0][:2].tolist() == [1.5, 2.5]


class _Rates:

    def __new__(cls, seen):
        from mmengine.hooks import Hook

        class Rates(Hook):

            def before_train_iter(self, runner, batch_idx, data_batch=None):
                seen.append([group['lr'] for group in runner.optim_wrapper.param_groups])

        return Rates()


def test_validation_that_was_broken_off_is_done_when_the_run_is_resumed(run, tmp_path):
    whole, broken = run('whole'), run('broken')
    whole.train()

    def killed():
        if broken.iter == 6:
            raise KeyboardInterrupt
        validate()

    broken.val_loop  # built by asking for it
    validate, broken.val_loop.run = broken.val_loop.run, killed
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    run('broken', resume=True).train()

    def scores(folder):
        rows = [json.loads(line) for line in (tmp_path / folder / 'vis_data/scalars.json').read_text().splitlines()]
        return [(row['step'], row['mIoU']) for row in rows if 'mIoU' in row]

    assert [step for step, _ in scores('broken')] == [3, 6]
    assert scores('broken') == scores('whole')
    run('broken', resume=True).train()  # and only once
    assert scores('broken') == scores('whole')


def test_memory_that_is_not_there_comes_with_a_remedy(run):
    runner = run()
    runner.model.train_step = lambda data, optim_wrapper: torch.zeros(10**14)
    with pytest.raises(SegkitError, match='^out of memory: .*\n.*train_dataloader.batch_size') as caught:
        runner.train()
    assert len(str(caught.value).splitlines()) <= 4
    runner.model.train_step = lambda data, optim_wrapper: torch.zeros(2) @ torch.zeros(3)
    with pytest.raises(RuntimeError, match='size'):  # any other error stays what it is
        runner.train()
