# PASCAL VOC 2012 with SBD, 10,582 training photos, crops of 513x513 as DeepLabV3-Tensorflow makes them; validation at
# each photo's own size.
_base_ = './pascal_voc12_aug.py'
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomScale', ratio_range=(0.5, 2.0)),
            dict(type='RandomFlip', prob=0.5),
            # Black, since the source pads before it subtracts the mean.
            dict(type='Pad', size=(513, 513), pad_val=dict(img=0, seg=255)),
            dict(type='RandomCrop', crop_size=(513, 513)),
            dict(type='PackSegInputs'),
        ]))
auto_scale_lr = dict(base_batch_size=4, enable=False)  # the recipe: one process x 4
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ]))
