"""DeepLabV3, ResNetV1c-50, output stride 8, PASCAL Context-59, crops of 480x480, sliding windows in validation.

MMSegmentation has this recipe and publishes no score for it.
Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r50-d8_4xb4-80k_pascal-context-59-480x480.py 4
Score here: not yet run.
"""
_base_ = [
    '../_base_/models/deeplabv3_r50-d8.py', '../_base_/datasets/pascal_context_59.py',
    '../_base_/default_runtime.py', '../_base_/schedules/schedule_80k.py'
]
model = dict(
    num_classes=59,
    data_preprocessor=dict(size=(480, 480)),
    test_cfg=dict(mode='slide', crop_size=(480, 480), stride=(320, 320)))
optim_wrapper = dict(optimizer=dict(lr=0.004, weight_decay=0.0001))
