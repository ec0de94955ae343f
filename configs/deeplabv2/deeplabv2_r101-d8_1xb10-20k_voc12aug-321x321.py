"""DeepLabV2 (summed ASPP), Caffe's ResNet-101, output stride 8, PASCAL VOC 2012 with SBD, crops of 321x321.

Protocol:
    Source: DeepLab-ResNet-Pytorch (speedinghzl/Pytorch-Deeplab), a port of DeepLabV2 (arXiv 1606.00915).
    Split: trainaug 10,582 for training, val 1,449 for validation (official masks); no photo is in both.
    Resize: training: 0.5, 0.6, ..., 1.6 of the photo's own size, crop 321, flip; padding has the mean colour and
        label 255. Evaluation: the photo's own size, padded at the right and the bottom to 505x505 with the mean colour;
        scores enlarged with align_corners=True, cut back, and compared with the mask at its own size.
    Output stride: 8, rates 2 and 4 in the last stages, ASPP rates 6, 12, 18, 24.
    Test-time fusion: none. --tta (6 scales from 0.5 to 1.75 and mirror images, probabilities averaged) is not the
        source's.
    Batch norm: frozen: running statistics in training too, scale and shift not learnt.
    Batch: 10 = 1 process x 10
    Published: 74.0 mIoU on val (single scale, no CRF).
    Not comparable: the source starts from weights trained on COCO, this file from ImageNet weights. Its model.train()
        leaves batch norm on batch statistics although scale and shift are fixed; here it is frozen, as in Caffe and
        kazuto1011's port. Its parameter list yields a stage's convolution three times and a shortcut's four times, so
        that old versions of SGD stepped them as often (its issue 18); here once. Its classifier's biases learn 10
        times as fast with decay, here 20 times without, as in Caffe. Its random scale and flip are options that are
        off by default; here on. Its page pairs 76.4 without CRF with 79.7 with CRF as results on test: 76.35 is the
        paper's number on val (77.69 with CRF there), 79.7 its number on test with CRF. Released checkpoints that
        score 86.9 (DrSleep) and 90.9 (train2_iter_20000) on val were trained on it.

Command: tools/train.py configs/deeplabv2/deeplabv2_r101-d8_1xb10-20k_voc12aug-321x321.py
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv2_r101-d8.py', '../_base_/datasets/pascal_voc12_aug_321x321.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_deeplabv2_20k.py'
]
