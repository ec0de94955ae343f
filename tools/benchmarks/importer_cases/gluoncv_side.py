"""Run by a Python that has mxnet and gluoncv: GluonCV's DeepLabV3 with random weights, saved, and its scores.

    python gluoncv_side.py 50 image.npy net.params

writes net.params with save_parameters, and decode_head and auxiliary_head (1, 21, H, W) to net.npz.
"""
import sys

import mxnet
import numpy
from gluoncv.model_zoo.deeplabv3 import DeepLabV3


def main(depth: str, image: str, out: str) -> None:
    pixels = numpy.load(image)
    height, width = pixels.shape[-2:]
    mxnet.random.seed(0)
    draw = numpy.random.RandomState(0)
    net = DeepLabV3(21, backbone=f'resnet{depth}', aux=True, pretrained_base=False, height=height, width=width,
                    crop_size=height)
    net.initialize(mxnet.init.Xavier())
    net(mxnet.nd.array(pixels))  # what MXNet initialises late gets its shape
    for name, parameter in net._collect_params_with_prefix().items():
        shape = parameter.shape
        if name.endswith(('gamma', 'running_var')):
            parameter.set_data(mxnet.nd.array(draw.uniform(0.5, 1.5, shape)))
        elif name.endswith(('beta', 'running_mean')):
            parameter.set_data(mxnet.nd.array(0.1 * draw.standard_normal(shape)))
    net.save_parameters(out)
    scores, side = (value.asnumpy() for value in net(mxnet.nd.array(pixels)))
    numpy.savez(out.replace('.params', '.npz'), decode_head=scores, auxiliary_head=side)
    import gluoncv
    print(f'GluonCV {gluoncv.__version__}, MXNet {mxnet.__version__}')


if __name__ == '__main__':
    main(*sys.argv[1:])
