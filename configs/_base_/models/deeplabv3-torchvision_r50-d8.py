# DeepLabV3 (arXiv 1706.05587) as torchvision builds it: ResNet-50 with its 7x7 stem at output stride 8, branches, a
# projection and a 3x3 block of 256 channels, an FCN auxiliary head on stage 3 that counts half.
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
        type='ResNet',
        depth=50,
        output_stride=8,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    decode_head=dict(
        type='DeepLabV3Head',
        in_index=-1,
        channels=256,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0, avg_non_ignore=True)),
    auxiliary_head=dict(
        type='FCNHead',
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        channel_dropout=False,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.5, avg_non_ignore=True)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
