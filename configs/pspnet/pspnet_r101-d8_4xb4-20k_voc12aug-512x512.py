"""PSPNet, ResNetV1c-101, output stride 8, PASCAL VOC 2012 with SBD, crops of 512x512.

MMSegmentation publishes 78.47 / 79.25 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/pspnet/pspnet_r101-d8_4xb4-20k_voc12aug-512x512.py 4
Score here: not yet run.
"""
_base_ = ['./pspnet_r50-d8_4xb4-20k_voc12aug-512x512.py']
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c')))
