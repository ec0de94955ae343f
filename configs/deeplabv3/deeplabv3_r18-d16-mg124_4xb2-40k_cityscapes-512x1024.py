"""DeepLabV3, ResNetV1c-18, output stride 16, Cityscapes, crops of 512x1024.

Training at output stride 16 with multi-grid (1, 2, 4) as in the paper: rates 2, 4, 8 in the last stage,
6, 12, 18 in ASPP (section 4.2.3 there). MMSegmentation's files of this name run rates 1, 2, 4 in the last stage.
Both 3x3 of a basic block are dilated; MMSegmentation, which has no such file of this depth, dilates the first alone.
Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r18-d16-mg124_4xb2-40k_cityscapes-512x1024.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3_r50-d16-mg124_4xb2-40k_cityscapes-512x1024.py']
model = dict(
    backbone=dict(depth=18, init_cfg=dict(checkpoint='open-mmlab://resnet18_v1c')),
    decode_head=dict(channels=128),
    auxiliary_head=dict(channels=64))
