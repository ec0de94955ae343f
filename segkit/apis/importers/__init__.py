"""Other projects' files of weights: what each of their keys is here, and in which network they compute the same."""
from segkit.apis.importers import (
    deeplab_resnet_pytorch,
    gluoncv,
    mmsegmentation,
    mobilenet_v2_pool,
    segmentation_toolbox,
    smp,
    torchvision,
)

SOURCES = {
    'torchvision': torchvision,
    'smp': smp,
    'gluoncv': gluoncv,
    'deeplab-resnet-pytorch': deeplab_resnet_pytorch,
    'segmentation-toolbox': segmentation_toolbox,
    'mmsegmentation': mmsegmentation,
    'mobilenet-v2-pool': mobilenet_v2_pool,
}
