# Synapse, slices of abdominal CT, 8 organs and background, at 224 pixels.
train_dataloader = dict(
    batch_size=6,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='SynapseDataset',
        data_root='data/synapse',
        data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='Resize', scale=(224, 224), keep_ratio=True),
            dict(type='RandomRotFlip', rotate_prob=0.5, flip_prob=0.5, degree=20),
            dict(type='PackSegInputs'),
        ]))
auto_scale_lr = dict(base_batch_size=6, enable=False)  # the recipe: 1 process x 6
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SynapseDataset',
        data_root='data/synapse',
        data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(224, 224), keep_ratio=True),
            # Behind any resize: the labels stay at the photo's own size.
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ]))

val_evaluator = dict(type='IoUMetric', iou_metrics=['mDice'])
