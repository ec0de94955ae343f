# PASCAL VOC 2012 as GluonCV trains on it: the long side is resized to 260 to 1,040 pixels, what is smaller than 480 is
# padded with black at the bottom and the right, crops of 480x480 are blurred in one half of the samples. Labels of the
# padding are 255; in GluonCV they are 0, the background. 1,464 training and 1,449 validation photos: GluonCV trains on
# train and val together.
_base_ = './pascal_voc12.py'
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='RandomResize', scale=(520, 520), ratio_range=(0.5, 2.0), keep_ratio=True),
            dict(type='Pad', size=(480, 480), pad_val=dict(img=0, seg=255)),
            dict(type='RandomCrop', crop_size=(480, 480)),
            dict(type='RandomGaussianBlur', prob=0.5, radius=(0., 1.)),
            dict(type='PackSegInputs'),
        ]))
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ]))
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            # 520 * (0.5, 0.75, 1, 1.25, 1.5, 1.75) on the long side
            [dict(type='Resize', scale=(s, s), keep_ratio=True) for s in (260, 390, 520, 650, 780, 910)],
            [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0.0, 1.0)],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ])
]
