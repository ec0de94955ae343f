# DeepLabV3+ (arXiv 1802.02611) as MMSegmentation assembles it: ResNetV1c-50 at output stride 8, a separable ASPP of
# 512 channels, a decoder on stage 1, an FCN auxiliary head on stage 3. The ASPP rates follow the output stride.
model = dict(
    type='EncoderDecoder',
    num_classes=21,
    norm_cfg=dict(type='SyncBN', requires_grad=True),
    align_corners=False,
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(512, 512)),
    backbone=dict(
        type='ResNetV1c',
        depth=50,
        output_stride=8,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet50_v1c')),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        in_index=3,
        channels=512,
        c1_channels=48,
        dropout_ratio=0.1,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0, avg_non_ignore=True)),
    auxiliary_head=dict(
        type='FCNHead',
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4, avg_non_ignore=True)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
