"""Datasets, samplers and the collate; importing the package registers them."""
from segkit.datasets import transforms
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.collate import seg_collate
from segkit.datasets.draw_sampler import Draw, DrawSampler
from segkit.datasets.evaluation_sampler import EvaluationSampler
from segkit.datasets.pascal_voc_dataset import PascalVOCDataset
from segkit.datasets.scene_dataset import SceneDataset
from segkit.datasets.seeded_dataset import SeededDataset

__all__ = ['BaseSegDataset', 'Draw', 'DrawSampler', 'EvaluationSampler', 'PascalVOCDataset', 'SceneDataset',
           'SeededDataset', 'seg_collate', 'transforms']
