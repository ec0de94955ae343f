"""DeepLabV3+, ResNetV1c-50, output stride 8, PASCAL VOC 2012 with SBD, crops of 512x512.

MMSegmentation publishes 76.81 / 77.57 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/deeplabv3plus/deeplabv3plus_r50-d8_4xb4-40k_voc12aug-512x512.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3plus_r50-d8.py', '../_base_/datasets/pascal_voc12_aug.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_40k.py'
]
