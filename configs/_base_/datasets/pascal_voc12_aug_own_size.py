# As pascal_voc12_aug.py, validated without a resize: each photo at its own size. The source systems' files inherit
# this one and bring the training pipeline of theirs.
_base_ = './pascal_voc12_aug.py'
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ]))
