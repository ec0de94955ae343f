# COCO 2017 as the 20 classes of PASCAL VOC and background: of 118,287 training photos the 92,516 (by GluonCV's count)
# that have more than 1,000 pixels of these classes. The first run paints the masks from the annotations. Not resized
# for validation, which takes the photos of val2017 by the same rule, as GluonCV does.
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='COCOVOCDataset',
        data_root='data/coco',
        data_prefix=dict(img_path='train2017'),
        ann_file='annotations/instances_train2017.json',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
            dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PhotoMetricDistortion'),
            dict(type='PackSegInputs'),
        ]))
auto_scale_lr = dict(base_batch_size=16, enable=False)  # the recipe: 4 processes x 4
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='COCOVOCDataset',
        data_root='data/coco',
        data_prefix=dict(img_path='val2017'),
        ann_file='annotations/instances_val2017.json',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ]))

val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])

tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)],
            [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0.0, 1.0)],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ])
]
