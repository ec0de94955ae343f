"""DeepLabV2 with LargeFOV (one branch of rate 12), Caffe's ResNet-101, output stride 8, PASCAL VOC 2012 with SBD.

Protocol:
    Source: DeepLabV2 (arXiv 1606.00915), its row LargeFOV; schedule as DeepLab-ResNet-Pytorch.
    Split: trainaug 10,582 for training, val 1,449 for validation (official masks); no photo is in both.
    Resize: training: 0.5, 0.6, ..., 1.6 of the photo's own size, crop 321, flip; padding has the mean colour and
        label 255. Evaluation: the photo's own size, padded to 505x505.
    Output stride: 8, rates 2 and 4 in the last stages, 12 in the classifier.
    Test-time fusion: none. --tta (6 scales from 0.5 to 1.75 and mirror images, probabilities averaged) is not the
        source's.
    Batch norm: frozen: running statistics in training too, scale and shift not learnt.
    Batch: 10 = 1 process x 10
    Published: 75.54 mIoU on val in the paper's table 4, with MSC, COCO and scaling in training.
    Not comparable: this file has neither MSC nor weights from COCO. DeepLab-ResNet-Pytorch publishes no number for
        LargeFOV; the number above is recalled from the paper's table.

Command: tools/train.py configs/deeplabv2/deeplabv2-largefov_r101-d8_1xb10-20k_voc12aug-321x321.py
Score here: not yet run.
"""
_base_ = ['./deeplabv2_r101-d8_1xb10-20k_voc12aug-321x321.py']
model = dict(decode_head=dict(dilations=(12,)))
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            '_delete_': True,
            'decode_head': dict(lr_mult=10.),
            'decode_head.conv_seg.0.bias': dict(lr_mult=20., decay_mult=0.),
        }))
