# DeepLabV2's schedule: 20,000 updates, poly learning rate 1 - i / N (hence `end`, one more than train_cfg.max_iters).
# The classifier learns ten times as fast as the backbone, its biases twenty times and without weight decay. Of two keys
# that a name contains the longer one counts.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=0.0005),
    paramwise_cfg=dict(
        custom_keys={
            'decode_head': dict(lr_mult=10.),
            'decode_head.conv_seg.0.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.conv_seg.1.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.conv_seg.2.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.conv_seg.3.bias': dict(lr_mult=20., decay_mult=0.),
        }),
    clip_grad=None)
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=20001, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='ProgressHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2000, max_keep_ckpts=2, save_best='mIoU'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    report=dict(type='RunReportHook'))
