"""Write CamVid with 11 classes as its config reads it, from the SegNet tutorial's files or the authors' 32 colours."""
import argparse

from segkit.apis.arguments import Parser
from segkit.apis.converters.options import AGAIN, add_common


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=(
        'example: python tools/dataset_converters/camvid.py data/CamVid_source data/CamVid --download\n' + AGAIN))
    parser.add_argument('in_dir', help="the SegNet tutorial's folder CamVid (train, trainannot, ...), or one with the "
                                       "authors' 701_StillsRaw_full and LabeledApproved_full")
    parser.add_argument('out_dir', help='folder for {split}/images, {split}/masks and {split}.txt, outside of in_dir')
    parser.add_argument('--form', choices=('segnet', 'original'),
                        help='which of the two (default: what is there; --download fetches segnet)')
    parser.add_argument('--photos', choices=('jpg', 'png'), default='jpg',
                        help="jpg of quality 95, as the config reads them, or png without loss, which needs "
                             "img_suffix='.png' in the config (default: %(default)s)")
    parser.add_argument('--full-size', action='store_true',
                        help="keep the authors' 960x720 (default: half of it, as everybody reports on)")
    add_common(parser, "the SegNet tutorial's repository, or the authors' two archives (0.6 GB)")
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.apis.converters.camvid import convert

    convert(args.in_dir, args.out_dir, args.form, args.photos, args.full_size, args.partial, args.download,
            args.download_dir, args.nproc)
    print('configs/_base_/datasets/camvid.py reads them: its data_root is the folder written to.'
          + (" Give each dataset img_suffix='.png'." if args.photos == 'png' else ''))


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
