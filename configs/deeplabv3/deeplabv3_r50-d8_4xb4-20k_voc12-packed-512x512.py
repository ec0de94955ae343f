"""DeepLabV3, ResNetV1c-50, output stride 8, PASCAL VOC 2012 train (1,464) from packed records, crops of 512x512.

The run of deeplabv3_r50-d8_4xb4-20k_voc12-512x512.py, bit by bit, with two files in the place of 5,826. To make them:
python tools/dataset_converters/pack.py voc12.py data/packed/voc12, with that config's path in the place of voc12.py.
Command: tools/dist_train.sh configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12-packed-512x512.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3_r50-d8_4xb4-20k_voc12-512x512.py']
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='PackedDataset',
        data_root='data/packed/voc12',
        ann_file='train.lmdb',
        packed_from='PascalVOCDataset',
        pipeline=_base_.train_dataloader.dataset.pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='PackedDataset',
        data_root='data/packed/voc12',
        ann_file='val.lmdb',
        packed_from='PascalVOCDataset',
        pipeline=_base_.val_dataloader.dataset.pipeline))
