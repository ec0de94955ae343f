# DeepLabV3 as its paper has it (arXiv 1706.05587): ResNet-101 at output stride 16 with grid (1, 2, 4), ASPP with image
# pooling, one 1x1 projection, one classifier; no dropout, no auxiliary head. Batch norm's momentum is 1 - 0.9997.
# The network learns at stride 16 and predicts at 8 with the same weights; the rates of ASPP follow.
model = dict(
    type='EncoderDecoder',
    num_classes=21,
    norm_cfg=dict(type='SyncBN', momentum=0.0003, requires_grad=True),
    align_corners=False,
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(513, 513),
        test_cfg=dict(size=(513, 513))),
    backbone=dict(
        type='ResNet',
        depth=101,
        output_stride=16,
        multi_grid=(1, 2, 4),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')),
    decode_head=dict(
        type='DeepLabV3Head',
        in_index=3,
        channels=256,
        block=False,
        project_dropout=0.0,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0, avg_non_ignore=True)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole', output_stride=8))
