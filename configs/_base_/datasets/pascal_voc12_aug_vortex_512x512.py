# PASCAL VOC 2012 with SBD (10,582 photos) as the repository Deeplab_V3 gluon augments it: short side of 260 to 1040,
# turned by up to 10 degrees, crops of 512x512, half of them blurred. Photos are tested at their own size.
# What is turned or padded in is black, and void in the labels (background there).
_base_ = './pascal_voc12_aug.py'
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomFlip', prob=0.5),
            # The long side's limit is never reached.
            dict(type='RandomResize', scale=[(10400, 260), (10400, 1040)], keep_ratio=True),
            dict(type='RandomRotate', prob=1.0, degree=10, pad_val=0, seg_pad_val=255),
            dict(type='RandomCrop', crop_size=(512, 512)),
            dict(type='RandomGaussianBlur', prob=0.5, radius=(0.0, 1.0)),
            dict(type='PackSegInputs'),
        ]))
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ]))
