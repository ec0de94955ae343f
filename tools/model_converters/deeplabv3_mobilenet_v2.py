"""Turn Google's DeepLabV3 MobileNetV2 with the image-pool head, in torchvision's key names, into segkit's.

    python tools/model_converters/deeplabv3_mobilenet_v2.py deeplabv3_mnv2_pascal_trainval.pth work_dirs/mnv2.pth
    python tools/test.py work_dirs/mnv2.pth

The same as import_weights.py with the source mobilenet-v2-pool.
"""
import argparse
from collections.abc import Sequence
from typing import Optional

from segkit.apis import import_weights
from segkit.apis.arguments import Parser
from segkit.apis.cli import run


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Read, rename, compare with the network, write."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', metavar='SRC', help='the file of weights: backbone.features.* and head.*')
    parser.add_argument('out', metavar='DST', help='the checkpoint to write')
    import_weights.add_options(parser)
    parser.set_defaults(source='mobilenet-v2-pool')
    import_weights.run(parser.parse_args(argv))


if __name__ == '__main__':
    run(main)
