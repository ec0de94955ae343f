# A phase of the DeepLabV3 paper: 30,000 iterations, poly rate lr * (1 - i / 30000)^0.9, hence `end` = max_iters + 1.
# The paper gives neither momentum nor weight decay; both are those of its authors' code.
_base_ = ['./schedule_20k.py']
optim_wrapper = dict(optimizer=dict(lr=0.007, momentum=0.9, weight_decay=0.0001))
param_scheduler = [dict(type='PolyLR', eta_min=0.0, power=0.9, begin=0, end=30001, by_epoch=False)]
train_cfg = dict(max_iters=30000, val_interval=3000)
default_hooks = dict(checkpoint=dict(interval=3000))
