"""Write PASCAL Context's masks (0 background, 1 to 59) and lists into VOC2010; they serve for 60 and for 59 classes.

They are made from trainval_merged.json (of PASCAL in Detail), or from the authors' .mat files; neither needs another
package.
"""
import argparse

from segkit.apis.arguments import Parser
from segkit.apis.converters.options import AGAIN, add_common


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=(
        'example: python tools/dataset_converters/pascal_context.py data/VOCdevkit '
        'data/VOCdevkit/VOC2010/trainval_merged.json\n' + AGAIN))
    parser.add_argument('devkit_path', help='VOCdevkit, with VOC2010 in it')
    parser.add_argument('json_path', help='trainval_merged.json, or the folder of the .mat files')
    parser.add_argument('-o', '--out-dir', '--out_dir', metavar='DIR',
                        help='folder of the masks (default: SegmentationClassContext in VOC2010)')
    add_common(parser, 'VOCtrainval_03-May-2010.tar (1.3 GB), and trainval_merged.json where json_path ends with '
                       '.json, else the .mat files')
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.apis.converters.pascal_context import convert

    convert(args.devkit_path, args.json_path, args.out_dir, args.partial, args.download, args.download_dir, args.nproc)
    print('configs/_base_/datasets/pascal_context.py and pascal_context_59.py read them: their data_root is VOC2010.')


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
