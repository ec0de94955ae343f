# As pascal_voc12_aug_paper_513x513.py, with the 1,464 photos of VOC train and 16 in a process.
_base_ = './pascal_voc12_aug_paper_513x513.py'
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        data_prefix=dict(seg_map_path='SegmentationClass'),
        ann_file='ImageSets/Segmentation/train.txt'))
