"""Scores of one network in several test modes, from one pass over the images."""
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Optional

import torch
from torch import Tensor, nn

from segkit.apis.latency import now_on
from segkit.engine.loader_processes import one_pass
from segkit.engine.loops.test_loop import half_precision
from segkit.models.segmentors.prediction_settings import checked_test_cfg
from segkit.models.segmentors.seg_tta_model import FUSIONS


@dataclass
class Mode:
    """One way to predict, and what it scores.

    Attributes:
        name: As the table says it.
        metric: An IoUMetric of its own.
        output_stride: Of the network while it predicts; None where the backbone does not tell it.
        fused: Whether the views of the test-time augmentation are averaged; else the test pipeline's view is taken.
        flipped: Whether mirrored views are among them.
        views: How many views an image has.
        seconds: Spent on predictions, as if no view had been shared with another mode.
    """
    name: str
    metric: Any
    output_stride: Optional[int] = None
    fused: bool = False
    flipped: bool = False
    views: int = 1
    seconds: float = 0.0
    _sums: list = field(default_factory=list)

    def add(self, summands: list[Tensor]) -> None:
        """Take one view's share of the mean of each image, (K, H, W)."""
        if not self._sums:
            self.views, self._sums = 1, [summand.clone() for summand in summands]
            return
        self.views += 1
        for total, summand in zip(self._sums, summands):
            total += summand

    def means(self) -> list[Tensor]:
        """The means of what was added, which is forgotten."""
        sums, self._sums = self._sums, []
        return [total / self.views for total in sums]


class ModeScores:
    """Predicts every image in every mode, each view once, and counts.

    A view of the augmentation that is the test pipeline's own, as that of scale 1 is where nothing is resized, is not
    predicted again. Sums are made in the order of the views, as :class:`SegTTAModel` makes them, so that the scores are
    those that test.py gives for each mode.

    Args:
        tta: The test-time augmentation around the segmentor; read is its ``fusion``.
        modes: The modes; of those that are not fused one for each stride, in the order of the strides. Fused ones share
            one stride.
        own_dilations: Whether the decode head's config names its dilations.
        fp16: Whether to predict in half precision, as ``test_cfg.fp16`` says.

    Raises:
        ConfigError: If the network cannot predict at a mode's stride.
    """

    def __init__(self, tta: nn.Module, modes: list[Mode], own_dilations: bool, fp16: bool = False) -> None:
        self.tta, self.model, self.fp16 = tta, tta.module, fp16
        self.plain = [mode for mode in modes if not mode.fused]
        self.fused = [mode for mode in modes if mode.fused]
        # The fused modes' stride comes last, so that its scores of the plain view are still there.
        self.plain.sort(key=lambda mode: bool(self.fused) and mode.output_stride == self.fused[0].output_stride)
        self._settings = {mode.output_stride: self._test_cfg(mode.output_stride, own_dilations) for mode in modes}

    def _test_cfg(self, stride: Optional[int], own_dilations: bool) -> dict:
        given = dict(self.model.test_cfg)
        if stride is None or stride == given['output_stride']:
            return given
        if stride == self.model.backbone.output_stride:
            return dict(given, output_stride=None, dilations=None)
        return checked_test_cfg(dict(given, output_stride=stride, dilations=None), self.model.backbone,
                                self.model.decode_head, own_dilations)

    def passes(self, loader: Any) -> Iterator[int]:
        """Predict and count batch by batch; gives how many batches are done.

        Args:
            loader: Gives ``inputs`` and ``data_samples``, lists over the views; the test pipeline's view is the first.
        """
        for number, batch in enumerate(one_pass(loader), start=1):
            if batch is not None:
                with torch.no_grad(), half_precision(self.fp16):
                    self._count([dict(inputs=inputs, data_samples=samples)
                                 for inputs, samples in zip(batch['inputs'], batch['data_samples'])])
            yield number

    def _count(self, views: list[dict]) -> None:
        samples, logits, seconds = views[0]['data_samples'], [], 0.0
        for mode in self.plain:
            with self._stride(mode.output_stride), self._clock() as predicting:
                logits = self._logits(views[0])
            with self._clock() as deciding:
                for sample, one in zip(samples, logits):
                    self.model.write_prediction(sample, one, self.model.classes_of(sample, one))
            seconds = predicting.seconds
            mode.seconds += seconds + deciding.seconds
            mode.metric.process({}, samples)
        for view in views[1:] if self.fused else ():
            self._fuse(view, views[0], logits, seconds)
        for mode in self.fused:
            with self._clock() as deciding:
                for sample, mean in zip(samples, mode.means()):
                    self.tta.write_mean(sample, mean)
            mode.seconds += deciding.seconds
            mode.metric.process({}, samples)

    def _fuse(self, view: dict, plain: dict, logits: list[Tensor], seconds: float) -> None:
        """Give a view's scores to the fused modes; those of the plain view, which took ``seconds``, are known."""
        to_summand, _ = FUSIONS[self.tta.fusion]
        if not _same(view, plain):
            with self._stride(self.fused[0].output_stride), self._clock() as predicting:
                logits = self._logits(view)
            seconds = predicting.seconds
        with self._clock() as converting:
            summands = [to_summand(one) for one in logits]
        for mode in self.fused:
            if mode.flipped or not _is_flipped(view):
                with self._clock() as adding:
                    mode.add(summands)
                mode.seconds += seconds + converting.seconds + adding.seconds

    def _logits(self, view: dict) -> list[Tensor]:
        """The scores of each image of a view at its original size, (K, H, W)."""
        data = self.model.data_preprocessor(dict(view), False)
        return list(self.model.original_logits(data['inputs'], data['data_samples']))

    def _clock(self) -> '_Clock':
        return _Clock(next(self.model.parameters()).device)

    @contextmanager
    def _stride(self, stride: Optional[int]) -> Iterator[None]:
        before, self.model.test_cfg = self.model.test_cfg, self._settings[stride]
        try:
            yield
        finally:
            self.model.test_cfg = before


class _Clock:
    """The seconds that what is inside takes, with what it has the GPU do."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = 0.0

    def __enter__(self) -> '_Clock':
        self._start = now_on(self.device)
        return self

    def __exit__(self, *_: Any) -> None:
        self.seconds = now_on(self.device) - self._start


def _is_flipped(view: dict) -> bool:
    return any(sample.metainfo.get('flip') for sample in view['data_samples'])


def _same(one: dict, other: dict) -> bool:
    """Whether the network would see the same images, and the way back to the photos is the same."""
    if one['inputs'].shape != other['inputs'].shape or not torch.equal(one['inputs'], other['inputs']):
        return False
    keys = ('img_shape', 'ori_shape', 'flip', 'flip_direction')
    return all([a.metainfo.get(key) or None for key in keys] == [b.metainfo.get(key) or None for key in keys]
               for a, b in zip(one['data_samples'], other['data_samples']))
