"""DeepLabV3, ResNetV1c-18 from random weights, output stride 16, CamVid, crops of 256x256: a run for a CPU.

The heads learn at ten times the backbone's rate.
Command: tools/train.py configs/deeplabv3/deeplabv3_r18-d16_1xb4-1600_camvid-256x256.py --amp
Score here: 39.0 mIoU on val after 22 minutes on one CPU core (docs/camvid.md).
"""
_base_ = [
    '../_base_/models/deeplabv3_r50-d8.py', '../_base_/datasets/camvid.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_20k.py'
]
model = dict(
    num_classes=11,
    data_preprocessor=dict(size=(256, 256)),
    backbone=dict(depth=18, output_stride=16, init_cfg=None),
    decode_head=dict(channels=128),
    auxiliary_head=dict(channels=64))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.), auxiliary_head=dict(lr_mult=10.))))
# A floor would break the ratio of ten towards the end.
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=0, by_epoch=False)]
train_cfg = dict(max_iters=1600, val_interval=400)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=400))
