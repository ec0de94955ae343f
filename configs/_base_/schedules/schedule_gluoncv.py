# GluonCV's scripts/segmentation/train.py: SGD with decay of every parameter, both heads at ten times the rate, poly to
# exactly 0 at the last iteration. 30 epochs of 92,516 images, 16 at a time; later steps state their rate and length.
_base_ = ['./schedule_20k.py']
optim_wrapper = dict(
    optimizer=dict(lr=0.01, weight_decay=0.0001),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.), auxiliary_head=dict(lr_mult=10.))))
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=0, by_epoch=False)]
train_cfg = dict(max_iters=173468, val_interval=17347)
default_hooks = dict(checkpoint=dict(interval=17347))
