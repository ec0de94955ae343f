"""What one image carries through the pipeline: its true labels, its prediction and where it came from."""
from typing import NamedTuple

from mmengine.structures import BaseDataElement, PixelData


class SegDataSample(BaseDataElement):
    """The labels, predictions and metainfo of one image.

    The names are MMSegmentation's, so that code written for its results reads these.

    Attributes:
        gt_sem_seg (PixelData): ``.data`` is the label map, (1, H, W), uint8 up to 255 classes, else int32.
        pred_sem_seg (PixelData): ``.data`` is the predicted class of each pixel, (1, H, W), uint8 or int64.
        seg_logits (PixelData): ``.data`` is (K, H, W) float; present only where it was asked for.
        photo (PixelData): ``.data`` is the photo as it was loaded, (3, H, W) uint8 BGR, before any transform; present
            only where KeepPhoto keeps it for post-processing.
    """

    @property
    def gt_sem_seg(self) -> PixelData:
        return self._gt_sem_seg

    @gt_sem_seg.setter
    def gt_sem_seg(self, value: PixelData) -> None:
        self.set_field(value, '_gt_sem_seg', dtype=PixelData)

    @gt_sem_seg.deleter
    def gt_sem_seg(self) -> None:
        del self._gt_sem_seg

    @property
    def pred_sem_seg(self) -> PixelData:
        return self._pred_sem_seg

    @pred_sem_seg.setter
    def pred_sem_seg(self, value: PixelData) -> None:
        self.set_field(value, '_pred_sem_seg', dtype=PixelData)

    @pred_sem_seg.deleter
    def pred_sem_seg(self) -> None:
        del self._pred_sem_seg

    @property
    def seg_logits(self) -> PixelData:
        return self._seg_logits

    @seg_logits.setter
    def seg_logits(self, value: PixelData) -> None:
        self.set_field(value, '_seg_logits', dtype=PixelData)

    @seg_logits.deleter
    def seg_logits(self) -> None:
        del self._seg_logits

    @property
    def photo(self) -> PixelData:
        return self._photo

    @photo.setter
    def photo(self, value: PixelData) -> None:
        self.set_field(value, '_photo', dtype=PixelData)

    @photo.deleter
    def photo(self) -> None:
        del self._photo


class SkippedSample(NamedTuple):
    """What a dataset gives in place of a sample that cannot be used, where its policy is to skip such.

    Attributes:
        file: The image or mask at fault.
        reason: What is wrong with it, in one line.
        max_refetch: How many other samples a training may draw in its place, one after the other.
    """

    file: str
    reason: str
    max_refetch: int = 1000
