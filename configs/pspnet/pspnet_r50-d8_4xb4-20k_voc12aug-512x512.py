"""PSPNet, ResNetV1c-50, output stride 8, PASCAL VOC 2012 with SBD, crops of 512x512.

MMSegmentation publishes 76.78 / 77.61 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/pspnet/pspnet_r50-d8_4xb4-20k_voc12aug-512x512.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/pspnet_r50-d8.py', '../_base_/datasets/pascal_voc12_aug.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_20k.py'
]
