# DeepLabV3 (arXiv 1706.05587) as pytorch-segmentation-toolbox builds it: all but the decode head is its PSPNet's. The
# head has branches of 256 channels with the image pool first and a 1x1 projection to 512, leaky ReLU behind each.
_base_ = ['./pspnet-toolbox_r101s-d8.py']
model = dict(
    decode_head=dict(
        _delete_=True,
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
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0, avg_non_ignore=True)))
