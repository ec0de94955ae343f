# COCO 2017 with its categories taken for the classes of PASCAL VOC, in the crops of pascal_voc12_gluoncv_480x480.py.
_base_ = './coco_voc.py'
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
