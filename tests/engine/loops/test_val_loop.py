"""ValLoop: what it leaves out, and losses that equal those of training."""
import copy
import math
import socket

import pytest
import torch

from segkit.config import load_config
from segkit.engine import SegRunner, ValLoop
from segkit.errors import ConfigError, DataError

AUX = dict(type='FCNHead', in_index=2, channels=8, num_convs=1, dropout_ratio=0.1, loss_decode=dict(
    type='CrossEntropyLoss', loss_weight=0.4, avg_non_ignore=True))


def with_loss(run, **overrides):
    """A runner with two heads that validates with losses."""
    return run(**{'val_cfg__val_loss': True, 'model__auxiliary_head': AUX, **overrides})


def by_hand(runner):
    """Each head's loss of each image as a batch, labels at their own size, averaged over the images."""
    model, sums = runner.model.eval(), {}
    loader = runner.val_loop.dataloader
    with torch.no_grad():
        for batch in loader:
            data = model.data_preprocessor(copy.deepcopy(batch), False)
            feats = model.backbone(data['inputs'])
            labels = data['data_samples'][0].gt_sem_seg.data.long()
            for name, head in (('decode', model.decode_head), ('aux', model.auxiliary_head)):
                value = head.loss(feats, labels)['loss_ce']
                sums[f'val/{name}.loss_ce'] = sums.get(f'val/{name}.loss_ce', 0) + float(value)
    return {name: value / len(loader) for name, value in sums.items()}


def test_losses_are_those_of_the_heads(run):
    runner = with_loss(run)
    metrics = runner.val()
    expected = by_hand(runner)
    assert set(expected) < set(metrics)
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, rel=1e-6)
    assert metrics['val/loss'] == pytest.approx(sum(expected.values()), rel=1e-6)


def test_scores_are_the_same_with_and_without_losses(run):
    plain, told = run(**{'model__auxiliary_head': AUX}).val(), with_loss(run, work_dir='b').val()
    assert plain == {name: value for name, value in told.items() if 'loss' not in name}


def test_batch_size_makes_no_difference(run):
    # Images of different sizes are padded in a batch, which a convolution sees at their edges; the scores say as much.
    one = with_loss(run).val()
    two = with_loss(run, work_dir='b', val_dataloader__batch_size=5).val()
    assert two['val/loss'] == pytest.approx(one['val/loss'], rel=0.02)


def test_resized_images_are_compared_with_their_whole_labels(run):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(48, 48), keep_ratio=False),
                dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    runner = with_loss(run, val_dataloader__dataset__pipeline=pipeline)
    metrics = runner.val()
    model, total = runner.model.eval(), 0.0
    with torch.no_grad():
        for batch in runner.val_loop.dataloader:
            data = model.data_preprocessor(batch, False)
            sample, = data['data_samples']
            assert data['inputs'].shape[-2:] == (48, 48) and sample.gt_sem_seg.data.shape[1:] == sample.ori_shape
            scores = model.predict_logits(data['inputs'], [sample])[0]
            logs = torch.nn.functional.cross_entropy(scores[None], sample.gt_sem_seg.data.long(), ignore_index=255,
                                                     reduction='sum')
            total += float(logs) / sample.gt_sem_seg.data.numel()
    assert metrics['val/decode.loss_ce'] == pytest.approx(total / 5, rel=1e-5)


def test_windows_are_put_together_first(run):
    # One window as large as the image, and the stride of the whole image: the same scores, so the same losses.
    whole = with_loss(run).val()
    slid = with_loss(run, work_dir='b', model__test_cfg=dict(mode='slide', crop_size=(80, 80), stride=(80, 80))).val()
    for name in ('val/loss', 'val/decode.loss_ce', 'val/aux.loss_ce'):
        assert slid[name] == pytest.approx(whole[name], rel=1e-5)


def test_network_runs_once_and_is_left_as_it_was(run):
    runner = with_loss(run)
    calls = []
    runner.model.backbone.register_forward_hook(lambda *_: calls.append(1))
    before = copy.deepcopy(runner.model.state_dict())
    first = runner.val()
    assert len(calls) == 5
    assert all(torch.equal(value, runner.model.state_dict()[key]) for key, value in before.items())
    assert runner.val_loop.run() == first  # no dropout


def test_losses_reach_log_table_and_best_weights(run, tmp_path, capsys):
    import json
    runner = with_loss(run, default_hooks__checkpoint__save_best='val/loss', default_hooks__report=dict(
        type='RunReportHook'))
    runner.train()
    folder = tmp_path / 'run'
    assert ' val/loss ' in next(line for line in capsys.readouterr().out.splitlines()
                                if line.startswith('validation at iter 3'))
    rows = [json.loads(line) for line in (folder / 'vis_data/scalars.json').read_text().splitlines()]
    losses = [row['val/loss'] for row in rows if 'val/loss' in row]
    assert len(losses) == 2
    assert 'val/loss' in (folder / 'metrics.csv').read_text().splitlines()[0].split(',')
    assert (folder / 'curves.png').exists()
    best = torch.load(folder / 'best_val_loss.pth', weights_only=True)['meta']
    assert best['best_score'] == min(losses) and best['best_name'] == 'val/loss'
    runner = run(resume=True, **{'val_cfg__val_loss': True, 'model__auxiliary_head': AUX},
                 default_hooks__checkpoint__save_best='val/loss', train_cfg__max_iters=8)
    runner.train()
    assert runner.message_hub.get_info('best_score') <= min(losses)


def test_loss_of_images_without_labels(run):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
    with pytest.raises(DataError, match='has no labels, and val_cfg.val_loss=True needs them'):
        with_loss(run, val_dataloader__dataset__pipeline=pipeline).val()


def test_model_that_cannot(run):
    runner = run()
    with pytest.raises(ConfigError, match='val_cfg.val_loss=True: Linear has no method predict_with_losses'):
        runner.model = torch.nn.Linear(1, 1)
        ValLoop(runner, runner._val_dataloader, runner._val_evaluator, val_loss=True)


def test_half_precision_on_this_device(run):
    full, half = with_loss(run).val(), with_loss(run, work_dir='b', **{'val_cfg__fp16': True}).val()
    assert half['val/loss'] != full['val/loss'] and half['val/loss'] == pytest.approx(full['val/loss'], rel=0.05)


def test_batches_without_a_sample_are_left_out(run, capsys):
    runner = run()
    seen = []
    runner.val_loop.dataloader.collate_fn = lambda samples, join=runner.val_loop.dataloader.collate_fn: (
        None if samples[0]['data_samples'].img_path.endswith('im08.jpg') else join(samples))
    runner.val_loop.run_iter = lambda idx, batch, step=runner.val_loop.run_iter: (seen.append(idx), step(idx, batch))
    assert 0 <= runner.val()['mIoU'] <= 100
    assert seen == [0, 2, 3, 4]
    assert runner.val_loop.evaluator.metrics[0].last_report.images == 4


def test_losses_that_are_not_finite():
    from segkit.engine.loops.val_loop import _mean
    assert math.isnan(_mean([1.0, float('nan')])) and math.isnan(_mean([float('inf'), -float('inf'), float('nan')]))
    assert _mean([1.0, float('inf')]) == float('inf') and _mean([1.0, 2.0]) == 1.5


def _validate(rank, port, config, work_dir):
    import os
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    torch.set_num_threads(1)
    cfg = load_config(config, {'val_cfg.val_loss': True}, say=lambda line: None)
    cfg.work_dir, cfg.launcher = str(work_dir), 'pytorch'
    metrics = SegRunner.from_cfg(cfg).val()
    if rank == 1:
        torch.save(metrics, work_dir / 'metrics')
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason='one GPU cannot serve two processes')
def test_number_of_processes_changes_no_bit(in_processes, run, tiny_config, tmp_path):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = str(s.getsockname()[1])
    torch.set_num_threads(1)
    (tmp_path / 'two').mkdir()
    in_processes(_validate, port, tiny_config, tmp_path / 'two')  # five images: three and two
    assert torch.load(tmp_path / 'two/metrics') == run(**{'val_cfg__val_loss': True}).val()
