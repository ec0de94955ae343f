"""Write the masks of COCO-Stuff 164k (0 to 170, 255 where nothing is labelled) that COCOStuffDataset reads."""
import argparse

from segkit.apis.arguments import Parser
from segkit.apis.converters.options import AGAIN, add_common


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=(
        'example: python tools/dataset_converters/coco_stuff164k.py data/coco_stuff164k --download\n' + AGAIN))
    parser.add_argument('coco_path',
                        help='folder with images/train2017, images/val2017 (COCO) and annotations/train2017, '
                             'annotations/val2017 (stuffthingmaps)')
    parser.add_argument('-o', '--out-dir', '--out_dir', metavar='DIR',
                        help='folder to write to; the photos are linked there (default: coco_path)')
    add_common(parser, 'stuffthingmaps_trainval2017.zip (0.7 GB), train2017.zip (19.3 GB) and val2017.zip (0.8 GB)')
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.apis.converters.coco_stuff164k import convert

    convert(args.coco_path, args.out_dir, args.partial, args.download, args.download_dir, args.nproc)
    print('configs/_base_/datasets/coco-stuff164k.py reads them: its data_root is the folder written to.')


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
