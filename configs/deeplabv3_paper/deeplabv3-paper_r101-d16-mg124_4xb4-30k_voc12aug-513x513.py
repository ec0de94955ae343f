"""DeepLabV3 as in its paper, ResNet-101, output stride 16, PASCAL VOC 2012 with SBD, phase 1 of 2: batch norm learns.

The modes of its table by one command: python tools/analysis/test_modes.py CONFIG CHECKPOINT --output-strides 16 8

Protocol:
    Source: DeepLabV3 (arXiv 1706.05587); momentum, weight decay and steps of the scale from its authors' code
    Split: 10,582 photos of VOC train and SBD without VOC val; scored on VOC val, 1,449 photos
    Resize: training by 0.5 to 2 in steps of 0.25; evaluation none, padded to 513x513 for the network
    Output stride: 16 in training, 8 in evaluation, with the same weights
    Test-time fusion: none; with --tta scales 0.5 to 1.75 and mirror images, probabilities averaged
    Batch norm: learns, over the 16 images of a batch, momentum 0.0003
    Batch: 16 = 4 processes x 4
    Published: mIoU on VOC val (Tables 3 and 4): 77.21 at stride 16, 78.51 at 8, 79.45 with scales, 79.77 with scales
        and mirror images; with COCO 82.70
    Not comparable: the ImageNet weights are torchvision's; scores are resized by torch's rule for the centres of
        pixels, not by TensorFlow's

Command: tools/dist_train.sh configs/deeplabv3_paper/deeplabv3-paper_r101-d16-mg124_4xb4-30k_voc12aug-513x513.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3-paper_r101-d16-mg124.py', '../_base_/datasets/pascal_voc12_aug_paper_513x513.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_30k.py'
]
