"""Fetch ADE20K's scene parsing benchmark (150 classes) and check every photo and mask; they are read as they are."""
import argparse

from segkit.apis.arguments import Parser
from segkit.apis.converters.options import add_common


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=(
        'example: python tools/dataset_converters/ade20k.py data/ade/ADEChallengeData2016 --download'))
    parser.add_argument('ade_path', help='ADEChallengeData2016, with images and annotations in it')
    add_common(parser, 'ADEChallengeData2016.zip (0.9 GB)')
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.apis.converters.ade20k import convert

    convert(args.ade_path, args.partial, args.download, args.download_dir, args.nproc)
    print('configs/_base_/datasets/ade20k.py reads them: its data_root is this folder.')


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
