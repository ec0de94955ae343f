"""DeepLabV3 as torchvision builds it, ResNet-101, output stride 8, PASCAL VOC 2012 with SBD, crops of 512x512.

The network of torchvision's deeplabv3_resnet101 (67.4 mIoU and 92.4 pixel accuracy on COCO's val with VOC's classes);
see the file of ResNet-50.
Command: tools/dist_train.sh configs/deeplabv3_torchvision/deeplabv3-torchvision_r101-d8_4xb4-20k_voc12aug-512x512.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3-torchvision_r50-d8_4xb4-20k_voc12aug-512x512.py']
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')))
