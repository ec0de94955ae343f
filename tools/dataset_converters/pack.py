"""Pack the images and masks of a config's datasets into one file each (LMDB), from which PackedDataset trains.

The bytes of every file are kept as they are, so a training from the pack is the one from the folder, bit by bit.
"""
import argparse

from segkit.apis.arguments import Parser, add_cfg_options, add_nproc


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example:\n  python tools/dataset_converters/pack.py configs/_base_/datasets/pascal_voc12.py '
               'data/packed/voc12\n'
               'A second run goes on where the first one was stopped; of a pack that is whole it compares every file.')
    parser.add_argument('config', nargs='?', help='any config with dataloaders; it may be a base file of a dataset')
    parser.add_argument('out_dir', nargs='?', help='folder for <split>.lmdb')
    parser.add_argument('--split', nargs='+', choices=('train', 'val', 'test'), default=['train', 'val'],
                        metavar='SPLIT', help='the dataloaders whose datasets are packed, some of train, val and test '
                                              '(default: train val)')
    parser.add_argument('--overwrite', action='store_true', help='replace a pack of other data, or a damaged one')
    parser.add_argument('--verify', nargs='+', metavar='FILE',
                        help='read every byte of packs and name what is not as it was packed; nothing is written')
    add_nproc(parser, 'read files')
    add_cfg_options(parser)
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    args = parser.parse_args(argv)
    if (args.verify is None) == (args.config is None) or (args.config is None) != (args.out_dir is None):
        parser.error('give CONFIG and OUT_DIR to pack, or --verify FILE ... to check packs')
    return args


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.apis.pack import pack_splits, verify_packs
    from segkit.config import load_config

    if args.verify is not None:
        for line in verify_packs(args.verify, args.nproc):
            print(line)
        return
    cfg = load_config(args.config, args.cfg_options, say=print)
    for split, size in pack_splits(cfg, args.out_dir, args.split, args.overwrite, args.nproc).items():
        print(f"{size} samples: dict(type='PackedDataset', data_root='{args.out_dir}', ann_file='{split}.lmdb')")


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
