# pytorch-segmentation-toolbox: 40,000 iterations of SGD at 0.01 for every layer, decay 5e-4 of every parameter, rate
# 0.01 * (1 - i / 40000) ** 0.9, which MMEngine's 1 - i / (end - 1) is with this end.
_base_ = ['./schedule_40k.py']
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=40001, by_epoch=False)]
