# DeepLabV3 as tensorflow/models trained it for phones: MobileNetV2 at output stride 8 without its last 1x1, and a head
# with the image pool and the 1x1 branch alone, pool first, without dropout, resized with the corners aligned.
# The batch norms of the published weights are folded: their statistics are 0 and 1 and have to stay so.
model = dict(
    type='EncoderDecoder',
    num_classes=21,
    norm_cfg=dict(type='SyncBN', requires_grad=False),
    norm_eval=True,
    align_corners=True,
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(513, 513),
        test_cfg=dict(size=(513, 513))),
    backbone=dict(type='MobileNetV2', output_stride=8),
    decode_head=dict(
        type='DeepLabV3Head',
        in_index=-1,
        channels=256,
        dilations=(1,),
        pool_first=True,
        project_dropout=0,
        block=False,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0, avg_non_ignore=True)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
