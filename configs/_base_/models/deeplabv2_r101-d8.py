# DeepLabV2 (arXiv 1606.00915) as DeepLab-ResNet-Pytorch has it: ResNet-101 of Caffe (a block's stride on its first 1x1
# convolution, max pooling that rounds up, every block of the third and fourth stage at rate 2 and 4), four 3x3
# convolutions to the classes that are summed. Their rates follow the output stride: 6, 12, 18, 24 at 8. Batch norm is
# frozen in truth: running statistics, nothing learnt.
# The source starts from MS_DeepLab_resnet_pretrained_COCO_init.pth, a DeepLab trained on COCO, which is a file of the
# user's. The ImageNet weights named here are of the same network and in BGR too; they know nothing of COCO.
model = dict(
    type='EncoderDecoder',
    num_classes=21,
    norm_cfg=dict(type='SyncBN', requires_grad=False),
    norm_eval=True,
    align_corners=True,
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[104.00698793, 116.66876762, 122.67891434],  # BGR
        std=[1., 1., 1.],
        bgr_to_rgb=False,
        pad_val=0,  # behind the subtraction: the mean colour
        seg_pad_val=255,
        size=(321, 321),
        test_cfg=dict(size=(505, 505))),
    backbone=dict(
        type='ResNet',
        depth=101,
        style='caffe',
        ceil_mode=True,
        contract_dilation=False,
        output_stride=8,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://detectron2/resnet101_caffe')),
    decode_head=dict(
        type='DeepLabV2Head',
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0, avg_non_ignore=True)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
