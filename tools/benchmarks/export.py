"""Export three networks in each way, compare each file with its network on photos, time all in turns; docs/export.md.

    python tools/benchmarks/export.py --data-root $SEGKIT_DATA
    python tools/benchmarks/export.py --data-root $SEGKIT_DATA --only mobilenet --photos 3 --size 257 257

The MobileNetV2 has Google's published weights (DATA/weights). The two ResNet-50 have random ones that are made to
behave like learnt ones, since raw random scores nearly tie everywhere and their classes would say nothing: convolutions
are drawn, batch norms get the statistics of their inputs on photos, and the classifier is scaled so that scores have a
standard deviation of 5 and a mean of 0 for each class.

What was measured is kept in --work-dir network by network, and a run with the same settings goes on; --again measures
anew. The page has every network that is kept; its text ahead of that part stays as it is.
"""
import argparse
import copy
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Optional

sys.path.insert(0, str(Path(__file__).parent))
from data_pipeline import machine  # noqa: E402
from export_page import START, page  # noqa: E402, F401

from segkit.apis.arguments import Parser, say  # noqa: E402
from segkit.apis.cli import run  # noqa: E402
from segkit.errors import DataError  # noqa: E402

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = {
    'r50-d8': 'configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py',
    'r50-d16': 'configs/deeplabv3/deeplabv3_r50-d16-mg124_4xb4-20k_voc12aug-512x512.py',
    'mobilenet': 'configs/mobilenet_v2/mobilenet-v2-d8_deeplabv3-pool_1xb16-30k_voc12-513x513.py',
}
GOOGLE = 'weights/deeplabv3_mnv2_pascal_trainval.pth'
FILES = {  # kind, fixed size, bytes in and classes out
    'ONNX, any size': ('onnx', False, False),
    'ONNX, any size, all inside': ('onnx', False, True),
    'ONNX, fixed': ('onnx', True, False),
    'torch.export, any size': ('torch-export', False, False),
    'torch.export, fixed': ('torch-export', True, False),
}
OWN_SIZE = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line."""
    p = Parser('export.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data-root', required=True, metavar='DATA', help='a folder with VOC2012/, COCO_sample/ and '
                   'weights/')
    p.add_argument('--only', nargs='+', choices=tuple(NETWORKS), default=list(NETWORKS), help='networks to measure')
    p.add_argument('--photos', type=int, default=5, metavar='N', help='photos of different sizes (default: 5)')
    p.add_argument('--size', type=int, nargs=2, default=(513, 513), metavar=('H', 'W'),
                   help='of files of a fixed size, and of what is timed (default: 513 513; the MobileNetV2 pads '
                   'everything to 513x513)')
    p.add_argument('--rounds', type=int, default=3, metavar='N', help='turns of each way when timed (default: 3)')
    p.add_argument('--number', type=int, default=5, metavar='N', help='images of a turn (default: 5)')
    p.add_argument('--work-dir', default='work_dirs/export_benchmark', metavar='DIR')
    p.add_argument('--page', default=str(ROOT / 'docs/export.md'), metavar='FILE', help='(default: docs/export.md)')
    p.add_argument('--again', action='store_true', help='measure what is kept once more')
    p.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return p.parse_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Measure what is not kept yet, and write the page."""
    args = parse_args(argv)
    import torch
    from mmengine.logging import MMLogger

    from segkit.checkpoint import write_text
    from segkit.engine.console import Console

    MMLogger.get_current_instance().handlers = [Console()]
    work = Path(args.work_dir)
    work.mkdir(parents=True, exist_ok=True)
    photos = photos_in(Path(args.data_root), args.photos)
    settings = dict(photos=[Path(photo).name for photo in photos], size=list(args.size), rounds=args.rounds,
                    number=args.number, threads=torch.get_num_threads(), torch=torch.__version__.split('+')[0])
    for name in args.only:
        kept = work / f'{name}.json'
        if not args.again and kept.is_file() and json.loads(kept.read_text())['settings'] == settings:
            say(f'{name}: kept in {kept}')
            continue
        model, cfg, about = network(name, args, photos)
        facts = dict(settings=settings, about=about, machine=machine(),
                     **measured(name, model, cfg, args, photos, work))
        write_text(kept, json.dumps(facts, indent=1))
    found = {name: json.loads((work / f'{name}.json').read_text()) for name in NETWORKS
             if (work / f'{name}.json').is_file()}
    target = Path(args.page)
    write_text(target, page(target.read_text() if target.is_file() else '', found))
    say(f'{args.page}: {", ".join(found)}')


def photos_in(root: Path, number: int) -> list[str]:
    """Photos of different sizes: of VOC, and every third of COCO, whose photos are larger.

    Raises:
        DataError: If there are none.
    """
    from segkit.datasets.image_header import read_header

    voc, coco = (sorted(root.glob(pattern)) for pattern in ('VOC2012/JPEGImages/*.jpg', 'COCO_sample/*/*.jpg'))
    if not voc or not coco:
        raise DataError(f'{root} has no VOC2012/JPEGImages/*.jpg or no COCO_sample/*/*.jpg.\nGive --data-root the '
                        'folder that holds both.')
    chosen: dict[tuple[int, int], str] = {}
    for files, most in ((coco, number // 3), (voc, number)):
        for file in files:
            if len(chosen) < most:
                chosen.setdefault(read_header(str(file)).turned_size, str(file))
    return list(chosen.values())


def network(name: str, args: argparse.Namespace, photos: Sequence[str]) -> 'tuple[nn.Module, Config, str]':
    """The segmentor, its config, and what its weights are."""
    from segkit.apis.import_weights import import_weights
    from segkit.apis.inference import init_model
    from segkit.checkpoint import load_file, load_weights, state_dict_of
    from segkit.config import load_config

    cfg = load_config(ROOT / NETWORKS[name], say=lambda line: None)
    cfg.test_pipeline = copy.deepcopy(OWN_SIZE)
    model = init_model(cfg, None, 'cpu')
    model.test_cfg['keep_logits'] = False
    if name == 'mobilenet':
        with TemporaryDirectory() as folder:
            ours = str(Path(folder, 'ours.pth'))
            import_weights('mobilenet-v2-pool', str(Path(args.data_root, GOOGLE)), ours)
            load_weights(model, state_dict_of(load_file(ours), ours), source=ours)
        return model, cfg, "Google's published weights"
    behave_as_learnt(model, photos)
    return model, cfg, 'random weights with the statistics of photos'


def behave_as_learnt(model: 'nn.Module', photos: Sequence[str]) -> None:
    """Give a network random weights whose scores spread as those of a trained one; see the head of this file."""
    import cv2
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    torch.manual_seed(0)
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over what follows
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias, std=0.2)
    parts = [cv2.resize(cv2.imread(photo), (257, 257)) for photo in photos[:4]]
    batch = model.data_preprocessor(dict(inputs=[torch.from_numpy(part).permute(2, 0, 1) for part in parts]))['inputs']
    last = model.decode_head.conv_seg
    with torch.no_grad():
        model.train()(batch)
        model.eval()
        last.bias.zero_()
        scores = model(batch).transpose(0, 1).flatten(1)
        last.weight.mul_(5 / scores.std(1).view(-1, 1, 1, 1))
        last.bias.copy_(-5 * scores.mean(1) / scores.std(1))


def measured(name: str, model: 'nn.Module', cfg: 'Config', args: argparse.Namespace, photos: Sequence[str],
             work: Path) -> dict[str, Any]:
    """Write and compare each file, then time the network and the files in turns."""
    import torch

    from segkit.apis.export import write_proven
    from segkit.apis.export_plan import plan_for
    from segkit.apis.exported_model import init_exported
    from segkit.apis.latency import in_turns
    from segkit.apis.own_config import EXPORTED

    size = tuple(args.size) if name != 'mobilenet' else (513, 513)
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    steps: dict[str, Any] = {'torch, eager': model}
    rows = {}
    for label, (kind, fixed, inside) in FILES.items():
        say(f'{name}: {label}')
        out = work / f'{name}_{label.replace(", ", "_").replace(" ", "-")}{EXPORTED[kind]}'
        plan = plan_for(model, size if fixed else None, channel_order='rgb' if inside else None, classes=inside)
        found = write_proven(model, cfg, plan, kind, out, photos, len(photos))
        rows[label] = dict(megabytes=out.stat().st_size / 1e6, rows=[row.facts() for row in found])
        steps[label] = init_exported(out, 'cpu', unsafe=True)  # written a moment ago
        steps[label].test_cfg['keep_logits'] = False
    calls = {label: lambda one=one: one.test_step(dict(inputs=[image])) for label, one in steps.items()}
    timings = in_turns(calls, torch.device('cpu'), args.rounds, args.number)
    for label, timing in timings.items():
        say(f'  {label}: {timing}')
    return dict(size=size, files=rows, latency={label: dict(
        timing.facts(), median_ms=1e3 * statistics.median(timing.seconds)) for label, timing in timings.items()})


if __name__ == '__main__':
    run(main)
