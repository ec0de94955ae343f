"""DeepLabV3 with the image pool alone, MobileNetV2, output stride 8, PASCAL VOC 2012: fine-tuning of Google's weights.

Protocol:
    Source: tensorflow/models research/deeplab, mobilenetv2_coco_voc_trainval, whose weights
        `import_weights.py mobilenet-v2-pool` turns into a checkpoint.
    Split: training VOC 2012 train (1,464), evaluation VOC 2012 val (1,449); disjoint here, not in the weights.
    Resize: training 0.5 to 2.0 in steps of 0.25, crop 513x513, flip; evaluation at the photo's own size, padded at the
        bottom and on the right to 513x513 with 127.5 (0 after x / 127.5 - 1).
    Output stride: 8 in training and evaluation.
    Test-time fusion: none; --tta averages the probabilities of 6 scales (0.5 to 1.75) and their mirror images.
    Batch norm: frozen in truth (running statistics, no gradient), since the published weights have it folded.
    Batch: 16 = 1 x 16.
    Published: 80.25 mIoU on the VOC test server, output stride 8, 6 scales and flip (the source's model zoo).
    Not comparable: the weights that can be converted saw VOC trainval, so every score on val is one on training photos.
        The training recipe is that of fine-tuning (learning rate 0.0001, weight decay 0.00004); the source trained
        from COCO weights with other splits.

Command: tools/train.py configs/mobilenet_v2/mobilenet-v2-d8_deeplabv3-pool_1xb16-30k_voc12-513x513.py
Score here: this recipe not yet run. The converted weights as they are, on photos that they were trained on: 84.12 mIoU
    and 96.73 pixel accuracy on the 321 of val_2007; on the first 160 of them 83.57 and 96.78, with --tta 85.28 and
    97.15.
"""
_base_ = [
    '../_base_/models/deeplabv3-pool_mobilenet-v2.py', '../_base_/datasets/pascal_voc12_513x513.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_30k.py'
]
# Starting from the converted weights: load_from='work_dirs/mnv2.pth'.
optim_wrapper = dict(optimizer=dict(lr=1e-4, weight_decay=4e-5))
