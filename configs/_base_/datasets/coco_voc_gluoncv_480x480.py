# As pascal_voc12_aug_gluoncv_480x480.py, with COCO's photos of coco_voc.py.
_base_ = './pascal_voc12_aug_gluoncv_480x480.py'
train_dataloader = dict(
    dataset=dict(
        type='COCOVOCDataset',
        data_root='data/coco',
        data_prefix=dict(_delete_=True, img_path='train2017'),
        ann_file='annotations/instances_train2017.json'))
val_dataloader = dict(
    dataset=dict(
        type='COCOVOCDataset',
        data_root='data/coco',
        data_prefix=dict(_delete_=True, img_path='val2017'),
        ann_file='annotations/instances_val2017.json'))
