"""PASCAL VOC."""
import os.path as osp
from collections.abc import Sequence
from typing import Union

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.palette import color_map
from segkit.registry import DATASETS


@DATASETS.register_module()
class PascalVOCDataset(BaseSegDataset):
    """PASCAL VOC 2012 segmentation: 20 classes and background, border pixels 255.

    Reference: Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010; the augmented masks are those
    of Hariharan et al., Semantic Contours from Inverse Detectors, ICCV 2011 (SBD).

    The augmented set can be named in three ways: as MMSegmentation does, with a ConcatDataset of ``train.txt`` over
    SegmentationClass and ``aug.txt`` over SegmentationClassAug; with those two pairs as lists in one dataset; or with
    the one list of all 10,582 names and ``seg_map_path=['SegmentationClass', 'SegmentationClassAug']``.

    Args:
        ann_file: Split list(s), as ``ImageSets/Segmentation/train.txt``.
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        **kwargs: As for :class:`BaseSegDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    METAINFO = dict(
        classes=('background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow',
                 'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train',
                 'tvmonitor'),
        palette=color_map(21))

    def __init__(self, ann_file: Union[str, Sequence[str]], img_suffix: str = '.jpg', seg_map_suffix: str = '.png',
                 **kwargs) -> None:
        super().__init__(ann_file=ann_file, img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def missing_hint(self, path: str) -> str:
        """Say where a list with SBD's additional images comes from, if it is the one that is missing."""
        folder, name = osp.split(path)
        if name not in ('aug.txt', 'trainaug.txt'):
            return ''
        for whole in ('train_aug.txt', 'trainaug.txt'):
            if name == 'aug.txt' and osp.isfile(osp.join(folder, whole)):
                return (f'aug.txt is {whole} without train.txt; write it, there or elsewhere, with:\n'
                        f'grep -vxFf {folder}/train.txt {folder}/{whole} > aug.txt')
        return ("SBD's additional images (9,118) are not part of VOC's archive; tools/dataset_converters/voc_aug.py "
                f"makes\n{name}. Without them: ann_file='ImageSets/Segmentation/train.txt' alone.")
