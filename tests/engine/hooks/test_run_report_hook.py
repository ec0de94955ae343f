"""RunReportHook with a runner reduced to what it reads."""
import csv
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.structures import PixelData

import segkit.visualization  # noqa: F401  registers the visualizer
from segkit.engine.hooks.run_report_hook import RunReportHook
from segkit.errors import ConfigError
from segkit.registry import HOOKS, METRICS, MODELS, VISUALIZERS
from segkit.structures import SegDataSample

META = dict(classes=('background', 'cat', 'dog'), palette=[(0, 0, 0), (200, 10, 0), (0, 10, 200)])
PREPROCESSOR = dict(type='SegDataPreProcessor', mean=[120, 110, 100], std=[50, 60, 70], bgr_to_rgb=True, size=(40, 48))
VALIDATION_FILES = ['curves.png', 'per_class.csv', 'per_class.md', 'confusion_matrix.csv', 'confusion_matrix.png',
                    'confusion_matrix_normalized.png', 'iou_bars.png', 'val_predictions.jpg', 'worst.jpg']


class Loop:
    """A validation: photos, labels and predictions, one image a batch."""

    def __init__(self, folder: Path, number: int) -> None:
        rng = np.random.default_rng(0)
        self.metric = METRICS.build(dict(type='IoUMetric', iou_metrics=['mIoU', 'mFscore']))
        self.metric.dataset_meta = META
        self.evaluator = SimpleNamespace(metrics=[self.metric])
        self.samples = []
        for k in range(number):
            path = folder / f'photo{k:02d}.jpg'
            cv2.imwrite(str(path), rng.integers(0, 256, (40, 50, 3)).astype(np.uint8))
            label = torch.from_numpy(rng.integers(0, 3, (1, 40, 50)).astype(np.uint8))
            prediction = label.clone()
            prediction[0, :k] = 0
            label[0, -3:] = 255
            sample = SegDataSample(metainfo=dict(img_path=str(path), ori_shape=(40, 50)))
            sample.gt_sem_seg, sample.pred_sem_seg = PixelData(data=label), PixelData(data=prediction)
            self.samples.append(sample)

    def __len__(self) -> int:
        return len(self.samples)


def make_runner(tmp_path: Path, start: int = 0, number: int = 20) -> SimpleNamespace:
    photos = tmp_path / 'photos'
    photos.mkdir(exist_ok=True)
    loop = Loop(photos, number)
    visualizer = VISUALIZERS.build(dict(type='SegLocalVisualizer', name=f'{tmp_path}-{start}'))
    visualizer.dataset_meta = META
    runner = SimpleNamespace(
        work_dir=str(tmp_path / 'run'), test_dir=str(tmp_path / 'run/test'),
        iter=start, max_iters=45, log_interval=10, seed=0, visualizer=visualizer,
        message_hub=MessageHub(f'{tmp_path}-{start}'), val_loop=loop, val_dataloader=loop, test_loop=loop,
        test_dataloader=loop, optim_wrapper=SimpleNamespace(param_groups=[dict(lr=0.01)]),
        model=SimpleNamespace(data_preprocessor=MODELS.build(PREPROCESSOR)))
    runner.is_logged_iter = lambda: (runner.iter + 1) % 10 == 0 or runner.iter + 1 == runner.max_iters
    return runner


def train(hook: RunReportHook, runner: SimpleNamespace, until: int, loss=lambda done: 100.0 / done) -> None:
    rng = np.random.default_rng(0)
    while runner.iter < until:
        batch = dict(inputs=torch.from_numpy(rng.integers(0, 256, (4, 3, 32, 32)).astype(np.uint8)),
                     labels=torch.from_numpy(rng.integers(0, 3, (4, 32, 32)).astype(np.uint8)))
        hook.before_train_iter(runner, runner.iter, batch)
        runner.message_hub.update_scalar('train/lr', 0.01)
        runner.message_hub.update_scalar('train/base_lr', 0.01)
        runner.message_hub.update_scalar('train/loss', loss(runner.iter + 1))
        hook.after_train_iter(runner, runner.iter, batch, {})
        runner.iter += 1


def validate(hook: RunReportHook, runner: SimpleNamespace, kind: str = 'val') -> dict:
    loop = runner.val_loop
    getattr(hook, f'before_{kind}_epoch')(runner)
    for idx, sample in enumerate(loop.samples):
        loop.metric.process({}, [sample])
        getattr(hook, f'after_{kind}_iter')(runner, batch_idx=idx, data_batch={}, outputs=[sample])
    metrics = loop.metric.evaluate(len(loop))
    getattr(hook, f'after_{kind}_epoch')(runner, metrics=metrics)
    return metrics


def rows(runner: SimpleNamespace) -> list[dict]:
    return list(csv.DictReader(Path(runner.work_dir, 'metrics.csv').read_text().splitlines()))


@pytest.fixture
def hook() -> RunReportHook:
    return HOOKS.build(dict(type='RunReportHook'))


def test_a_run_leaves_its_folder(tmp_path, hook):
    runner = make_runner(tmp_path)
    hook.before_run(runner)
    hook.before_train(runner)
    train(hook, runner, 45)
    assert Path(runner.work_dir, 'train_samples.jpg').exists(), 'before the first validation'
    metrics = validate(hook, runner)
    hook.after_train(runner)
    names = sorted(path.name for path in Path(runner.work_dir).iterdir())
    assert names == sorted([*VALIDATION_FILES, 'metrics.csv', 'train_samples.jpg'])
    for name in names:
        if name.endswith(('png', 'jpg')):
            assert cv2.imread(str(Path(runner.work_dir, name))).std() > 5, name
    written = rows(runner)
    assert [row['iter'] for row in written] == ['10', '20', '30', '40', '45']
    assert list(written[0])[:3] == ['iter', 'lr', 'loss'] and written[0]['lr'] == '0.01'
    assert float(written[0]['loss']) == pytest.approx(np.mean([100 / k for k in range(1, 11)]), rel=1e-5)
    assert float(written[-1]['loss']) == pytest.approx(np.mean([100 / k for k in range(41, 46)]), rel=1e-5)
    assert float(written[-1]['mIoU']) == pytest.approx(metrics['mIoU'], rel=1e-5) and written[0]['mIoU'] == ''
    assert '# Validation at iteration 45' in Path(runner.work_dir, 'per_class.md').read_text()


def test_resume_after_a_kill_goes_on_in_the_table(tmp_path, hook):
    runner = make_runner(tmp_path)
    hook.before_train(runner)
    train(hook, runner, 40, loss=lambda done: 1.0 if done <= 20 else 99.0)  # killed; the checkpoint is of 20
    again, second = make_runner(tmp_path, start=20), HOOKS.build(dict(type='RunReportHook'))
    second.before_train(again)
    train(second, again, 45, loss=lambda done: 1.0)
    assert [row['iter'] for row in rows(again)] == ['10', '20', '30', '40', '45']
    assert {row['loss'] for row in rows(again)} == {'1'}


def test_every_learning_rate_is_recorded_and_drawn(tmp_path, hook):
    runner = make_runner(tmp_path)
    runner.optim_wrapper.param_groups = [
        dict(lr=0.01 * k, initial_lr=0.02 * k) for k in (1, 10, 2, 10, 1)]  # half-way down the schedule
    hook.before_train(runner)
    train(hook, runner, 20)
    assert {name: float(value) for name, value in rows(runner)[0].items() if name.startswith('lr')} == {
        'lr': 0.01, 'lr_x2': 0.02, 'lr_x10': 0.1}
    hook._table.add(20, {'mIoU': 50.0})
    assert {name: values for name, (_, values) in hook._panels({'mIoU': 50.0})['learning rate'].items()} == {
        'lr': [0.01, 0.01], 'lr_x2': [0.02, 0.02], 'lr_x10': [0.1, 0.1]}


def test_training_samples_are_what_the_network_sees(tmp_path, hook):
    runner = make_runner(tmp_path)
    seen = []
    runner.visualizer = SimpleNamespace(
        draw_samples_mosaic=lambda samples, heading: seen.append(samples) or np.zeros((4, 4, 3), np.uint8))
    inputs = torch.zeros(20, 3, 8, 8, dtype=torch.uint8)
    inputs[:, 0] = 250  # blue, as OpenCV reads
    labels = torch.arange(8, dtype=torch.uint8).expand(20, 8, 8)
    samples = [SegDataSample(metainfo=dict(img_shape=(6, 8))) for _ in range(20)]
    for number in range(2):
        hook.before_train_iter(runner, number, dict(inputs=inputs, labels=labels, data_samples=samples))
    assert len(seen) == 1 and len(seen[0]) == 16
    image, label = seen[0][0]
    assert image.shape == (40, 48, 3) and image[0, 0].tolist() == [0, 0, 250] and label[0, :8].tolist() == [*range(8)]
    for y, x in ((7, 0), (0, 8), (39, 47)):  # padding is 0 after normalising: the mean colour, not black
        assert image[y, x].tolist() == [120, 110, 100] and label[y, x] == 255


def test_a_preprocessor_of_one_s_own_costs_the_picture_only(tmp_path, hook):
    runner = make_runner(tmp_path)
    runner.model.data_preprocessor = lambda batch, training: batch
    hook.before_train(runner)
    train(hook, runner, 45)
    assert [path.name for path in Path(runner.work_dir).iterdir()] == ['metrics.csv']


def test_validation_samples_are_spread_and_renewed(tmp_path, hook):
    runner = make_runner(tmp_path)
    for _ in range(2):
        hook.before_val_epoch(runner)
        for idx, sample in enumerate(runner.val_loop.samples):
            hook.after_val_iter(runner, idx, {}, [sample])
        assert [Path(path).stem for path, *_ in hook._val_samples] == [
            f'photo{k:02d}' for k in (0, 2, 5, 7, 10, 12, 15, 17)]


def test_few_large_batches_give_as_many_samples(tmp_path, hook):
    runner = make_runner(tmp_path)
    runner.val_dataloader = [None] * 2
    hook.before_val_epoch(runner)
    for idx in range(2):
        hook.after_val_iter(runner, idx, {}, runner.val_loop.samples[10 * idx:10 * idx + 10])
    assert [Path(path).stem for path, *_ in hook._val_samples] == [
        f'photo{k:02d}' for k in (0, 1, 2, 3, 10, 11, 12, 13)]


def test_a_test_writes_into_its_own_folder(tmp_path, hook):
    runner = make_runner(tmp_path)
    validate(hook, runner, 'test')
    names = {path.name for path in Path(runner.work_dir, 'test').iterdir()}
    assert names == {*VALIDATION_FILES, 'predictions.jpg'} - {'curves.png', 'val_predictions.jpg'}
    assert [path.name for path in Path(runner.work_dir).iterdir()] == ['test']


def test_validation_without_training_needs_no_table(tmp_path, hook):
    runner = make_runner(tmp_path)
    validate(hook, runner)
    assert not Path(runner.work_dir, 'metrics.csv').exists() and Path(runner.work_dir, 'worst.jpg').exists()


def test_predictions_only(tmp_path, hook):
    runner = make_runner(tmp_path)
    runner.test_loop.metric.last_report = None
    for sample in runner.test_loop.samples:
        del sample.gt_sem_seg
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, {}, runner.test_loop.samples[:1])
    hook.after_test_epoch(runner, metrics={})
    assert not Path(runner.work_dir).exists()


def test_a_visualizer_that_cannot_draw_is_an_error(hook):
    with pytest.raises(ConfigError, match='SegLocalVisualizer'):
        hook.before_run(SimpleNamespace(visualizer=object()))


def test_only_the_main_process_writes(tmp_path, hook, monkeypatch):
    monkeypatch.setattr('mmengine.dist.utils.get_rank', lambda group=None: 1)
    runner = make_runner(tmp_path)
    hook.before_train(runner)
    train(hook, runner, 45)
    validate(hook, runner)
    hook.after_train(runner)
    assert not Path(runner.work_dir).exists()
