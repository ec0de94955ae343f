"""The run folder's tables and pictures, renewed at each validation."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import cv2
import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.fileio import get
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from segkit.engine.run_folder import MetricsTable, write_bytes, write_confusion, write_picture
from segkit.engine.run_state import interval_numbers
from segkit.errors import ConfigError
from segkit.registry import HOOKS

LONGEST_KEPT = 512


@HOOKS.register_module()
class RunReportHook(Hook):
    """Leaves in the work folder what a person wants to see of a run.

    While training: ``metrics.csv`` (a row for each logged or validated iteration) and ``train_samples.jpg`` (the first
    batches as the preprocessor gives them to the network, labels over them). At each validation: ``curves.png``,
    ``per_class.csv`` and ``.md``, ``confusion_matrix.csv`` and ``.png``, ``confusion_matrix_normalized.png``,
    ``iou_bars.png``, ``val_predictions.jpg`` (photo, label, prediction, error) and ``worst.jpg``. A test writes its own
    into ``test/``.
    A resumed run goes on in ``metrics.csv`` where its checkpoint was saved: no iteration is missing or there twice.

    Reference: the run folder of ultralytics, whose idea this is. Different from it: renewed while the run goes on,
    one row per iteration after a resume, and the worst images are shown.

    Args:
        num_train_samples: Pictures on ``train_samples.jpg``.
        num_val_samples: Rows of ``val_predictions.jpg``, spread over the dataset.
        backend_args: As MMEngine's file backends take them; used to read the photos again.

    Raises:
        ConfigError: If the run's visualizer cannot draw the pictures.
    """

    # Before the checkpoint hook (VERY_LOW): a checkpoint must never know an iteration whose row is not written.
    priority = 'BELOW_NORMAL'

    def __init__(self,
                 num_train_samples: int = 16,
                 num_val_samples: int = 8,
                 backend_args: Optional[dict] = None) -> None:
        self.num_train_samples = num_train_samples
        self.num_val_samples = num_val_samples
        self.backend_args = backend_args
        self._table: Optional[MetricsTable] = None
        self._train_samples: Optional[list] = []
        self._val_samples: list[tuple] = []

    def before_run(self, runner: Any) -> None:
        """Check the visualizer."""
        if not hasattr(runner.visualizer, 'draw_predictions_mosaic'):
            raise ConfigError(f'visualizer.type: RunReportHook draws with SegLocalVisualizer or a subclass, '
                              f'got {type(runner.visualizer).__name__}.\n'
                              "Set visualizer.type='SegLocalVisualizer', or default_hooks.report=None.")

    @master_only
    def before_train(self, runner: Any) -> None:
        """Open the table, at the place where a resumed run stopped."""
        self._table = MetricsTable(Path(runner.work_dir, 'metrics.csv'), resumed_at=runner.iter)

    @master_only
    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Optional[dict] = None) -> None:
        """Collect the first training samples.

        Args:
            runner: The runner.
            batch_idx: Number of the batch.
            data_batch: What the model's preprocessor takes.
        """
        if self._train_samples is None:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(model.data_preprocessor, 'restore'):  # one of a user's own, whose colours nobody can tell
            self._train_samples = None
            return
        with torch.no_grad():
            seen = model.data_preprocessor(data_batch, training=True)
            images = model.data_preprocessor.restore(seen['inputs'])
        self._train_samples += zip(images.numpy(), seen['labels'].cpu().numpy())
        if len(self._train_samples) >= self.num_train_samples:
            self._write_train_samples(runner)

    def _write_train_samples(self, runner: Any) -> None:
        if self._train_samples:
            sheet = runner.visualizer.draw_samples_mosaic(
                self._train_samples[:self.num_train_samples],
                f'Training samples as the network sees them, seed {runner.seed}')
            write_picture(Path(runner.work_dir, 'train_samples.jpg'), sheet)
        self._train_samples = None

    @master_only
    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                         outputs: Optional[dict] = None) -> None:
        """Write a row of training numbers: losses and times as means since the last row, others as they are now."""
        if not runner.is_logged_iter():
            return
        values = interval_numbers(runner)
        values.pop('base_lr', None)  # lr again, as long as no scheduler changes one
        self._table.add(runner.iter + 1, {**values, **_other_rates(runner.optim_wrapper.param_groups)})

    @master_only
    def after_train(self, runner: Any) -> None:
        """Write the training samples of a run too short to fill the sheet."""
        if self._train_samples is not None:
            self._write_train_samples(runner)

    def before_val_epoch(self, runner: Any) -> None:
        """Forget the last validation's samples."""
        self._val_samples = []

    def before_test_epoch(self, runner: Any) -> None:
        """Forget the last validation's samples."""
        self._val_samples = []

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                       outputs: Optional[Sequence] = None) -> None:
        """Keep a few samples, spread over the dataset."""
        self._keep(batch_idx, len(runner.val_dataloader), outputs)

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                        outputs: Optional[Sequence] = None) -> None:
        """Keep a few samples, spread over the dataset."""
        self._keep(batch_idx, len(runner.test_dataloader), outputs)

    @master_only
    def _keep(self, batch_idx: int, num_batches: int, outputs: Sequence) -> None:
        chosen = min(self.num_val_samples, num_batches)
        if chosen == 0 or batch_idx not in {number * num_batches // chosen for number in range(chosen)}:
            return
        for sample in outputs[:-(-self.num_val_samples // chosen)]:
            if 'gt_sem_seg' in sample and len(self._val_samples) < self.num_val_samples:
                label, prediction = (_thin(field.data.squeeze(0)) for field in (sample.gt_sem_seg, sample.pred_sem_seg))
                self._val_samples.append((sample.img_path, label, prediction))

    @master_only
    def after_val_epoch(self, runner: Any, metrics: Optional[dict] = None) -> None:
        """Renew everything that a validation changes."""
        when = ''
        if self._table is not None:  # not where someone only validates
            self._table.add(runner.iter, metrics)
            write_picture(Path(runner.work_dir, 'curves.png'), runner.visualizer.draw_curves(self._panels(metrics)))
            when = f' at iteration {runner.iter}'
            if self._train_samples is not None:
                self._write_train_samples(runner)
        self._write_report(runner, runner.val_loop, Path(runner.work_dir), 'Validation' + when, 'val_predictions.jpg')

    @master_only
    def after_test_epoch(self, runner: Any, metrics: Optional[dict] = None) -> None:
        """Write the report of a test."""
        self._write_report(runner, runner.test_loop, Path(runner.test_dir), 'Test', 'predictions.jpg')

    def _panels(self, metrics: dict) -> dict:
        table = self._table
        best = ''
        if 'mIoU' in metrics:
            iterations, values = table.series('mIoU')
            best = f': best mIoU {max(values):.2f} at {iterations[int(np.argmax(values))]}'
        names = [name for name in table.names() if name not in metrics or 'loss' in name]
        groups = {
            'loss': [name for name in names if 'loss' in name],
            'validation, per cent' + best: [name for name in metrics if 'loss' not in name],
            'pixel accuracy in training, per cent': [name for name in names if 'acc_seg' in name],
            'learning rate': [name for name in names if name == 'lr' or name.startswith('lr_x')],
        }
        return {title: {name: table.series(name) for name in group} for title, group in groups.items()}

    def _write_report(self, runner: Any, loop: Any, folder: Path, heading: str, predictions: str) -> None:
        draw = runner.visualizer
        if self._val_samples:
            rows = [(self._photo(path, label.shape), label, prediction,
                     f'{Path(path).name}   {_accuracy(label, prediction)}')
                    for path, label, prediction in self._val_samples]
            write_picture(folder / predictions, draw.draw_predictions_mosaic(rows, heading))
        reports = [metric.last_report for metric in loop.evaluator.metrics if getattr(metric, 'last_report', None)]
        if not reports:
            return
        report = reports[0]
        write_bytes(folder / 'per_class.csv', report.per_class_csv().encode())
        write_bytes(folder / 'per_class.md', f'# {heading}\n\n{report.per_class_markdown()}'.encode())
        write_confusion(folder, report, draw)
        write_picture(folder / 'iou_bars.png', draw.draw_iou_bars([row['IoU'] for row in report.rows]))
        if report.worst:
            rows = [(self._photo(worst.img_path, worst.label.shape), worst.label, worst.prediction,
                     f'{Path(worst.img_path).name}   IoU {100 * worst.iou:.1f} %, '
                     f'pixel accuracy {100 * worst.accuracy:.1f} %') for worst in report.worst]
            title = f'{heading}: the {len(rows)} images of lowest IoU, worst first, row by row\n' \
                    'IoU of an image: the mean over the classes in its label or its prediction'
            write_picture(folder / 'worst.jpg', draw.draw_predictions_mosaic(rows, title))

    def _photo(self, path: str, shape: tuple[int, int]) -> np.ndarray:
        """The photo, (H, W, 3) RGB; white where OpenCV cannot read the file, which a dataset of one's own may."""
        image = cv2.imdecode(np.frombuffer(get(path, self.backend_args), np.uint8), cv2.IMREAD_COLOR)
        return np.full((*shape, 3), 255, np.uint8) if image is None else _rgb(image)


def _other_rates(groups: Sequence[dict]) -> dict[str, float]:
    """The learning rates that are not ``lr``, the first group's, by how many times that one they began as."""
    begun = [group.get('initial_lr', group['lr']) for group in groups]
    if not begun[0]:
        return {}
    named = {f'lr_x{start / begun[0]:.4g}': group['lr'] for start, group in zip(begun, groups)}
    return {name: named[name] for name in sorted(named, key=lambda name: float(name[4:])) if name != 'lr_x1'}


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[..., ::-1])


def _thin(label_map: Any) -> np.ndarray:
    """Every n-th pixel of an (H, W) map, so that the longer side is at most 512."""
    step = -(-max(label_map.shape) // LONGEST_KEPT)
    return label_map[::step, ::step].cpu().numpy().copy()


def _accuracy(label: np.ndarray, prediction: np.ndarray, void: int = 255) -> str:
    valid = label != void
    return f'pixel accuracy {100 * (label == prediction)[valid].mean():.1f} %' if valid.any() else 'all void'
