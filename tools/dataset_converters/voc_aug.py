"""Prepare PASCAL VOC 2012 enlarged by SBD: SegmentationClassAug, aug.txt (9,118 names) and trainaug.txt (10,582).

Where a photo has a mask of VOC's own, with its void border, that one is used; SBD's .mat files give the others. The
lists are compared with the official ones.
"""
import argparse

from segkit.apis.arguments import Parser
from segkit.apis.converters.options import AGAIN, add_common


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=(
        'example: python tools/dataset_converters/voc_aug.py data/VOCdevkit data/VOCdevkit/VOCaug --download\n'
        + AGAIN))
    parser.add_argument('devkit_path', help='VOCdevkit, with VOC2012 in it')
    parser.add_argument('aug_path', help="SBD's folder, with dataset/cls in it")
    parser.add_argument('-o', '--out-dir', '--out_dir', metavar='DIR',
                        help='folder of the masks (default: SegmentationClassAug in VOC2012)')
    add_common(parser, 'VOCtrainval_11-May-2012.tar (2.0 GB) and benchmark.tgz (1.4 GB)')
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.apis.converters.voc_aug import convert

    convert(args.devkit_path, args.aug_path, args.out_dir, args.partial, args.download, args.download_dir, args.nproc)
    print('configs/_base_/datasets/pascal_voc12_aug.py reads them: its data_root is VOC2012.')


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
