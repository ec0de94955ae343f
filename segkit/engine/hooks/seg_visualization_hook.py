"""Pictures of predictions, one for each image."""
import os
from collections.abc import Sequence
from typing import Any, Optional

import cv2
import numpy as np
from mmengine.dist import get_dist_info, is_main_process
from mmengine.fileio import get
from mmengine.hooks import Hook

from segkit.errors import ConfigError, DataError
from segkit.registry import HOOKS


@HOOKS.register_module()
class SegVisualizationHook(Hook):
    """Draws labels and predictions over the photos while a model is validated or tested.

    Reference: MMSegmentation's hook of this name. Different from it: a photo is read only where it is drawn, and the
    hook says nothing when it is off, and each process of a distributed test draws its images, not the first one alone.
    In a validation the first image of every ``interval``-th batch is drawn, in a test every image. Pictures go to the
    visualizer's backends, in a test with the number of the image, which is the same for any number of processes.

    Args:
        draw: Whether to draw at all.
        interval: Iterations between two pictures of a validation, above 0.
        show: Open a window for each picture instead of storing it.
        wait_time: How long a window waits, in seconds; 0 waits for a key.
        backend_args: As MMEngine's file backends take them; used to read the photos.
    """

    def __init__(self,
                 draw: bool = False,
                 interval: int = 50,
                 show: bool = False,
                 wait_time: float = 0.,
                 backend_args: Optional[dict] = None) -> None:
        if interval < 1:
            raise ConfigError(f'SegVisualizationHook.interval: expected at least 1, got {interval}.')
        self.draw = draw
        self.interval = interval
        self.show = show
        self.wait_time = wait_time
        self.backend_args = backend_args
        self._test_index = 0

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                       outputs: Optional[Sequence] = None) -> None:
        """Draw the first image of the batch, every ``interval`` iterations."""
        iteration = runner.iter + batch_idx
        if self.draw and is_main_process() and iteration % self.interval == 0:
            self._draw(runner, 'val', outputs[0], iteration)

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                        outputs: Optional[Sequence] = None) -> None:
        """Draw each image of the batch."""
        for sample in outputs if self.draw else ():
            rank, processes = get_dist_info()  # our DefaultSampler deals the images out one by one
            self._draw(runner, 'test', sample, self._test_index * processes + rank + 1)
            self._test_index += 1

    def _draw(self, runner: Any, kind: str, sample: Any, step: int) -> None:
        image = cv2.imdecode(np.frombuffer(get(sample.img_path, self.backend_args), np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f'{sample.img_path}: cannot be drawn, since OpenCV does not read it.\n'
                            'Leave out --show-dir and --show, or set default_hooks.visualization.draw=False.')
        if self.show:
            runner.visualizer._vis_backends = {}
        runner.visualizer.add_datasample(
            f'{kind}_{os.path.basename(sample.img_path)}', cv2.cvtColor(image, cv2.COLOR_BGR2RGB), data_sample=sample,
            show=self.show, wait_time=self.wait_time, step=step)
