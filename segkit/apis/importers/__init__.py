"""Other projects' files of weights: what each of their keys is here, and in which network they compute the same."""
from collections.abc import Mapping

import torch
from mmengine.registry import DefaultScope
from torch import Tensor

from segkit.apis.importers import (
    deeplab_resnet_pytorch,
    gluoncv,
    mmsegmentation,
    mobilenet_v2_pool,
    segmentation_toolbox,
    smp,
    torchvision,
)
from segkit.errors import CheckpointError
from segkit.registry import BACKBONES

SOURCES = {
    'torchvision': torchvision,
    'smp': smp,
    'gluoncv': gluoncv,
    'deeplab-resnet-pytorch': deeplab_resnet_pytorch,
    'segmentation-toolbox': segmentation_toolbox,
    'mmsegmentation': mmsegmentation,
    'mobilenet-v2-pool': mobilenet_v2_pool,
}


def takers(weights: Mapping[str, Tensor]) -> list[str]:
    """The sources, keys of ``SOURCES``, that have a place for each key of a file."""
    found = []
    for source, module in SOURCES.items():
        try:
            plan = module.plan(weights)
        except (CheckpointError, LookupError, TypeError):  # a key that this file has not, or a scalar in its place
            continue
        names = {plan.name_of(key) for key in weights if not plan.reason_of(key)}
        if plan.backbone:  # most of these take any key by its own name
            with torch.device('meta'), DefaultScope.overwrite_default_scope('segkit'):
                names = names if names <= set(BACKBONES.build(dict(plan.backbone)).state_dict()) else {None}
        if names and None not in names:
            found.append(source)
    return found
