"""DeepLabV3+, ResNetV1c-101, output stride 8, Cityscapes, crops of 769x769, sliding windows in validation.

MMSegmentation publishes 80.65 / 81.47 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/deeplabv3plus/deeplabv3plus_r101-d8_4xb2-80k_cityscapes-769x769.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3plus_r50-d8_4xb2-80k_cityscapes-769x769.py']
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c')))
