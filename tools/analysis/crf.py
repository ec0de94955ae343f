"""Refine saved probabilities by a dense CRF, in several processes, and score them where true masks are given.

python tools/test.py CONFIG CHECKPOINT --save-probs DIR writes such probabilities. docs/crf.md explains the values.
"""
import argparse

VALUES = ('iter_max', 'pos_w', 'pos_xy_std', 'bi_w', 'bi_xy_std', 'bi_rgb_std', 'normalization')


def parse_args(argv: list[str]) -> argparse.Namespace:
    from segkit.apis.arguments import Parser, add_nproc

    parser = Parser(
        'crf.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/analysis/crf.py probabilities refined\n'
               'A second run goes on where the first one was stopped.')
    parser.add_argument('probabilities', metavar='PROBABILITIES',
                        help='folder of NAME.npy or NAME.npz, each (K, H, W) at the size of its photo')
    parser.add_argument('photos', nargs='?', metavar='PHOTOS',
                        help='folder of the photos, of the same names; where test.py saved the probabilities, only '
                             'needed for photos that were moved (folders in it are looked into)')
    parser.add_argument('out', metavar='OUT', help='folder for the refined masks, NAME.png with class indices; there, '
                                                   'crf.json has values and scores, photos.csv accuracies of each')
    parser.add_argument('--masks', metavar='DIR',
                        help='folder of true masks NAME.png, to score the classes without and with the CRF; where '
                             'test.py saved the probabilities, only needed for masks that were moved. They are read '
                             "as the test did; those for other programs' probabilities store indices of the network's "
                             'classes')
    parser.add_argument('--ignore-index', type=int, metavar='N',
                        help='label that is not counted (default: as in the test, else 255)')
    parser.add_argument('--reduce-zero-label', action='store_true',
                        help="for other programs' probabilities: label 0 of the masks is void, class k is stored as "
                             'k + 1')
    parser.add_argument('--threshold', type=float, metavar='P',
                        help='of two classes: a pixel above this probability is class 1 (default: as in the test, else '
                             'the class of the larger one)')
    parser.add_argument('--iter-max', type=int, metavar='N', help='steps of the mean field (default: 10)')
    parser.add_argument('--pos-w', type=float, metavar='W', help='weight of the spatial kernel (default: 3)')
    parser.add_argument('--pos-xy-std', type=float, metavar='S', help='its width, in pixels (default: 1)')
    parser.add_argument('--bi-w', type=float, metavar='W', help='weight of the bilateral kernel (default: 4)')
    parser.add_argument('--bi-xy-std', type=float, metavar='S', help='its width in space, in pixels (default: 67)')
    parser.add_argument('--bi-rgb-std', type=float, metavar='S',
                        help='its width in colour, in steps of 0 to 255 (default: 3)')
    parser.add_argument('--normalization', choices=('symmetric', 'before', 'after', 'none'),
                        help='of the kernels (default: symmetric)')
    add_nproc(parser, 'refine')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_intermixed_args(argv)  # options may stand between the folders


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.apis.crf import refine_folder, table

    values = {name: getattr(args, name) for name in VALUES if getattr(args, name) is not None}
    scores = refine_folder(args.probabilities, args.photos, args.out, args.masks, values, args.ignore_index,
                           args.nproc, args.threshold, args.reduce_zero_label)
    for line in table(scores):
        print(line)


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
