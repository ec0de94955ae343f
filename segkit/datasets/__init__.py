"""Datasets, samplers, the collate and the check of the data; importing the package registers them."""
from segkit.datasets import transforms
from segkit.datasets.ade20k_dataset import ADE20KDataset
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.bdd100k_dataset import BDD100KDataset
from segkit.datasets.camvid_dataset import CamVidDataset
from segkit.datasets.chase_db1_dataset import ChaseDB1Dataset
from segkit.datasets.check import check_dataset
from segkit.datasets.cityscapes_dataset import CityscapesDataset
from segkit.datasets.class_counts import class_counts_key, count_classes
from segkit.datasets.coco_stuff_dataset import COCOStuffDataset
from segkit.datasets.coco_voc_dataset import COCOVOCDataset
from segkit.datasets.collate import seg_collate
from segkit.datasets.dark_zurich_dataset import DarkZurichDataset
from segkit.datasets.draw_sampler import Draw, DrawSampler
from segkit.datasets.drive_dataset import DRIVEDataset
from segkit.datasets.evaluation_sampler import EvaluationSampler
from segkit.datasets.folder_dataset import FolderDataset
from segkit.datasets.hrf_dataset import HRFDataset
from segkit.datasets.isaid_dataset import iSAIDDataset
from segkit.datasets.isprs_dataset import ISPRSDataset
from segkit.datasets.leaves import bad_sample_limit, beyond_own_limit, leaves
from segkit.datasets.lip_dataset import LIPDataset
from segkit.datasets.loveda_dataset import LoveDADataset
from segkit.datasets.mapillary_dataset_v1 import MapillaryDataset_v1
from segkit.datasets.mapillary_dataset_v2 import MapillaryDataset_v2
from segkit.datasets.night_driving_dataset import NightDrivingDataset
from segkit.datasets.packed_dataset import PackedDataset
from segkit.datasets.pascal_context_dataset import PascalContextDataset
from segkit.datasets.pascal_context_dataset59 import PascalContextDataset59
from segkit.datasets.pascal_voc_dataset import PascalVOCDataset
from segkit.datasets.potsdam_dataset import PotsdamDataset
from segkit.datasets.refuge_dataset import REFUGEDataset
from segkit.datasets.sample_files import sample_files
from segkit.datasets.scene_dataset import SceneDataset
from segkit.datasets.seeded_dataset import SeededDataset
from segkit.datasets.stare_dataset import STAREDataset
from segkit.datasets.synapse_dataset import SynapseDataset

__all__ = ['ADE20KDataset', 'BDD100KDataset', 'BaseSegDataset', 'COCOStuffDataset', 'COCOVOCDataset', 'CamVidDataset',
           'ChaseDB1Dataset', 'CityscapesDataset', 'DRIVEDataset', 'DarkZurichDataset', 'Draw', 'DrawSampler',
           'EvaluationSampler', 'FolderDataset', 'HRFDataset', 'ISPRSDataset', 'LIPDataset', 'LoveDADataset',
           'MapillaryDataset_v1', 'MapillaryDataset_v2', 'NightDrivingDataset', 'PackedDataset', 'PascalContextDataset',
           'PascalContextDataset59', 'PascalVOCDataset', 'PotsdamDataset', 'REFUGEDataset', 'STAREDataset',
           'SceneDataset', 'SeededDataset', 'SynapseDataset', 'bad_sample_limit', 'beyond_own_limit', 'check_dataset',
           'class_counts_key', 'count_classes', 'iSAIDDataset', 'leaves', 'sample_files', 'seg_collate',
           'transforms']
