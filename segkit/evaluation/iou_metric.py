"""Mean IoU and its relatives over a whole dataset."""
import heapq
import os
from collections.abc import Sequence
from typing import Any, Optional, Union

import cv2
import numpy as np
import torch
from mmengine.dist import all_gather_object, all_reduce
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from segkit import ops
from segkit.errors import ConfigError, DataError, refuse_uncalled
from segkit.evaluation.palette_png import write_palette_png
from segkit.evaluation.report import Report, WorstImage, image_scores
from segkit.registry import METRICS

COLUMNS = {'mIoU': ('IoU', 'Acc'), 'mDice': ('Dice', 'Acc'), 'mFscore': ('Fscore', 'Precision', 'Recall')}
COUNTS = 'Write process or compute_metrics, or a report of the confusion matrix (last_report).'


@METRICS.register_module()
class IoUMetric(BaseMetric):
    """Scores label maps against true ones through a single confusion matrix for the whole dataset.

    Reference: Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010, section 4.3 (IoU over
    the pixels of the dataset, not a mean over images). Arguments and result names follow MMSegmentation's metric
    of this name. Different from it: counts are exact integers, memory does not grow with the number of images,
    labels out of range are an error, and results are not rounded.

    The matrix of each process is summed over the processes once, when the evaluation ends. A class that is
    neither labelled nor predicted anywhere is left out of the means; one that is predicted but never labelled
    has IoU 0. See :func:`segkit.evaluation.report.class_scores` for each score's rule.

    Attributes:
        protocol (dict): How predictions were made (split, resize, ...); printed under the table. The engine sets it.
        skipped (list): (file, reason) of each sample that this process's data left out in the evaluation under way;
            printed under the table. The engine sets it.
        last_report (Report | None): Confusion matrix, tables and worst images of the latest evaluation; the same on
            each process.

    Args:
        ignore_index: The label that is not counted, 0 to 255 (or above, for more classes).
        iou_metrics: Any of 'mIoU', 'mDice', 'mFscore': which columns and means beside aAcc, mIoU, mAcc and fwIoU.
        nan_to_num: What an undefined score counts as, as a fraction; None leaves it out of the mean.
        beta: Weight of recall against precision in Fscore, above 0.
        collect_device: MMEngine's argument; counts are small and summed wherever the process group works.
        output_dir: A folder for the predictions as palette PNG; None writes nothing.
        format_only: Only write predictions; needs no labels and gives no scores.
        prefix: Put before each result name as 'prefix/mIoU'.
        num_worst: How many of the worst images to remember for the report.

    Shape:
        - each sample's pred_sem_seg.data and gt_sem_seg.data: (1, H, W), of the same size.

    Raises:
        ConfigError: If ``iou_metrics`` has an unknown name, or ``format_only`` is set without ``output_dir``.
        DataError: If a prediction and its label differ in size, or hold a class that the dataset does not have.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_uncalled(cls, dict.fromkeys(('intersect_and_union', 'total_area_to_metrics'), COUNTS))

    def __init__(self,
                 ignore_index: int = 255,
                 iou_metrics: Union[str, Sequence[str]] = ('mIoU', ),
                 nan_to_num: Optional[float] = None,
                 beta: float = 1,
                 collect_device: str = 'cpu',
                 output_dir: Optional[str] = None,
                 format_only: bool = False,
                 prefix: Optional[str] = None,
                 num_worst: int = 16) -> None:
        # BaseMetric warns when there is no prefix, but names without one are MMSegmentation's.
        super().__init__(collect_device=collect_device, prefix='segkit')
        self.prefix = prefix
        names = [iou_metrics] if isinstance(iou_metrics, str) else list(iou_metrics)
        unknown = [name for name in names if name not in COLUMNS]
        if unknown or not names:
            raise ConfigError(f'val_evaluator.iou_metrics: expected some of {", ".join(COLUMNS)}, '
                              f'got {", ".join(map(repr, unknown)) or "none"}.')
        if format_only and output_dir is None:
            raise ConfigError('test_evaluator.format_only=True only writes predictions, but output_dir is None.\n'
                              'Give a folder: test_evaluator.output_dir=predictions')
        self.ignore_index = ignore_index
        self.columns = _columns(names)
        self.nan_to_num = nan_to_num
        self.beta = beta
        self.output_dir = output_dir
        self.format_only = format_only
        self.num_worst = num_worst
        self.protocol: dict = {}
        self.skipped: Sequence[tuple[str, str]] = ()
        self.last_report: Optional[Report] = None
        self._reset()

    def _reset(self) -> None:
        self._confusion: Optional[Tensor] = None
        self._images = self._void = self._resized = 0
        self._worst: list = []  # heap of (-IoU, -accuracy, img_path, prediction PNG, label PNG)
        self._written: set[str] = set()

    def process(self, data_batch: dict, data_samples: Sequence) -> None:
        """Count a batch.

        Args:
            data_batch: Not used.
            data_samples: Predictions with their labels, as SegDataSample or as the dict of one.
        """
        for sample in data_samples:
            sample = sample if isinstance(sample, dict) else sample.to_dict()
            prediction = sample['pred_sem_seg']['data'].squeeze(0)
            self._images += 1
            if not self.format_only:
                self._count(prediction, sample)
            if self.output_dir is not None:
                self._write(prediction, sample)

    def _count(self, prediction: Tensor, sample: dict) -> None:
        num_classes = len(self.dataset_meta['classes'])
        if 'gt_sem_seg' not in sample:
            raise DataError(f'{sample.get("img_path")}: no label to compare the prediction with.\n'
                            'Load it (LoadAnnotations in the pipeline), or only write predictions: '
                            'test_evaluator.format_only=True')
        label = sample['gt_sem_seg']['data'].squeeze(0).to(prediction.device)
        if prediction.shape != label.shape:
            raise DataError(f'{sample.get("img_path")}: prediction is {_size(prediction)}, its label {_size(label)} '
                            '(height x width).\nLabels are compared at original size: load them after Resize in '
                            'val_dataloader.dataset.pipeline, and check the mask file.')
        highest = int(prediction.max())
        if highest >= num_classes:
            raise DataError(f'{sample.get("img_path")}: the model predicts class {highest}, but the dataset has '
                            f'{num_classes} classes (0 to {num_classes - 1}).\n'
                            'Set model.num_classes (or the dataset\'s classes) so that both agree.')
        counts = ops.label_counts(prediction, label, num_classes).cpu()
        void = counts[self.ignore_index:self.ignore_index + 1]
        self._void += int(void.sum())
        void.zero_()
        strange = counts[num_classes:].sum(dim=1)
        if strange.any():
            value = int(strange.nonzero()[0])
            raise DataError(f'{sample.get("seg_map_path", sample.get("img_path"))}: label {value + num_classes} on '
                            f'{int(strange[value])} pixels; expected 0 to {num_classes - 1} or '
                            f'{self.ignore_index} (void).\nCorrect the mask or map the value with label_map.')
        counts = counts[:num_classes]
        self._confusion = counts if self._confusion is None else self._confusion + counts
        self._resized += tuple(sample.get('ori_shape', label.shape)) != tuple(label.shape)
        self._remember(prediction, label, counts.numpy(), sample)

    def _remember(self, prediction: Tensor, label: Tensor, counts: np.ndarray, sample: dict) -> None:
        iou, accuracy = image_scores(counts)
        # The path settles ties, so that the choice does not depend on the order or the number of processes.
        rank = (-iou, -accuracy, sample.get('img_path', ''))
        full = len(self._worst) == self.num_worst
        if np.isnan(iou) or self.num_worst == 0 or (full and rank <= self._worst[0][:3]):
            return
        step = -(-max(label.shape) // 512)
        small = [_png(m[::step, ::step].cpu().numpy()) for m in (prediction, label)]
        push = heapq.heapreplace if full else heapq.heappush
        push(self._worst, (*rank, *small))

    def _write(self, prediction: Tensor, sample: dict) -> None:
        stem = os.path.splitext(os.path.basename(sample['img_path']))[0]
        if stem in self._written:
            raise DataError(f'{sample["img_path"]}: another image is called {stem} too, and both predictions would be '
                            f'written to {stem}.png.\nEvaluate the folders one by one.')
        self._written.add(stem)
        mask = prediction.cpu().numpy()
        palette = list(self.dataset_meta['palette'])
        if sample.get('reduce_zero_label'):  # back to the numbering of the dataset's own files
            mask, palette = mask.astype(np.int32) + 1, [(0, 0, 0), *palette]
        os.makedirs(self.output_dir, exist_ok=True)
        write_palette_png(os.path.join(self.output_dir, stem + '.png'), mask, palette)

    def evaluate(self, size: int) -> dict[str, float]:
        """Sum the counts over the processes, print the table and give the scores.

        Args:
            size: Number of images in the dataset.

        Returns:
            Score names to per cent, the same on each process; empty for ``format_only``.
        """
        if self.format_only:
            print_log(f'predictions are in {self.output_dir}', 'current')
            self._reset()
            return {}
        num_classes = len(self.dataset_meta['classes'])
        confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        if self._confusion is not None:
            confusion += self._confusion
        sums = torch.cat([confusion.flatten(), torch.tensor([self._images, self._void, self._resized])])
        all_reduce(sums)
        images, void, resized = sums[-3:].tolist()
        worst, skipped = self._gather()
        if images + len(skipped) != size:
            left_out = f' and {len(skipped)} skipped' if skipped else ''
            print_log(f'{images} images were counted{left_out}, but the dataset has {size}: use our DefaultSampler, '
                      'which gives each image to one process only.', 'current', level=30)
        if not sums[:-3].any():
            print_log('no pixel was compared: every label is void, or there was no image.', 'current', level=30)
        self.last_report = Report(
            confusion=sums[:-3].view(num_classes, num_classes).numpy(), classes=tuple(self.dataset_meta['classes']),
            images=images, void_pixels=void, original_size=resized == 0, columns=self.columns, beta=self.beta,
            nan_to_num=self.nan_to_num, protocol=dict(self.protocol), worst=worst,
            skipped=skipped)
        print_log('per class results:\n' + self.last_report.text, 'current')
        self._reset()
        return self.compute_metrics([])

    def _gather(self) -> tuple[tuple[WorstImage, ...], tuple[tuple[str, str], ...]]:
        """The worst images of all processes, and what all of them skipped."""
        parts = all_gather_object((self._worst, list(self.skipped)))
        entries = sorted((entry for worst, _ in parts for entry in worst), reverse=True)
        return tuple(
            WorstImage(-iou, -accuracy, path, _from_png(prediction), _from_png(label))
            for iou, accuracy, path, prediction, label in entries[:self.num_worst]
        ), tuple(sorted(entry for _, skipped in parts for entry in skipped))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The scores of :attr:`last_report`; ``results`` stays empty, since nothing is kept per image."""
        means = self.last_report.means
        start = f'{self.prefix}/' if self.prefix else ''
        return {start + name: means[name] for name in _means(self.columns)}

    @staticmethod
    def score_names(iou_metrics: Union[str, Sequence[str]] = ('mIoU', ), prefix: Optional[str] = None) -> list[str]:
        """The names of the scores that a metric with these arguments gives."""
        names = [iou_metrics] if isinstance(iou_metrics, str) else iou_metrics
        return [(f'{prefix}/' if prefix else '') + name for name in _means(_columns(names))]


def _columns(iou_metrics: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(c for name in ['mIoU', *iou_metrics] for c in COLUMNS.get(name, ())))


def _means(columns: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(['aAcc', 'mIoU', 'mAcc', 'fwIoU', *('m' + c for c in columns)]))


def _size(label_map: Tensor) -> str:
    return 'x'.join(map(str, label_map.shape))


def _png(label_map: np.ndarray) -> bytes:
    dtype = np.uint8 if label_map.max(initial=0) < 256 else np.uint16
    return cv2.imencode('.png', label_map.astype(dtype))[1].tobytes()


def _from_png(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
