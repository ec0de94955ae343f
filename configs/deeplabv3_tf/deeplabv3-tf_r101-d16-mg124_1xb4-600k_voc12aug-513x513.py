"""DeepLabV3-Tensorflow: slim ResNet-101, output stride 16, multi-grid (1, 2, 4), PASCAL VOC 2012 with SBD.

Protocol:
    Source: NanqingD/DeepLabV3-Tensorflow at commit 316c82e (1 Dec 2018), config.py and train_voc12.py, with
        its resnet_v1_101.
    Split: train 10,582 photos of VOC with SBD, val 1,449; official masks where VOC has them, which the source reads
        from SegmentationClassAug.
    Resize: training scales each photo by U(0.5, 2.0), flips half of them, pads with black and void, crops 513x513;
        evaluation at each photo's own size, every 1,000 iterations.
    Output stride: 16 in training and evaluation; last stage's rates 2, 4, 8, ASPP 6, 12, 18.
    Test-time fusion: none; one scale, no flip. --tta (6 scales from 0.5 to 1.75 and mirror images, probabilities
        averaged) is not the source's.
    Batch norm: trained, 0.9997 of the statistics kept at each step (momentum 0.0003), eps 1e-5.
    Batch: 4 = 1 process x 4.
    Published: 70.63 mIoU on val (the paper's R101: 77.21); of which depth is not known here.
    Not comparable: the start is Caffe's ResNet-101 on BGR input, since slim's weights come as a TensorFlow file and are
        trained on RGB, while the source feeds them BGR. Scores are resized with align_corners=True, which agrees with
        the convolutions; TensorFlow 1's own rule drifts by up to 15 pixels at 513. TensorFlow's max pooling pads a
        grid of even size on the right alone, here it is padded on both sides; at 513 the two are one. Published
        learning rates conflict: the README lowers 0.01 by hand, the code has poly again; poly is used.

Command: tools/train.py configs/deeplabv3_tf/deeplabv3-tf_r101-d16-mg124_1xb4-600k_voc12aug-513x513.py
Score here: not yet run.
"""
_base_ = ['./deeplabv3-tf_r50-d16-mg124_1xb4-600k_voc12aug-513x513.py']
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://detectron2/resnet101_caffe')))
