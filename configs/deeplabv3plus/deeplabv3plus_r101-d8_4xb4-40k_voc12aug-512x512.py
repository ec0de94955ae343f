"""DeepLabV3+, ResNetV1c-101, output stride 8, PASCAL VOC 2012 with SBD, crops of 512x512.

MMSegmentation publishes 78.62 / 79.53 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/deeplabv3plus/deeplabv3plus_r101-d8_4xb4-40k_voc12aug-512x512.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3plus_r50-d8_4xb4-40k_voc12aug-512x512.py']
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c')))
