"""Write COCO's instances as masks of PASCAL VOC's classes, palette PNG in VOC's layout.

Training needs no conversion: COCOVOCDataset reads instances_<split>.json itself, and gives the same labels.
"""
import argparse

from segkit.apis.arguments import Parser, add_nproc


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/dataset_converters/coco_to_voc.py data/coco data/coco_voc --splits train2017\n'
               'A second run goes on where the first one was stopped, and mends masks that were changed since.')
    parser.add_argument('in_dir', help='folder with annotations/instances_<split>.json and the photos in <split>/')
    parser.add_argument('out_dir', help='folder for SegmentationClass and ImageSets/Segmentation/<split>.txt, '
                                        'outside of in_dir; the photos are linked there')
    parser.add_argument('--splits', nargs='+', metavar='SPLIT',
                        help='such as train2017 val2017 (default: all there are)')
    parser.add_argument('--rule', choices=('gluoncv', 'torchvision'), default='gluoncv',
                        help='where instances overlap the first one counts (gluoncv), or the label is 255 '
                             '(torchvision; default: %(default)s); a folder holds masks of one rule')
    parser.add_argument('--min-pixels', type=int, default=1000, metavar='N',
                        help="keep photos with more pixels of VOC's classes than that; for torchvision the areas that "
                             'the annotations state are added up; -1 keeps all (default: %(default)s)')
    parser.add_argument('--cache-dir', metavar='DIR',
                        help='folder for the painted masks (default: ~/.cache/segkit/coco_masks)')
    add_nproc(parser, 'paint and write')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from mmengine.logging import MMLogger

    from segkit.apis.coco_to_voc import convert
    from segkit.engine.console import Console

    MMLogger.get_current_instance().handlers = [Console()]  # what the painting says, as plain lines
    sizes = convert(args.in_dir, args.out_dir, args.splits, args.rule, args.min_pixels, args.cache_dir, args.nproc)
    for split, size in sizes.items():
        print(f"{size} photo{'s' * (size != 1)}: dict(type='PascalVOCDataset', data_root='{args.out_dir}', "
              f"ann_file='ImageSets/Segmentation/{split}.txt',\n"
              f"    data_prefix=dict(img_path='{split}', seg_map_path='SegmentationClass'))")


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
