"""The visualizer that draws label maps."""
import os
from collections.abc import Sequence
from typing import Optional

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.visualization import LocalVisBackend, Visualizer

from segkit.registry import VISUALIZERS
from segkit.structures import SegDataSample
from segkit.visualization import mosaic, overlay
from segkit.visualization.palette import VOID, colour_table


@VISUALIZERS.register_module()
class SegLocalVisualizer(Visualizer):
    """Draws labels and predictions over photos, with a legend.

    Reference: MMSegmentation's visualizer of this name, whose arguments and ``add_datasample`` it takes. Different
    from it: the background and void stay as the photo shows them, and class names stand in a legend with their
    share of the area, not inside the regions.

    Args:
        name: Of this instance.
        image: (H, W, 3) RGB; MMEngine's drawing methods work on it.
        vis_backends: Where pictures and scalars go, as config dicts.
        save_dir: Folder for the backends.
        classes: Class names; else those of ``dataset_meta``, which the run sets.
        palette: (r, g, b) of each class, 0 to 255; else that of ``dataset_meta``, else VOC's rule.
        alpha: Weight of a class's colour over the photo, 0 to 1.
        **kwargs: As for :class:`mmengine.visualization.Visualizer`.
    """

    def __init__(self,
                 name: str = 'visualizer',
                 image: Optional[np.ndarray] = None,
                 vis_backends: Optional[list] = None,
                 save_dir: Optional[str] = None,
                 classes: Optional[Sequence[str]] = None,
                 palette: Optional[Sequence[Sequence[int]]] = None,
                 alpha: float = 0.5,
                 **kwargs) -> None:
        super().__init__(name, image, vis_backends, save_dir, **kwargs)
        self.alpha = alpha
        if classes is not None:
            self.dataset_meta = dict(classes=tuple(classes), palette=palette)

    @property
    def dataset_meta(self) -> Optional[dict]:
        """Classes and palette. (MMEngine's tells the first process alone.)"""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: Optional[dict]) -> None:
        self._dataset_meta = dataset_meta

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; empty if nobody told them."""
        return tuple((self.dataset_meta or {}).get('classes') or ())

    @property
    def colours(self) -> np.ndarray:
        """(V, 3) uint8 RGB: the colour of each value of a label map."""
        palette = (self.dataset_meta or {}).get('palette')
        return colour_table(len(self.classes) or VOID, palette or None)

    @property
    def plain(self) -> tuple[int, ...]:
        """Values that are not tinted: void, and class 0 where it is called background."""
        named = self.classes[:1] and self.classes[0].lower() in ('background', '_background_', 'bg')
        return (VOID, 0) if named else (VOID, )

    def draw_overlay(self, image: np.ndarray, mask: np.ndarray, legend: bool = True) -> np.ndarray:
        """Tint a photo by class.

        Args:
            image: (H, W, 3) uint8 RGB.
            mask: (H, W) class indices.
            legend: Whether to add the panel with names and area shares at the right.

        Returns:
            (H', W', 3) uint8 RGB; without a legend the size of the photo.
        """
        drawn = overlay.tint(image, mask, self.colours, self.plain, self.alpha)
        if legend:
            drawn = overlay.add_legend(drawn, mask, self.classes, self.colours, self.plain)
        return drawn

    def draw_samples_mosaic(self, samples: Sequence[tuple[np.ndarray, np.ndarray]], heading: str = '') -> np.ndarray:
        """Lay photos with their labels over them on one sheet, four in a row.

        Args:
            samples: (image (H, W, 3) uint8 RGB, mask (H, W)) of each.
            heading: Over the sheet.

        Returns:
            (H', W', 3) uint8 RGB.
        """
        size = mosaic.cell_size([mask.shape for _, mask in samples], 300)
        cells = []
        for image, mask in samples:
            image = mosaic.fit(image, size)
            cells.append(self.draw_overlay(image, mosaic.fit_mask(mask, image.shape[:2]), legend=False))
        rows = [cells[start:start + 4] for start in range(0, len(cells), 4)]
        return mosaic.sheet(rows, size, legend=self._legend(mask for _, mask in samples), heading=heading)

    def draw_predictions_mosaic(self, samples: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, str]],
                                heading: str = '') -> np.ndarray:
        """Lay photo, label, prediction and error of each sample in a row; more than eight samples stand two in a row.

        They are to be read row by row, left to right.

        Args:
            samples: (image (H, W, 3) uint8 RGB, label (h, w), prediction (h, w), caption) of each; the maps may be
                smaller than the image.
            heading: Over the sheet; what follows a line break in small letters.

        Returns:
            (H', W', 3) uint8 RGB.
        """
        size = mosaic.cell_size([image.shape[:2] for image, *_ in samples], 280)
        rows = []
        for image, label, prediction, _ in samples:
            image = mosaic.fit(image, size)
            label, prediction = (mosaic.fit_mask(mask, image.shape[:2]) for mask in (label, prediction))
            rows.append([image, self.draw_overlay(image, label, legend=False),
                         self.draw_overlay(image, prediction, legend=False),
                         mosaic.error_picture(image, label, prediction, VOID)])
        captions = [caption for *_, caption in samples]
        legend = self._legend(mask for _, label, prediction, _ in samples for mask in (label, prediction))
        titles = ['photo', 'label', 'prediction', 'error (red), void (yellow)']
        across = 1 if len(rows) <= 8 else 2
        rows = [row for start in range(0, len(rows), across) for row in mosaic.level(rows[start:start + across])]
        below = '\n'.join(' ' for _ in heading.splitlines())  # as high as the heading
        return mosaic.beside([
            mosaic.sheet(rows[first::across], size, titles, captions[first::across],
                         () if first else legend, below if first else heading) for first in range(across)])

    def _legend(self, masks) -> list[tuple]:
        present = sorted(set().union(*(np.unique(mask).tolist() for mask in masks)) - set(self.plain))
        return [(self.classes[k] if k < len(self.classes) else f'class {k}', self.colours[k]) for k in present]

    def draw_curves(self, panels: dict) -> np.ndarray:
        """Draw training curves; see :func:`segkit.visualization.figures.curves`."""
        from segkit.visualization import figures  # matplotlib takes half a second to import
        return figures.curves(panels)

    def draw_confusion_matrix(self, confusion: np.ndarray, normalize: bool = False) -> np.ndarray:
        """Draw a (K, K) confusion matrix of ``classes`` as counts, or with each row in per cent."""
        from segkit.visualization import figures  # matplotlib takes half a second to import
        return figures.confusion_figure(confusion, self.classes, normalize)

    def draw_iou_bars(self, iou: Sequence[float]) -> np.ndarray:
        """Draw the IoU of each class, K values in per cent, NaN for a class that never occurs."""
        from segkit.visualization import figures  # matplotlib takes half a second to import
        return figures.iou_bars(self.classes, iou, self.colours)

    def add_datasample(self,
                       name: str,
                       image: np.ndarray,
                       data_sample: Optional[SegDataSample] = None,
                       draw_gt: bool = True,
                       draw_pred: bool = True,
                       show: bool = False,
                       wait_time: float = 0,
                       out_file: Optional[str] = None,
                       step: int = 0,
                       with_labels: bool = True) -> None:
        """Draw a sample's label and prediction side by side (label left), or the one that is there.

        Any process of a distributed run may call it: beside the first one, they write files only.

        Args:
            name: Of the picture.
            image: (H, W, 3) uint8 RGB.
            data_sample: With gt_sem_seg, pred_sem_seg, both or neither.
            draw_gt: Whether to draw the label.
            draw_pred: Whether to draw the prediction.
            show: Whether to open a window.
            wait_time: How long the window waits, in seconds; 0 waits for a key.
            out_file: Write the picture there; otherwise it goes to the backends.
            step: Number of the picture for the backends.
            with_labels: Whether to add the legend.
        """
        wanted = [field for field, draw in (('gt_sem_seg', draw_gt), ('pred_sem_seg', draw_pred))
                  if draw and data_sample is not None and field in data_sample]
        masks = [data_sample.get(field).data.squeeze(0).cpu().numpy() for field in wanted]
        drawn = [self.draw_overlay(image, mask, with_labels) for mask in masks] or [image]
        height = max(part.shape[0] for part in drawn)
        drawn = np.concatenate([
            np.pad(part, ((0, height - part.shape[0]), (0, 0), (0, 0)), constant_values=255) for part in drawn], axis=1)
        self.set_image(drawn)  # what get_image gives afterwards
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is None:
            for backend in self._vis_backends.values():
                if is_main_process() or isinstance(backend, LocalVisBackend):
                    backend.add_image(name, drawn, step)
            return
        os.makedirs(os.path.dirname(os.path.abspath(out_file)), exist_ok=True)
        cv2.imwrite(out_file, cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
