"""Datasets, samplers, the collate and the check of the data; importing the package registers them."""
from segkit.datasets import transforms
from segkit.datasets.ade20k_dataset import ADE20KDataset
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.camvid_dataset import CamVidDataset
from segkit.datasets.check import check_dataset
from segkit.datasets.cityscapes_dataset import CityscapesDataset
from segkit.datasets.class_counts import class_counts_key, count_classes
from segkit.datasets.collate import seg_collate
from segkit.datasets.draw_sampler import Draw, DrawSampler
from segkit.datasets.evaluation_sampler import EvaluationSampler
from segkit.datasets.folder_dataset import FolderDataset
from segkit.datasets.leaves import bad_sample_limit, beyond_own_limit, leaves
from segkit.datasets.pascal_voc_dataset import PascalVOCDataset
from segkit.datasets.scene_dataset import SceneDataset
from segkit.datasets.seeded_dataset import SeededDataset

__all__ = ['ADE20KDataset', 'BaseSegDataset', 'CamVidDataset', 'CityscapesDataset', 'Draw', 'DrawSampler',
           'EvaluationSampler', 'FolderDataset', 'PascalVOCDataset', 'SceneDataset', 'SeededDataset',
           'bad_sample_limit', 'beyond_own_limit', 'check_dataset', 'class_counts_key', 'count_classes', 'leaves',
           'seg_collate', 'transforms']
