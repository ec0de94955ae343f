# DeepLabV3-Tensorflow's schedule: SGD with one learning rate for all layers, poly over 600,000 iterations, validation
# and a checkpoint every 1,000. As in TensorFlow-slim, weight decay is for the weights of convolutions alone: neither
# batch norms nor the classifier's bias have any. The rate is 1 - i / N, the form of the TensorFlow programs that
# this one grew from, hence `end`.
_base_ = ['./schedule_20k.py']
optim_wrapper = dict(
    optimizer=dict(weight_decay=0.0001),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0))
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=600001, by_epoch=False)]
train_cfg = dict(max_iters=600000, val_interval=1000)
default_hooks = dict(checkpoint=dict(interval=1000))
