"""PSPNet, ResNetV1c-50, output stride 8, Cityscapes, crops of 769x769, sliding windows in validation.

MMSegmentation publishes 78.26 / 79.88 mIoU (single scale / multi-scale and flip) for this recipe.
Command: tools/dist_train.sh configs/pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-769x769.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/pspnet_r50-d8.py', '../_base_/datasets/cityscapes_769x769.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_40k.py'
]
model = dict(
    num_classes=19,
    align_corners=True,
    data_preprocessor=dict(size=(769, 769)),
    test_cfg=dict(mode='slide', crop_size=(769, 769), stride=(513, 513)))
