"""DeepLabV3 of GluonCV, ResNetV1s-101 at output stride 8, step 3 of 3: PASCAL VOC 2012.

Protocol:
    Source: dmlc/gluon-cv, scripts/segmentation/train.py, --dataset pascal_voc --lr 0.0001, 50 epochs
    Split: VOC train (1,464), evaluation on val (1,449)
    Resize: training: long side to 260 to 1,040 pixels, padding at the bottom and the right, crops of 480x480, Gaussian
        blur of one half by a radius from 0 to 1; evaluation at the original size, whole
    Output stride: 8
    Test-time fusion: none; with --tta the exponentials of the scores are averaged over long sides of 260, 390, 520,
        650, 780 and 910 pixels and their mirror images; in the source's windows with --cfg-options
        model.test_cfg.mode=slide "model.test_cfg.crop_size=(480,480)" "model.test_cfg.stride=(320,320)"
    Batch norm: statistics over all processes, trained
    Batch: 16 = 4 x 4
    Published: 86.2 mIoU on the test server of VOC
    Not comparable: the source's pascal_voc trains on VOC train and val (2,913), so that its val score, 92.8 mIoU, is
        one on training photos; here val is in no step.
        The source labels padding as background, here it is void, and the mean is over the valid pixels; its validation
        is of 480x480 cut from the middle, here of whole photos. With several scales it takes the exponential of the
        sum of an image's and its mirror image's scores, here each has its own, and it pads windows with black.

It goes on from the last checkpoint of step 2, in the run folder of that config's name.
Command: tools/dist_train.sh configs/deeplabv3_gluoncv/deeplabv3-gluoncv_r101s-d8_4xb4-4575_voc12-480x480.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3-gluoncv_r101s-d8.py', '../_base_/datasets/pascal_voc12_gluoncv_480x480.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_gluoncv.py'
]
tta_model = dict(fusion='exp')
load_from = 'work_dirs/deeplabv3-gluoncv_r101s-d8_4xb4-33069_voc12aug-480x480'
optim_wrapper = dict(optimizer=dict(lr=0.0001))
train_cfg = dict(max_iters=4575, val_interval=458)
default_hooks = dict(checkpoint=dict(interval=458))
