# PASCAL VOC 2012 with SBD (10,582 photos) as the DeepLabV3 paper augments it: 0.5 to 2 times a photo's own size, crops
# of 513x513, mirrored. The steps of 0.25 are those of its authors' code; step=0 draws continuously.
# Photos are tested at their own size.
_base_ = './pascal_voc12_aug.py'
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomScale', ratio_range=(0.5, 2.0), step=0.25),
            dict(type='RandomCrop', crop_size=(513, 513)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]))
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ]))
