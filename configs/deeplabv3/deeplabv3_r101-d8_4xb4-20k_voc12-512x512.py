"""DeepLabV3, ResNetV1c-101, output stride 8, PASCAL VOC 2012 train (1,464), crops of 512x512.

Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r101-d8_4xb4-20k_voc12-512x512.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3_r50-d8_4xb4-20k_voc12-512x512.py']
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c')))
