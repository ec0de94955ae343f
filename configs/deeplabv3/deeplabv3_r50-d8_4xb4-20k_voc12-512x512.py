"""DeepLabV3, ResNetV1c-50, output stride 8, PASCAL VOC 2012 train (1,464), crops of 512x512.

Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12-512x512.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3_r50-d8.py', '../_base_/datasets/pascal_voc12.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_20k.py'
]
