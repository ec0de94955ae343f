"""Run by a Python that has MMSegmentation: a segmentor with random weights, saved as its runs save, and its scores.

    python mmseg_side.py deeplabv3_r50 image.npy net.pth

writes net.pth (meta and state_dict), and decode_head and auxiliary_head (1, 21, H, W) to net.npz.
"""
import sys

import mmseg
import numpy
import torch
from mmseg.models import build_segmentor
from mmseg.models.utils import resize
from mmseg.utils import register_all_modules

NORM = dict(type='BN', requires_grad=True)


def config(name: str) -> dict:
    """A model as MMSegmentation's _base_ files have it."""
    method, depth = name.split('_r')
    head = dict(in_channels=2048, in_index=3, channels=512, dropout_ratio=0.1, num_classes=21, norm_cfg=NORM,
                align_corners=False, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0))
    kinds = dict(deeplabv3=dict(type='ASPPHead', dilations=(1, 12, 24, 36)),
                 pspnet=dict(type='PSPHead', pool_scales=(1, 2, 3, 6)))
    return dict(
        type='EncoderDecoder',
        backbone=dict(type='ResNetV1c', depth=int(depth), num_stages=4, out_indices=(0, 1, 2, 3),
                      dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1), norm_cfg=NORM, norm_eval=False, style='pytorch',
                      contract_dilation=True),
        decode_head={**head, **kinds[method]},
        auxiliary_head=dict(head, type='FCNHead', in_channels=1024, in_index=2, channels=256, num_convs=1,
                            concat_input=False),
        train_cfg=dict(), test_cfg=dict(mode='whole'))


def main(name: str, image: str, out: str) -> None:
    register_all_modules()
    torch.manual_seed(0)
    model = build_segmentor(config(name))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    model.eval()
    torch.save(dict(meta=dict(dataset_meta={}), state_dict=model.state_dict()), out)
    pixels = torch.from_numpy(numpy.load(image))
    with torch.no_grad():
        feats = model.extract_feat(pixels)
        scores = {part: getattr(model, part)(feats) for part in ('decode_head', 'auxiliary_head')}
        found = {part: resize(value, pixels.shape[-2:], mode='bilinear', align_corners=False).numpy()
                 for part, value in scores.items()}
    numpy.savez(out.replace('.pth', '.npz'), **found)
    print(f'MMSegmentation {mmseg.__version__}')


if __name__ == '__main__':
    main(*sys.argv[1:])
