# DeepLabV3 (arXiv 1706.05587) as GluonCV builds it: ResNetV1s-101 (stem of 64, 64 and 128 channels) at output stride 8,
# branches and projection of 256 channels, a 3x3 block behind the projection, an FCN auxiliary head on stage 3 that
# counts half.
# The source starts from its own resnet101_v1s of ImageNet, an MXNet file, which segkit does not read. A file of the
# same layers in PyTorch's form, its stem under GluonCV's names or ours, goes into
# model.backbone.init_cfg=dict(type='Pretrained', checkpoint='<file>'); without one the run starts from random weights.
# avg_non_ignore: GluonCV divides by all pixels, and its padding is background, which counts. Here padding is void; a
# mean over all pixels would shrink the loss of a small photo by the share of its padding.
model = dict(
    type='EncoderDecoder',
    num_classes=21,
    norm_cfg=dict(type='SyncBN', requires_grad=True),
    align_corners=True,
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(480, 480)),
    backbone=dict(type='ResNetV1s', depth=101, output_stride=8),
    decode_head=dict(
        type='DeepLabV3Head',
        in_index=3,
        channels=256,
        project_dropout=0.5,
        dropout_ratio=0.1,
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
