# DeepLabV2's schedule: 20,000 updates, poly learning rate 1 - i / N (hence `end`, one more than train_cfg.max_iters).
# The classifier learns ten times as fast as the backbone, its biases twenty times and without weight decay. Of two keys
# that a name contains the longer one counts.
_base_ = ['./schedule_20k.py']
optim_wrapper = dict(
    optimizer=dict(lr=2.5e-4),
    paramwise_cfg=dict(
        custom_keys={
            'decode_head': dict(lr_mult=10.),
            'decode_head.conv_seg.0.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.conv_seg.1.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.conv_seg.2.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.conv_seg.3.bias': dict(lr_mult=20., decay_mult=0.),
        }))
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=20001, by_epoch=False)]
