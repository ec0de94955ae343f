"""DeepLabV3+, ResNetV1c-50, output stride 8, Cityscapes, crops of 512x1024.

MMSegmentation publishes 79.61 / 81.01 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3plus_r50-d8.py', '../_base_/datasets/cityscapes.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_40k.py'
]
model = dict(num_classes=19, data_preprocessor=dict(size=(512, 1024)))
