"""DeepLabV3 as torchvision builds it, ResNet-50, output stride 8, PASCAL VOC 2012 with SBD, crops of 512x512.

The network of torchvision's deeplabv3_resnet50, whose weights tools/model_converters/import_weights.py turns into a
checkpoint: load_from='<it>' fine-tunes it. torchvision trains it on COCO with VOC's classes (66.4 mIoU and 92.4 pixel
accuracy on COCO's val); the recipe here is that of the other configs for VOC and no published one.
Photos are evaluated with a short side of 520 pixels, as torchvision's preset does, at their own size.
Command: tools/dist_train.sh configs/deeplabv3_torchvision/deeplabv3-torchvision_r50-d8_4xb4-20k_voc12aug-512x512.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3-torchvision_r50-d8.py', '../_base_/datasets/pascal_voc12_aug.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_20k.py'
]
val_dataloader = dict(
    dataset=dict(pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(2048, 520), keep_ratio=True),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]))
