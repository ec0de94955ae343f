"""DeepLabV3, ResNetV1c-101, output stride 8, COCO-Stuff 164k, crops of 512x512.

MMSegmentation publishes 42.61 / 43.42 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r101-d8_4xb4-320k_coco-stuff164k-512x512.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3_r50-d8_4xb4-320k_coco-stuff164k-512x512.py']
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c')))
