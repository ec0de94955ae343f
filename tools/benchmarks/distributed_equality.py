"""Compare several processes with one: python tools/benchmarks/distributed_equality.py [--report docs/distributed.md].

The demo network is trained on generated scenes, whose void pixels lie unevenly, with dropout 0 and SyncBN, by 1 process
x 4, 2 x 2 and 4 x 1: the same images make each update. Said are the largest differences of the losses of every
iteration and of the weights and buffers at the end, in float32 and in float64: where the computation is the same and
only its rounding differs, nothing is left in float64. Then one checkpoint is tested by several processes; the confusion
matrices must be the same, number by number.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional

import torch

sys.path.insert(0, str(Path(__file__).parent))
from marked_page import check, put  # noqa: E402

from segkit.apis.cli import run  # noqa: E402

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py'
LEARNING_RATE = 0.001  # a tenth of the demo's: its first updates are so large that any rounding grows a hundredfold
FLOAT64 = """from segkit.models.segmentors.encoder_decoder import EncoderDecoder
from segkit.registry import MODELS


@MODELS.register_module()
class Float64EncoderDecoder(EncoderDecoder):

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.double()

    def forward(self, inputs, *args, **kwargs):
        return super().forward(inputs.double(), *args, **kwargs)
"""
MARKS = 'tools/benchmarks/distributed_equality.py'


class Run(NamedTuple):
    """What a training left: its losses by iteration, and its state at the end."""
    losses: dict[int, float]
    state: dict[str, torch.Tensor]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--iterations', type=int, default=30, help='updates of each training (default: 30)')
    p.add_argument('--report', type=Path, metavar='FILE', help='put the figures between the marks of this page, '
                   'at its end where it has none (default: only printed)')
    p.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return p


def call(folder: Path, *command: object) -> None:
    """Run a tool; its output goes to a file and is shown where it fails."""
    environment = dict(os.environ, PYTHONPATH=str(folder.parent), PYTHON=sys.executable, OMP_NUM_THREADS='1',
                       MKL_NUM_THREADS='1')
    with open(folder / 'log.txt', 'w') as log:
        status = subprocess.call(list(map(str, command)), cwd=ROOT, env=environment, stdout=log, stderr=log)
    if status:
        raise SystemExit(f'{" ".join(map(str, command))}\n{(folder / "log.txt").read_text()}\nexit status {status}')


def train(folder: Path, data: Path, processes: int, batch: int, iterations: int,
          double: bool = False) -> Run:
    """Train and read what the run folder holds."""
    folder.mkdir()
    config = folder.parent / ('float64.py' if double else 'float32.py')
    own = "custom_imports = dict(imports=['float64_parts'])\nmodel = dict(type='Float64EncoderDecoder')\n"
    config.write_text(f"_base_ = ['{CONFIG}']\n{own if double else ''}")
    (folder.parent / 'float64_parts.py').write_text(FLOAT64)
    options = [f'optim_wrapper.optimizer.lr={LEARNING_RATE}', f'data_root={data}', 'crop_size=(64,64)',
               'model.decode_head.dropout_ratio=0.',
               'model.auxiliary_head.dropout_ratio=0.', f'train_dataloader.batch_size={batch}',
               f'train_cfg.max_iters={iterations}', 'default_hooks.logger.interval=1',
               f'train_cfg.val_interval={iterations}', f'default_hooks.checkpoint.interval={iterations}']
    call(folder, 'tools/dist_train.sh', config, processes, '--work-dir', folder, '--cfg-options', *options)
    rows = [json.loads(row) for row in (folder / 'vis_data/scalars.json').open()]
    newest = Path((folder / 'last_checkpoint').read_text().strip()).name
    state = torch.load(folder / newest, weights_only=True)['state_dict']
    return Run({row['step']: row['loss'] for row in rows if 'loss' in row}, state)


def difference(a: Run, b: Run) -> tuple[float, float, float, str]:
    """Largest differences: of a loss, of a number of the state, of one relative to the largest number of its tensor,
    and that tensor's name."""
    loss = max(abs(a.losses[i] - b.losses[i]) for i in a.losses)
    apart = {key: (a.state[key].double() - b.state[key].double()).abs().max().item() for key in a.state}
    share = {key: apart[key] / max(a.state[key].double().abs().max().item(), 1e-30) for key in a.state}
    worst = max(share, key=share.get)
    return loss, max(apart.values()), share[worst], worst


def matrix(folder: Path, data: Path, checkpoint: Path, processes: int, images: int) -> str:
    """The confusion matrix of a test over some images, as its file."""
    folder.mkdir()
    call(folder, 'tools/dist_test.sh', CONFIG, checkpoint, processes, '--work-dir', folder, '--cfg-options',
         f'data_root={data}', f'test_dataloader.dataset.indices={images}')
    return (folder / 'test/confusion_matrix.csv').read_text()


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Compare, print, and write the report.

    Raises:
        ConfigError: If the report's page cannot be written.
    """
    args = parser().parse_args(argv)
    if args.report is not None:
        check(args.report)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        data = work / 'scenes'
        call(work, sys.executable, 'tools/dataset_converters/generate_scenes.py', data, '--train', 100,
             '--val', 5)
        one = train(work / 'one', data, 1, 4, args.iterations)
        lines = [f'`python tools/benchmarks/distributed_equality.py --iterations {args.iterations}`: torch '
                 f'{torch.__version__}, gloo, {os.cpu_count()} cores ({platform.machine()}), learning rate '
                 f'{LEARNING_RATE}, losses (logged in float32) from {one.losses[1]:.3f} to '
                 f'{one.losses[args.iterations]:.3f}.', '',
                 '| against 1 process x 4 | largest difference of a loss | of a weight or buffer '
                 '| relative to the largest of its tensor |', '|---|---|---|---|']
        others = {'2 processes x 2': (2, 2), '4 processes x 1': (4, 1)}
        for precision in ('float32', 'float64'):
            double = precision == 'float64'
            if double:
                one = train(work / 'one64', data, 1, 4, args.iterations, double=True)
            for number, (name, (processes, batch)) in enumerate(others.items()):
                folder = work / f'other{number}_{precision}'
                found = train(folder, data, processes, batch, args.iterations, double)
                loss, absolute, relative, where = difference(one, found)
                lines.append(f'| {name}, {precision} | {loss:.1e} | {absolute:.1e} | {relative:.1e} ({where}) |')
                print(lines[-1], flush=True)
        lines += ['', '| images | processes | confusion matrix against `test.py` by one process |', '|---|---|---|']
        checkpoint = work / f'one/iter_{args.iterations}.pth'
        same = True
        for images, counts in ((5, (2, 3)), (1, (2, ))):
            expected = matrix(work / f'alone{images}', data, checkpoint, 1, images)
            for count in counts:
                equal = matrix(work / f'test{images}_{count}', data, checkpoint, count, images) == expected
                same &= equal
                lines.append(f'| {images} | {count} | {"the same, number by number" if equal else "DIFFERENT"} |')
                print(lines[-1], flush=True)
    text = '\n'.join(lines)
    if args.report:
        put(args.report, MARKS, text, 'Several processes against one')
    if not same:
        raise SystemExit('error: a confusion matrix depends on the number of processes')


if __name__ == '__main__':
    run(main)
