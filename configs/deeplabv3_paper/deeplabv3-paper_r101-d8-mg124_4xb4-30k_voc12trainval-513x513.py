"""DeepLabV3 as in its paper, ResNet-101, output stride 8, PASCAL VOC 2012 trainval, phase 2 of 2, for the test server.

VOC val is among the training photos, so nothing is validated: tools/test.py writes a palette PNG for each of the 1,456
photos of VOC test, into the folder of test_evaluator.output_dir, for the server that has their labels. To measure on
VOC val train deeplabv3-paper_r101-d8-mg124_4xb4-30k_voc12-513x513.py instead.

Protocol:
    Source: DeepLabV3 (arXiv 1706.05587); momentum, weight decay and steps of the scale from its authors' code
    Split: VOC trainval, 2,913 photos; predicted for VOC test, 1,456 photos
    Resize: training by 0.5 to 2 in steps of 0.25; evaluation none, padded to 513x513 for the network
    Output stride: 8
    Test-time fusion: none; with --tta scales 0.5 to 1.75 and mirror images, probabilities averaged
    Batch norm: frozen: running statistics are used and kept, factors do not learn
    Batch: 16 = 4 processes x 4 (the paper does not state it for this phase)
    Published: mIoU 85.7 on VOC test, with COCO, scales and mirror images, and photos of five rare classes twice
    Not comparable: no COCO phase and no doubled photos here; its authors' code mentions a rate of 0.0001, the paper
        0.001; any score on VOC val would be one of training photos

Command: tools/dist_train.sh configs/deeplabv3_paper/deeplabv3-paper_r101-d8-mg124_4xb4-30k_voc12trainval-513x513.py 4
Score here: not yet run.
"""
_base_ = ['./deeplabv3-paper_r101-d8-mg124_4xb4-30k_voc12-513x513.py']
train_dataloader = dict(dataset=dict(ann_file='ImageSets/Segmentation/trainval.txt'))
val_dataloader = None
val_cfg = None
val_evaluator = None
default_hooks = dict(checkpoint=dict(save_best=None))
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PascalVOCDataset',
        data_root='data/VOCdevkit/VOC2012',
        data_prefix=dict(img_path='JPEGImages'),
        ann_file='ImageSets/Segmentation/test.txt',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]))
test_evaluator = dict(type='IoUMetric', format_only=True, output_dir='results/VOC2012/Segmentation/comp6_test_cls')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)],
            [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0.0, 1.0)],
            [dict(type='PackSegInputs')],
        ])
]
