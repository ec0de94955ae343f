# DeepLabV3-Tensorflow's schedule: SGD with one learning rate for all layers, poly over 600,000 iterations, validation
# and a checkpoint every 1,000. As in TensorFlow-slim, weight decay is for the weights of convolutions alone: neither
# batch norms nor the classifier's bias have any. The rate is 1 - i / N, the form of the TensorFlow programs that
# this one grew from, hence `end`.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0001),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=None)
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=600001, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=600000, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='ProgressHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1000, max_keep_ckpts=2, save_best='mIoU'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    report=dict(type='RunReportHook'))
