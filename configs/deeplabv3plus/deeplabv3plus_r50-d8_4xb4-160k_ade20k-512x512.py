"""DeepLabV3+, ResNetV1c-50, output stride 8, ADE20K, crops of 512x512.

MMSegmentation publishes 43.95 / 44.93 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/deeplabv3plus/deeplabv3plus_r50-d8_4xb4-160k_ade20k-512x512.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3plus_r50-d8.py', '../_base_/datasets/ade20k.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_160k.py'
]
model = dict(num_classes=150)
