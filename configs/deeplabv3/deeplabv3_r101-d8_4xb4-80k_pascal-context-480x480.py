"""DeepLabV3, ResNetV1c-101, output stride 8, PASCAL Context-60, crops of 480x480, sliding windows in validation.

MMSegmentation publishes 46.42 / 47.53 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r101-d8_4xb4-80k_pascal-context-480x480.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3_r50-d8_4xb4-80k_pascal-context-480x480.py']
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c')))
