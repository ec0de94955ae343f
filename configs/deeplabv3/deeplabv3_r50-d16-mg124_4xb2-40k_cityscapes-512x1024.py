"""DeepLabV3, ResNetV1c-50, output stride 16, Cityscapes, crops of 512x1024.

Training at output stride 16 with multi-grid (1, 2, 4) as in the paper: rates 2, 4, 8 in the last stage,
6, 12, 18 in ASPP (section 4.2.3 there). MMSegmentation's files of this name run rates 1, 2, 4 in the last stage.
Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r50-d16-mg124_4xb2-40k_cityscapes-512x1024.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3_r50-d8_4xb2-40k_cityscapes-512x1024.py']
model = dict(backbone=dict(output_stride=16, multi_grid=(1, 2, 4)))
