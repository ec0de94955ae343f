"""Import a file of every source with the real tool, and compare the written checkpoint with the source's own network.

    python tools/benchmarks/importers.py --write
    SEGKIT_DATA=DATA python tools/benchmarks/importers.py --gluoncv PYTHON --mmseg PYTHON --write

--write makes the tables of docs/importers.md anew. GluonCV and MMSegmentation run under interpreters of their own:
--gluoncv names one with mxnet and gluoncv (Python 3.11, numpy below 1.24), --mmseg one with MMSegmentation (`make
peer` makes it: .peer/bin/python); without them their rows say so. SEGKIT_DATA names a folder with weights/ for the
real weights. Exit status 1 if a difference is larger than rounding explains.
"""
import argparse
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).parent))
from importer_cases import deeplab_v2, gluoncv_names, mmsegmentation, mobilenet, packages, toolbox  # noqa: E402
from importer_cases.case import Case  # noqa: E402
from importer_cases.measure import Row, measure, misread  # noqa: E402
from importer_cases.page import page  # noqa: E402

from segkit.apis.arguments import Parser, say  # noqa: E402
from segkit.apis.importers.proof import LARGEST, Difference  # noqa: E402
from segkit.checkpoint import write_text  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/importers.md'
SMP = next(case for case in packages.CASES if case.source == 'smp')
# A case, what is taken for what, overrides of the source's config, and whether the weights are copied as they are.
WRONG = (
    (SMP, 'one with contraction', {'model.backbone.contract_dilation': True}, False),
    (deeplab_v2.CASES[0], "a network with the strides on the 3x3 (`style='pytorch'`)",
     {'model.backbone.style': 'pytorch'}, False),
    (deeplab_v2.CASES[0], "one whose pooling rounds down (`ceil_mode=False`)", {'model.backbone.ceil_mode': False},
     False),
    (toolbox.CASES[0], 'plain batch norm (weights as they are)', {}, True),
    (toolbox.CASES[0], 'ReLU in the heads', {'model.decode_head.act_cfg': dict(_delete_=True, type='ReLU')}, False),
    (packages.CASES[0], "a network with the strides on the 1x1 (`style='caffe'`)", {'model.backbone.style': 'caffe'},
     False),
    (gluoncv_names.CASES[0], 'one without contraction', {'model.backbone.contract_dilation': False}, False),
)


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = Parser('importers.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', metavar='WORD', help='run the cases whose names have one of these words')
    parser.add_argument('--gluoncv', metavar='PYTHON', help='interpreter with mxnet and gluoncv')
    parser.add_argument('--mmseg', metavar='PYTHON', help='interpreter with MMSegmentation')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/importers'), metavar='DIR',
                        help='where results lie; a run goes on with those that are there, so remove it for a new one '
                        '(default: %(default)s)')
    parser.add_argument('--write', action='store_true', help='write the tables of docs/importers.md; cases without a '
                        'result stand there as not run')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def all_cases() -> list[Case]:
    """Every case that can be run with the data that are there."""
    pack = os.environ.get('SEGKIT_DATA')
    return [*packages.CASES, *gluoncv_names.CASES, *deeplab_v2.CASES, *toolbox.CASES, *mmsegmentation.CASES,
            *mobilenet.cases(Path(pack) if pack else None)]


class Kept:
    """Results that are written down as soon as they are there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found = json.loads(path.read_text()) if path.exists() else {}

    def row(self, case: Case, python: Optional[str]) -> Row:
        found = self._get(case.name, lambda folder: asdict(measure(case, folder, python)))
        return Row(case, tuple(found['tensors']), [Difference(**one) for one in found['found']], found['version'])

    def misread(self, case: Case, what: str, changes: dict, raw: bool) -> Difference:
        found = self._get(f'{case.name}: {what}', lambda folder: asdict(misread(case, folder, changes, raw)))
        return Difference(**found)

    def _get(self, name: str, make: Callable[[Path], dict]) -> dict:
        if name not in self.found:
            with tempfile.TemporaryDirectory() as folder:
                found = make(Path(folder))
            found.pop('case', None)
            self.found[name] = found
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.path, json.dumps(self.found, indent=1))
        return self.found[name]


def main(argv: Optional[Sequence[str]] = None) -> None:
    args = parse_args(argv)
    rows, skipped, wrong, kept = [], [], [], Kept(args.work_dir / 'results.json')
    for case in all_cases():
        chosen = not args.only or any(word in case.name for word in args.only)
        python = getattr(args, case.python) if case.python else None
        if case.name not in kept.found and (not chosen or case.python and not python):
            skipped.append(case)
            if chosen:
                say(f'{case.name}: not run, needs --{case.python} PYTHON')
            continue
        rows.append(kept.row(case, python))
        for one in rows[-1].found:
            say(f'{case.name} ({case.compared}): {one.text()}')
    for case, what, changes, raw in WRONG:
        name = f'{case.name}: {what}'
        if not args.only or name in kept.found or any(word in name for word in args.only):
            wrong.append((case, what, kept.misread(case, what, changes, raw)))
            say(f'{case.name}, taken for {what}: {wrong[-1][2].text()}')
    if args.write:
        PAGE.write_text(page(PAGE.read_text(), rows, skipped, wrong, versions(), machine(),
                             command(rows, args.only)))
        say(str(PAGE.relative_to(ROOT)))
    far = [row.case.name for row in rows if not all(one.relative <= LARGEST for one in row.found)]
    if far:
        sys.exit(f'computes something else: {"; ".join(far)}')


def command(rows: Sequence[Row], only: Optional[Sequence[str]]) -> str:
    """What makes a page of these rows anew, also those that were kept by an earlier run; no path of this machine."""
    words = ['python', 'tools/benchmarks/importers.py', *(['--only', *map(shlex.quote, only)] if only else [])]
    for name in ('gluoncv', 'mmseg'):
        words += [f'--{name}', 'PYTHON'] * any(row.case.python == name for row in rows)
    return ' '.join(['SEGKIT_DATA=DATA'] * ('SEGKIT_DATA' in os.environ) + words + ['--write'])


def versions() -> str:
    """Of the packages that run in this process."""
    from importlib.metadata import version
    return ', '.join(f'{name} {version(name)}' for name in ('torch', 'torchvision', 'segmentation-models-pytorch'))


def machine() -> str:
    """The processor's name."""
    models = [line.split(':')[1].strip() for line in Path('/proc/cpuinfo').read_text().splitlines()
              if line.startswith('model name')]
    return f'one core of {models[0] if models else "an unknown processor"}, without a GPU'


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
