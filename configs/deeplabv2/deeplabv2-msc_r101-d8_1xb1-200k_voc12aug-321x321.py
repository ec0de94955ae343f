"""DeepLabV2 with MSC (three sizes of each image), Caffe's ResNet-101, output stride 8, PASCAL VOC 2012 with SBD.

Protocol:
    Source: DeepLab-ResNet-Pytorch (speedinghzl/Pytorch-Deeplab), train_msc.py.
    Split: trainaug 10,582 for training, val 1,449 for validation (official masks); no photo is in both.
    Resize: training: 0.5, 0.6, ..., 1.6 of the photo's own size, crop 321, flip; the network sees crops of 321, 240 and
        160. The maximum learns from the crop's 321 labels a side, each size from as many as it has scores (41, 31 and
        21), taken from corner to corner. Evaluation: the photo's own size, padded to 505x505; the network sees 505,
        378 and 252.
    Output stride: 8, rates 2 and 4 in the last stages, ASPP rates 6, 12, 18, 24.
    Test-time fusion: largest score over sizes 1, 0.75 and 0.5, then enlarged. --tta (views of 6 scales and mirror
        images besides, probabilities averaged) is not the source's.
    Batch norm: frozen: running statistics in training too, scale and shift not learnt.
    Batch: 10 = 1 process x 1 x 10 accumulated
    Published: none by the source (its page says "in progress"). For the same network kazuto1011's port has 76.65 mIoU
        on val (77.93 with CRF), the paper 76.35 (77.69 with CRF).
    Not comparable: initial weights and batch norm as in deeplabv2_r101-d8_1xb10-20k_voc12aug-321x321.py; with batch
        norm on statistics of a single image the source is farther from Caffe here than there. Its first update holds
        11 images, here every one 10. Ports differ in which losses see shrunk labels: for kazuto1011's form set
        model.scale_labels and max_labels='nearest-exact', for Caffe's both 'corner-aligned'. Its
        evaluation takes 0.75 and 0.5 of the photo without its padding, which distorts; here of the padded input.
        isht7's port averages IoU per image (78.48; 72.40 over the data set).

Command: tools/train.py configs/deeplabv2/deeplabv2-msc_r101-d8_1xb1-200k_voc12aug-321x321.py
Score here: not yet run.
"""
_base_ = ['./deeplabv2_r101-d8_1xb10-20k_voc12aug-321x321.py']
model = dict(
    type='MultiScaleEncoderDecoder',
    scales=(0.75, 0.5),
    size_rule='floor',
    scale_labels='corner-aligned',
    max_labels='full')
train_dataloader = dict(batch_size=1)
optim_wrapper = dict(accumulative_counts=10)
# 20,000 updates of ten images, one in an iteration. An update happens at the last of its ten iterations, so the rate
# begins to fall there: update u has 1 - u / 20,000, as iteration u has in the file with ten images at once.
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=9, end=200010, by_epoch=False)]
train_cfg = dict(max_iters=200000, val_interval=20000)
default_hooks = dict(logger=dict(interval=500), checkpoint=dict(interval=20000))
