"""FCN, ResNetV1c-50, output stride 8, PASCAL VOC 2012 with SBD, crops of 512x512.

MMSegmentation publishes 66.97 / 69.04 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/fcn/fcn_r50-d8_4xb4-40k_voc12aug-512x512.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/fcn_r50-d8.py', '../_base_/datasets/pascal_voc12_aug.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_40k.py'
]
