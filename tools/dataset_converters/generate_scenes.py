"""Make a small data set of textured objects, laid out as PASCAL VOC is, without any download."""
import argparse


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog='example: python tools/dataset_converters/generate_scenes.py data/scenes')
    parser.add_argument('out_dir', help='folder to make; one that holds the same scenes already is left as it is')
    parser.add_argument('--train', type=int, default=400, help='scenes in train.txt (default: %(default)s)')
    parser.add_argument('--val', type=int, default=60, help='scenes in val.txt (default: %(default)s)')
    parser.add_argument('--size', type=int, nargs=2, default=(120, 200), metavar=('MIN', 'MAX'),
                        help='smallest and largest side in pixels (default: 120 200)')
    parser.add_argument('--seed', type=int, default=0, help='decides every pixel (default: %(default)s)')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.datasets.progress import show_progress
    from segkit.datasets.scenes import generate

    made = generate(args.out_dir, args.train, args.val, tuple(args.size), args.seed,
                    progress=lambda numbers: show_progress(numbers, 'scenes'))
    print(f'{args.out_dir}: {args.train} scenes to train on, {args.val} to validate' +
          ('' if made else ' (they were there already)'))


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
