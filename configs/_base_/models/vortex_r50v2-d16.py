# Vortex pooling (arXiv 1804.06242) as the repository Deeplab_V3 gluon assembles it: ResNetV2-50 with its strides in the
# last block of each stage, grid (1, 2, 4), convolutions of the head with bias and without activation, scores resized
# with the corners aligned. No weights by a known name fit: the source starts from Gluon's resnet50_v2 (resnet101_v2),
# trained with the strides in the first blocks. Where you have them under this network's names, add to backbone
#     init_cfg=dict(type='Pretrained', checkpoint='resnet50_v2.pth')
# decode_head.type says what pools: VortexHead, or DeepLabV3Head for ASPP; the other keys fit both.
model = dict(
    type='EncoderDecoder',
    num_classes=21,
    norm_cfg=dict(type='SyncBN', requires_grad=True),
    align_corners=True,
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        bgr_to_rgb=True,
        pad_val=-1,  # black
        seg_pad_val=255,
        size=(512, 512),
        test_cfg=dict(size=(512, 512))),
    backbone=dict(type='ResNetV2', depth=50, output_stride=16, multi_grid=(1, 2, 4)),
    decode_head=dict(
        type='VortexHead',
        in_index=3,
        channels=256,
        first_kernel=1,  # 3: the paper's branch of rate 1, and 4,194,304 parameters more
        pool_first=True,
        block=False,
        project_dropout=0.0,
        conv_bias=True,
        act_cfg=None,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0, avg_non_ignore=True)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
