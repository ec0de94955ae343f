"""Vortex pooling, ResNetV2-101, output stride 16, PASCAL VOC 2012 with SBD, phase 1 of 2: batch norm learns.

Protocol:
    Source: MTCloudVision/deeplabv3-mxnet_gluon (Deeplab_V3 gluon) with its option for Vortex pooling
    Split: 10,582 photos of VOC train and SBD without VOC val; scored on VOC val, 1,449 photos
    Resize: training to a short side of 260 to 1040, mirrored, turned by up to 10 degrees, crops of 512x512, half of
        them blurred by a radius from 0 to 1; evaluation none, padded to 512x512 for the network
    Output stride: 16
    Test-time fusion: none; --tta (6 scales from 0.5 to 1.75 and mirror images, probabilities averaged) is not the
        source's
    Batch norm: learns, over the 16 images of a batch
    Batch: 16 = 4 processes x 4
    Published: pixel accuracy about 95 %, mIoU about 73, on VOC val, by its commands ResNet-50 with ASPP
    Not comparable: its code trains on trainval, photos of val among them, though its comment says train_aug first; the
        published figures are read off that, over 46 epochs (8,372 iterations of trainval), here 30,000; its rate is
        GluonCV's poly with power 0.9, here the paper's, 1 - i / 30000; in a strided block without a projection its
        shortcut skips from the map behind bn1 and ReLU, here from the block's input, the identity of He et al.; padded
        and turned-in labels are background there and void here; its mean loss counts void pixels as 0, here they are
        left out; its evaluation masks real pixels and scores padding, since width and height are swapped, and leaves
        out the last incomplete batch; batch norm is not synchronised there

Start: random weights; the source starts from Gluon's, which have no PyTorch form that segkit could fetch: a file of
yours goes into model.backbone.init_cfg.
ASPP instead: --cfg-options model.decode_head.type=DeepLabV3Head (in both phases, with a --work-dir of its own).
Command: tools/dist_train.sh configs/vortex/vortex_r101v2-d16_4xb4-30k_voc12aug-512x512.py 4
Score here: not yet run.
"""
_base_ = ['./vortex_r50v2-d16_4xb4-30k_voc12aug-512x512.py']
model = dict(backbone=dict(depth=101))
