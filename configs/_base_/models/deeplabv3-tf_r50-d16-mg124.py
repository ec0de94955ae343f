# DeepLabV3 as DeepLabV3-Tensorflow assembles it: a slim ResNet-50 (7x7 stem, a stage's stride on the 3x3 of its last
# block) at output stride 16 with the grid (1, 2, 4) multiplying the last stage's rate, and the head of the paper: 1x1,
# three 3x3 with rates 6, 12, 18 and the image pool, a 1x1 projection and the classifier. 39,048,533 parameters.
# Batch norms keep 0.9997 of their statistics at each step.
model = dict(
    type='EncoderDecoder',
    num_classes=21,
    norm_cfg=dict(type='SyncBN', momentum=0.0003, requires_grad=True),
    # TensorFlow 1 reads logit y * 33 / 513 for the pixel y: from pixel 0 on logit 0, as align_corners=True does, but
    # 0.94 logits (15 pixels) past the place that the last logit looks at. True has y / 16, where the convolutions are.
    align_corners=True,
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[104.00698793, 116.66876762, 122.67891434],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_val=0,
        seg_pad_val=255,
        size=(513, 513)),
    # The source starts from slim's resnet_v1_50, which is trained on RGB, and feeds it BGR. Caffe's ResNet-50 has its
    # strides where style='slim' computes the same function, and is trained on BGR without a divisor.
    backbone=dict(
        type='ResNet',
        depth=50,
        style='slim',
        output_stride=16,
        multi_grid=(1, 2, 4),
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://detectron2/resnet50_caffe')),
    decode_head=dict(
        type='DeepLabV3Head',
        in_index=3,
        channels=256,
        block=False,
        project_dropout=0.0,
        dropout_ratio=0.0,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0, avg_non_ignore=True)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
