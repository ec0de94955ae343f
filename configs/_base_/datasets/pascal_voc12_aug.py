# PASCAL VOC 2012, train enlarged by SBD to 10,582 photos: official masks where they exist, SBD masks
# (no void border) for the other 9,118.
_base_ = './pascal_voc12.py'
train_dataloader = dict(
    dataset=dict(
        data_prefix=dict(seg_map_path=['SegmentationClass', 'SegmentationClassAug']),
        ann_file=['ImageSets/Segmentation/train.txt', 'ImageSets/Segmentation/aug.txt']))
