"""DeepLabV3, ResNetV1c-50, output stride 8, COCO-Stuff 10k, crops of 512x512.

MMSegmentation publishes 34.66 / 36.08 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_coco-stuff10k-512x512.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3_r50-d8.py', '../_base_/datasets/coco-stuff10k.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_20k.py'
]
model = dict(num_classes=171)
