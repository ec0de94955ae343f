"""DeepLabV3 as in its paper, ResNet-101, output stride 8, PASCAL VOC 2012 train, phase 2 of 2: batch norm frozen.

The paper's second phase on 1,464 photos instead of 2,913, so that VOC val still measures. It starts from the last
checkpoint of phase 1, in work_dirs/deeplabv3-paper_r101-d16-mg124_4xb4-30k_voc12aug-513x513.

Protocol:
    Source: DeepLabV3 (arXiv 1706.05587); momentum, weight decay and steps of the scale from its authors' code
    Split: VOC train, 1,464 photos; scored on VOC val, 1,449 photos
    Resize: training by 0.5 to 2 in steps of 0.25; evaluation none, padded to 513x513 for the network
    Output stride: 8
    Test-time fusion: none; with --tta scales 0.5 to 1.75 and mirror images, probabilities averaged
    Batch norm: frozen: running statistics are used and kept, factors do not learn
    Batch: 16 = 4 processes x 4 (the paper does not state it for this phase)
    Published: none for this split
    Not comparable: the paper's second phase learns from trainval and is scored on VOC test; its authors' code mentions
        a rate of 0.0001, the paper 0.001

Command: tools/dist_train.sh configs/deeplabv3_paper/deeplabv3-paper_r101-d8-mg124_4xb4-30k_voc12-513x513.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3-paper_r101-d16-mg124_4xb4-30k_voc12aug-513x513.py']
load_from = 'work_dirs/deeplabv3-paper_r101-d16-mg124_4xb4-30k_voc12aug-513x513'
model = dict(
    norm_eval=True,
    norm_cfg=dict(requires_grad=False),
    backbone=dict(output_stride=8, init_cfg=None))  # all weights are those of phase 1
train_dataloader = dict(
    dataset=dict(
        data_prefix=dict(seg_map_path='SegmentationClass'),
        ann_file='ImageSets/Segmentation/train.txt'))
optim_wrapper = dict(optimizer=dict(lr=0.001))
