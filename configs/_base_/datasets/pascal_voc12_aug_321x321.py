# PASCAL VOC 2012 with SBD as DeepLabV2 trains on it: scales 0.5, 0.6, ..., 1.6 of the photo's own size, crops of
# 321x321, no change of colours. Validation sees each photo at its own size; model.data_preprocessor.test_cfg pads it.
_base_ = './pascal_voc12_aug.py'
train_dataloader = dict(
    batch_size=10,
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomScale', ratio_range=(0.5, 1.6), step=0.1),
            dict(type='RandomCrop', crop_size=(321, 321)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]))
auto_scale_lr = dict(base_batch_size=10, enable=False)  # the recipe: 1 process x 10
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ]))
