# As pascal_voc12_gluoncv_480x480.py, with the 10,582 photos of VOC train and SBD. GluonCV's pascal_aug has 11,355,
# SBD's train and val, in which photos of VOC val are.
_base_ = './pascal_voc12_gluoncv_480x480.py'
train_dataloader = dict(
    dataset=dict(
        data_prefix=dict(seg_map_path=['SegmentationClass', 'SegmentationClassAug']),
        ann_file=['ImageSets/Segmentation/train.txt', 'ImageSets/Segmentation/aug.txt']))
