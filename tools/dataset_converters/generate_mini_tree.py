"""Make a few tiny images for every dataset of a config, in its folders and with its labels, without any download."""
import argparse


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/dataset_converters/generate_mini_tree.py '
               'configs/deeplabv3/deeplabv3_r50-d8_4xb4-80k_ade20k-512x512.py work_dirs/mini')
    parser.add_argument('config', help='any config with dataloaders; it may be a base file of a dataset')
    parser.add_argument('out_dir', help='new or empty folder; each data_root of the config is made inside it')
    parser.add_argument('--images', type=int, default=3, help='images in each split (default: %(default)s)')
    parser.add_argument('--size', type=int, nargs=2, default=(48, 64), metavar=('H', 'W'),
                        help='pixels of an image (default: 48 64)')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    import os

    from segkit.config import load_config
    from segkit.datasets.mini_trees import write_mini_trees
    from segkit.errors import DataError

    if os.path.isdir(args.out_dir) and os.listdir(args.out_dir):
        raise DataError(f'{args.out_dir} exists and is not empty; name a new folder.')
    overrides = write_mini_trees(load_config(args.config), args.out_dir, args.images, tuple(args.size))
    print('The config runs on them with:\n--cfg-options ' + ' '.join(f'{k}={v}' for k, v in overrides.items()))


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
