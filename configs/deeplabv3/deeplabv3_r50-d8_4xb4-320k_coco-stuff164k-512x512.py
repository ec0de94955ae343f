"""DeepLabV3, ResNetV1c-50, output stride 8, COCO-Stuff 164k, crops of 512x512.

MMSegmentation publishes 41.37 / 42.22 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r50-d8_4xb4-320k_coco-stuff164k-512x512.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3_r50-d8.py', '../_base_/datasets/coco-stuff164k.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_320k.py'
]
model = dict(num_classes=171)
