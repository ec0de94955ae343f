"""DeepLabV3, ResNetV1c-18, output stride 8, PASCAL VOC 2012 with SBD, crops of 512x512.

Both 3x3 of a basic block are dilated. MMSegmentation dilates the first alone; for its R18 weights set in backbone:
output_stride=None, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=True.
Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r18-d8_4xb4-40k_voc12aug-512x512.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3_r50-d8_4xb4-40k_voc12aug-512x512.py']
model = dict(
    backbone=dict(depth=18, init_cfg=dict(checkpoint='open-mmlab://resnet18_v1c')),
    decode_head=dict(channels=128),
    auxiliary_head=dict(channels=64))
