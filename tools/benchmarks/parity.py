"""Compare segkit with MMSegmentation on its own config files: read, built, trained, scores, losses, gradients, data.

    make parity
    python tools/benchmarks/parity.py --peer .peer/bin/python --configs .peer/upstream/mmseg/.mim/configs

Both sides build their model from the same file, with the same weights, which are random; MMSegmentation runs under an
interpreter of its own. What was found goes to docs/parity.md. Results are kept in --work-dir as long as segkit's code
does not change, so that a run that was stopped goes on. Everything runs on the CPU, one thread a process.
"""
import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from answering import Answering, checked_peer  # noqa: E402
from parity import PARTS  # noqa: E402

from segkit.apis.arguments import Parser  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser('parity.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--peer', default=os.environ.get('SEGKIT_PEER_PYTHON'), metavar='PYTHON',
                   help='a Python that has MMSegmentation (default: $SEGKIT_PEER_PYTHON)')
    p.add_argument('--configs', type=Path, required=True, metavar='DIR',
                   help="the folder of MMSegmentation's config files, with deeplabv3/ and _base_/ in it")
    p.add_argument('--data', type=Path, default=os.environ.get('SEGKIT_DATA'), metavar='DIR',
                   help='a folder with VOC2012 and CamVid in it, for the samples (default: $SEGKIT_DATA, else '
                   'generated scenes)')
    p.add_argument('--only', nargs='+', metavar='PATTERN', help='only files whose METHOD/NAME.py has one of these in '
                   'it; * stands for anything. No page is written then, unless --out is given')
    p.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS, metavar='PART',
                   help=f'what to compare, of {", ".join(PARTS)} (default: all); the page says what was left out')
    p.add_argument('--samples', type=int, default=120, metavar='N', help='training samples per pipeline (default: 120)')
    p.add_argument('--jobs', type=int, default=os.cpu_count(), metavar='N',
                   help='processes that train at a time (default: one per core)')
    p.add_argument('--work-dir', type=Path, default=Path('work_dirs/parity'), metavar='DIR',
                   help='where results are kept (default: work_dirs/parity); a model needs up to 1.5 GB there for a '
                   'moment')
    p.add_argument('--out', type=Path, metavar='FILE', help='the page to write (default: docs/parity.md)')
    p.add_argument('--record', action='store_true', help="write MMSegmentation's numbers that the tests hold to "
                   'tests/data/mmseg_parity.json, and do nothing else')
    p.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return p


def main(argv: Sequence[str]) -> None:
    """Compare what the command line says, and write the page.

    Raises:
        SegkitError: If something is missing, or outputs differ by more than rounding; the page is written all the same.
    """
    args = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the gigabytes in --work-dir are removed then too
    from segkit.errors import ConfigError
    python = checked_peer(args.peer)
    if args.samples < 1 or args.jobs < 1:
        raise ConfigError(f'--samples and --jobs must be positive; got {args.samples} and {args.jobs}.')
    if args.data is not None and not (args.data / 'VOC2012').is_dir():
        raise ConfigError(f'--data {args.data}: there is no VOC2012 in it.')
    from parity.upstream import find_files
    names = find_files(args.configs.resolve(), args.only)
    side = Path(__file__).parent / 'parity' / 'side.py'
    peer, own = Answering('mmseg', python, side), Answering('segkit', sys.executable, side)
    if args.record:
        from parity.record import record
        record(args.configs.resolve(), peer)
        return
    compare(args, names, peer, [own, *(Answering('segkit', sys.executable, side) for _ in range(args.jobs - 1))])


def compare(args: argparse.Namespace, names: list[str], peer: Answering, own: list[Answering]) -> None:
    """Run the parts and write the page."""
    from parity import checkpoint, checks, models, report, training, upstream
    from parity.work import Work

    from segkit.errors import SegkitError
    configs = args.configs.resolve()
    sides = [peer.ask(dict(do='about')), own[0].ask(dict(do='about'))]
    work = Work(args.work_dir.resolve(), sides)
    found: dict = dict(sides=sides, only=args.only, state=work.state)
    found['files'] = upstream.read_files(configs, names, peer, own[0], work)
    if 'metric' in args.parts:
        found['metric'] = checks.compare_metric(peer, own[0])
    if 'losses' in args.parts:
        found['losses'] = checks.compare_losses(peer, own[0], work)
    if 'samples' in args.parts:
        found['samples'] = checks.compare_samples(configs, args.data, args.samples, peer, own[0], work)
    if 'checkpoint' in args.parts:
        found['checkpoint'] = checkpoint.compare_checkpoint(configs, args.data, peer, work)
    if 'models' in args.parts:
        found['models'] = models.compare_models(configs, found['files'], peer, own[0], work)
    if 'training' in args.parts:
        found['training'] = training.train_files(configs, found['files'], own, work)
    for side in (peer, *own):
        side.close()
    page, faults = report.page(found)
    out = args.out or (None if args.only or set(args.parts) != set(PARTS) else Path('docs/parity.md'))
    if out is None:
        print(page)
    else:
        out.write_text(page)
        print(f'written: {out}')
    if faults:
        raise SegkitError(f'{len(faults)} findings are not as they should be; the first: {faults[0]}')


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
