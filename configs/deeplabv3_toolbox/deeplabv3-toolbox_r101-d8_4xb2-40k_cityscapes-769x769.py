"""DeepLabV3 of pytorch-segmentation-toolbox, ResNetV1s-101 at output stride 8, Cityscapes.

Protocol:
    Source: speedinghzl/pytorch-segmentation-toolbox, networks/deeplabv3.py, train.py and run_local.sh
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

The source's --ohem is the file deeplabv3-toolbox_r101-d8-ohem_4xb2-40k_cityscapes-769x769.py.
Start: MIT's resnet101-imagenet.pth, with --cfg-options model.pretrained=<its path>; without it, random weights.
Command: tools/dist_train.sh configs/deeplabv3_toolbox/deeplabv3-toolbox_r101-d8_4xb2-40k_cityscapes-769x769.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3-toolbox_r101s-d8.py', '../_base_/datasets/cityscapes_toolbox_769x769.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_toolbox.py'
]
tta_model = dict(fusion='logit')
