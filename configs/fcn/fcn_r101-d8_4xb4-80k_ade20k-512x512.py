"""FCN, ResNetV1c-101, output stride 8, ADE20K, crops of 512x512.

MMSegmentation publishes 39.61 / 40.83 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/fcn/fcn_r101-d8_4xb4-80k_ade20k-512x512.py 4
Score here: not yet run.
"""
_base_ = ['./fcn_r50-d8_4xb4-80k_ade20k-512x512.py']
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c')))
