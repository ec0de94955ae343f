"""Vortex pooling, ResNetV2-50, output stride 8, PASCAL VOC 2012, phase 2 of 2: batch norm frozen.

It starts from the last checkpoint of phase 1, in work_dirs/vortex_r50v2-d16_4xb4-30k_voc12aug-512x512.

Protocol:
    Source: MTCloudVision/deeplabv3-mxnet_gluon (Deeplab_V3 gluon) with its option for Vortex pooling
    Split: VOC train, 1,464 photos; scored on VOC val, 1,449 photos
    Resize: training to a short side of 260 to 1040, mirrored, turned by up to 10 degrees, crops of 512x512, half of
        them blurred by a radius from 0 to 1; evaluation none, padded to 512x512 for the network
    Output stride: 8
    Test-time fusion: none; --tta (6 scales from 0.5 to 1.75 and mirror images, probabilities averaged) is not the
        source's
    Batch norm: frozen: running statistics are used and kept, factors do not learn
    Batch: 8 = 4 processes x 2
    Published: pixel accuracy about 96 %, mIoU about 77, on VOC val, by its commands ResNet-50 with ASPP
    Not comparable: it trains this phase on trainval, so that every photo of val is a training photo, over 83 epochs
        (30,212 iterations) after the 46 of phase 1, here 30,000 after 30,000; its frozen batch norm still normalises
        by each batch; its last stage at stride 8 runs rate 1 by a slip, here 4, 8, 16 as meant; shortcut, poly rate,
        labels, loss and evaluation as in phase 1

ASPP instead: --cfg-options model.decode_head.type=DeepLabV3Head load_from=<the run folder of its phase 1>.
Command: tools/dist_train.sh configs/vortex/vortex_r50v2-d8_4xb2-30k_voc12-512x512.py 4
Score here: not yet run.
"""
_base_ = ['./vortex_r50v2-d16_4xb4-30k_voc12aug-512x512.py']
load_from = 'work_dirs/vortex_r50v2-d16_4xb4-30k_voc12aug-512x512'
model = dict(
    norm_eval=True,
    norm_cfg=dict(requires_grad=False),
    backbone=dict(output_stride=8, init_cfg=None))  # all weights are those of phase 1
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        data_prefix=dict(seg_map_path='SegmentationClass'),
        ann_file='ImageSets/Segmentation/train.txt'))
auto_scale_lr = dict(base_batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=0.001))
