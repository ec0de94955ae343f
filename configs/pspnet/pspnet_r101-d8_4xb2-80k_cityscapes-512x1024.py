"""PSPNet, ResNetV1c-101, output stride 8, Cityscapes, crops of 512x1024.

MMSegmentation publishes 79.76 / 81.01 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/pspnet/pspnet_r101-d8_4xb2-80k_cityscapes-512x1024.py 4
Score here: not yet run.
"""
_base_ = ['./pspnet_r50-d8_4xb2-80k_cityscapes-512x1024.py']
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c')))
