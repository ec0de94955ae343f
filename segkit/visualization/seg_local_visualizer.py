"""The visualizer that draws label maps."""
import os
from collections.abc import Sequence
from typing import Optional

import cv2
import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from segkit.registry import VISUALIZERS
from segkit.structures import SegDataSample
from segkit.visualization import overlay
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

    @master_only
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
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is None:
            self.add_image(name, drawn, step)
            return
        os.makedirs(os.path.dirname(os.path.abspath(out_file)), exist_ok=True)
        cv2.imwrite(out_file, cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
