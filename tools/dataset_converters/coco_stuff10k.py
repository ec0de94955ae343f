"""Write the masks of COCO-Stuff 10k (1 to 171, 0 where nothing is labelled) that COCOStuffDataset reads, by split."""
import argparse

from segkit.apis.arguments import Parser
from segkit.apis.converters.options import AGAIN, add_common


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=(
        'example: python tools/dataset_converters/coco_stuff10k.py data/coco_stuff10k --download\n' + AGAIN))
    parser.add_argument('coco_path', help='folder with images, annotations (.mat files) and imageLists')
    parser.add_argument('-o', '--out-dir', '--out_dir', metavar='DIR',
                        help='folder to write images and annotations of each split into; photos are linked '
                             '(default: coco_path)')
    add_common(parser, 'cocostuff-10k-v1.1.zip (2.0 GB)')
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.apis.converters.coco_stuff10k import convert

    convert(args.coco_path, args.out_dir, args.partial, args.download, args.download_dir, args.nproc)
    print('configs/_base_/datasets/coco-stuff10k.py reads them: its data_root is the folder written to.')


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
