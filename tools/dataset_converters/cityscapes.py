"""Write Cityscapes' masks of train ids (0 to 18, void 255), of label ids or polygons, and a list of each split.

There is no --download: www.cityscapes-dataset.com gives the archives to registered users only. Unpack
leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip into one folder.
"""
import argparse

from segkit.apis.arguments import Parser
from segkit.apis.converters.options import AGAIN, add_common


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                    epilog='example: python tools/dataset_converters/cityscapes.py data/cityscapes\n' + AGAIN)
    parser.add_argument('cityscapes_path', help='folder with leftImg8bit and the annotations')
    parser.add_argument('--gt-dir', default='gtFine', metavar='DIR',
                        help='the annotations: gtFine or gtCoarse (default: %(default)s)')
    parser.add_argument('-o', '--out-dir', '--out_dir', metavar='DIR',
                        help='folder of the lists of the splits (default: cityscapes_path)')
    add_common(parser)
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.apis.converters.cityscapes import convert

    convert(args.cityscapes_path, args.gt_dir, args.out_dir, args.partial, args.nproc)
    print('configs/_base_/datasets/cityscapes.py reads them: its data_root is this folder.')


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
