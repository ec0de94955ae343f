"""PSPNet with hard example mining of pytorch-segmentation-toolbox, ResNetV1s-101 at output stride 8, Cityscapes.

Protocol:
    Source: speedinghzl/pytorch-segmentation-toolbox, networks/pspnet.py, loss/loss.py, train.py and run_local.sh
    Split: Cityscapes fine: training on train (2,975), evaluation on val (500)
    Resize: training by one of 0.7, 0.8, ..., 2.1 of the frame's own size, crops of 769x769 (padded with the
        mean colour and label 255), flip; evaluation at the original size, windows of 769x769 every 513
        pixels, the last one shifted back, scores averaged
    Output stride: 8
    Test-time fusion: none; with --tta scores are averaged over 0.75, 1, 1.25, 1.5, 1.75, 2 and their mirror images, of
        whole frames as in the source with --cfg-options model.test_cfg.mode=whole
    Batch norm: statistics over all processes, trained; leaky ReLU behind it in the heads
    Batch: 8 = 4 x 2
    Published: none
    Not comparable: the source gives no score. Its mirror images are never predicted (it compares a flag with the string
        'True'), it scales frames for --whole with corner-aligned points, OpenCV's half pixels here, and brings each
        scale's scores to the frame in one step, here in two. Leaky ReLU is that of its InPlaceABN; its later branch
        for PyTorch 1.1 has ReLU.

The main head alone learns from hard pixels: thres and min_kept are --ohem-thres and --ohem-keep of the source.
Start: MIT's resnet101-imagenet.pth, with --cfg-options model.pretrained=<its path>; without it, random weights.
Command: tools/dist_train.sh configs/pspnet_toolbox/pspnet-toolbox_r101-d8-ohem_4xb2-40k_cityscapes-769x769.py 4
Score here: not yet run.
"""
_base_ = ['./pspnet-toolbox_r101-d8_4xb2-40k_cityscapes-769x769.py']
model = dict(
    decode_head=dict(
        loss_decode=dict(_delete_=True, type='OhemCrossEntropy', thres=0.6, min_kept=200000, search_stride=8)))
