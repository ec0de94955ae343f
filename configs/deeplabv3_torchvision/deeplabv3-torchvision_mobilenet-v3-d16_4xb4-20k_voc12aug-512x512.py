"""DeepLabV3 as torchvision builds it, MobileNetV3-large, output stride 16, PASCAL VOC 2012 with SBD, 512x512.

The network of torchvision's deeplabv3_mobilenet_v3_large: pyramid rates of 12, 24 and 36 at stride 16 too, an auxiliary
head of 10 channels on layer 4; see the file of ResNet-50. Its ImageNet weights have other names: those of
torchvision's mobilenet_v3_large go through tools/model_converters/import_weights.py, and the result into
model.backbone.init_cfg=dict(type='Pretrained', checkpoint='<it>'); without it the backbone starts from random weights.
Command: tools/dist_train.sh configs/deeplabv3_torchvision/deeplabv3-torchvision_mobilenet-v3-d16_4xb4-20k_voc12aug-512x512.py 4
Score here: not yet run.
"""  # noqa: E501
_base_ = ['./deeplabv3-torchvision_r50-d8_4xb4-20k_voc12aug-512x512.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='MobileNetV3',
        arch='large',
        out_indices=(4, 16),
        output_stride=16,
        adaptive_padding=False,
        norm_cfg=dict(type='SyncBN', eps=0.001, momentum=0.01, requires_grad=True)),
    decode_head=dict(dilations=(1, 12, 24, 36)),
    auxiliary_head=dict(in_index=0, channels=10))
