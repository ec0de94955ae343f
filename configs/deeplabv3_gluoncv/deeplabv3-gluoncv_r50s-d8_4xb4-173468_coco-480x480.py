"""DeepLabV3 of GluonCV, ResNetV1s-50 at output stride 8, step 1 of 3: COCO as VOC classes.

Protocol:
    Source: dmlc/gluon-cv, scripts/segmentation/train.py, --dataset coco --lr 0.01, 30 epochs
    Split: COCO train2017 (92,516 images of more than 1,000 labelled pixels), evaluation on val2017 by the same rule
    Resize: training: long side to 260 to 1,040 pixels, padding at the bottom and the right, crops of 480x480, Gaussian
        blur of one half by a radius from 0 to 1; evaluation at the original size, whole
    Output stride: 8
    Test-time fusion: none; with --tta the exponentials of the scores are averaged over long sides of 260, 390, 520,
        650, 780 and 910 pixels and their mirror images; in the source's windows with --cfg-options
        model.test_cfg.mode=slide "model.test_cfg.crop_size=(480,480)" "model.test_cfg.stride=(320,320)"
    Batch norm: statistics over all processes, trained
    Batch: 16 = 4 x 4
    Published: none
    Not comparable: the script of the published run states no epochs, of which the default is 50; 30 are those of the
        description followed here.
        The source labels padding as background, here it is void, and the mean is over the valid pixels; its validation
        is of 480x480 cut from the middle, here of whole photos. With several scales it takes the exponential of the
        sum of an image's and its mirror image's scores, here each has its own, and it pads windows with black.

Start: ImageNet weights of GluonCV's resnet50_v1s in PyTorch's form, with --cfg-options model.pretrained=<their path>;
without them, random weights.
Command: tools/dist_train.sh configs/deeplabv3_gluoncv/deeplabv3-gluoncv_r50s-d8_4xb4-173468_coco-480x480.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3-gluoncv_r101s-d8_4xb4-173468_coco-480x480.py']
model = dict(backbone=dict(depth=50))
