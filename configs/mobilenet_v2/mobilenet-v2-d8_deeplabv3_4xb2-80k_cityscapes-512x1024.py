"""DeepLabV3, MobileNetV2, output stride 8, Cityscapes, crops of 512x1024.

MMSegmentation publishes 73.84 mIoU (single scale) for this recipe.
Every block behind a stage without its stride is dilated, as in tensorflow/models. MMSegmentation dilates the
first block of a stage alone; for its weights set in backbone: output_stride=None,
strides=(1, 2, 2, 1, 1, 1, 1), dilations=(1, 1, 1, 2, 2, 4, 4).
Command: tools/dist_train.sh configs/mobilenet_v2/mobilenet-v2-d8_deeplabv3_4xb2-80k_cityscapes-512x1024.py 4
Score here: not yet run.
"""
_base_ = ['../deeplabv3/deeplabv3_r50-d8_4xb2-80k_cityscapes-512x1024.py']
model = dict(backbone=dict(
    _delete_=True, type='MobileNetV2', output_stride=8,
    init_cfg=dict(type='Pretrained', checkpoint='mmcls://mobilenet_v2')))
