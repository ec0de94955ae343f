# As pascal_voc12_aug_gluoncv_480x480.py, with the 1,464 photos of VOC train. GluonCV trains on train and val together.
_base_ = './pascal_voc12_aug_gluoncv_480x480.py'
train_dataloader = dict(
    dataset=dict(
        data_prefix=dict(seg_map_path='SegmentationClass'),
        ann_file='ImageSets/Segmentation/train.txt'))
