# DeepLabV3 (arXiv 1706.05587) as pytorch-segmentation-toolbox builds it: ResNetV1s-101 (stem of 64, 64 and 128
# channels) at output stride 8 with pooling that rounds up and no contraction, branches of 256 channels with the image
# pool first, a 1x1 projection to 512, leaky ReLU in the heads, an auxiliary (DSN) head whose convolution has a bias.
# The source starts from MIT's resnet101-imagenet.pth, whose keys ResNetV1s reads. Put the file somewhere and name it:
# model.backbone.init_cfg=dict(type='Pretrained', checkpoint='<folder>/resnet101-imagenet.pth'). Without it the run
# starts from random weights.
model = dict(
    type='EncoderDecoder',
    num_classes=19,
    norm_cfg=dict(type='SyncBN', requires_grad=True),
    align_corners=True,
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        # BGR, the mean alone taken off: what is padded has the mean colour.
        mean=[104.00698793, 116.66876762, 122.67891434],
        std=[1., 1., 1.],
        bgr_to_rgb=False,
        pad_val=0,
        seg_pad_val=255,
        size=(769, 769)),
    backbone=dict(type='ResNetV1s', depth=101, output_stride=8, contract_dilation=False, ceil_mode=True),
    decode_head=dict(
        type='DeepLabV3Head',
        in_index=3,
        branch_channels=256,
        channels=512,
        pool_first=True,
        project_dropout=0,
        block=False,
        dropout_ratio=0.1,
        channel_dropout=True,
        act_cfg=dict(type='LeakyReLU', negative_slope=0.01),
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0, avg_non_ignore=True)),
    auxiliary_head=dict(
        type='FCNHead',
        in_index=2,
        channels=512,
        num_convs=1,
        concat_input=False,
        conv_bias=True,
        dropout_ratio=0.1,
        act_cfg=dict(type='LeakyReLU', negative_slope=0.01),
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4, avg_non_ignore=True)),
    train_cfg=dict(),
    # ceil(769 * 2 / 3) = 513
    test_cfg=dict(mode='slide', crop_size=(769, 769), stride=(513, 513)))
