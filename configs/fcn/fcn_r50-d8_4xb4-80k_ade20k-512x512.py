"""FCN, ResNetV1c-50, output stride 8, ADE20K, crops of 512x512.

MMSegmentation publishes 35.94 / 37.94 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/fcn_r50-d8.py', '../_base_/datasets/ade20k.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_80k.py'
]
model = dict(num_classes=150)
