"""Latency and images per second of predictions; the body of tools/analysis/benchmark.py."""
import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional

from segkit.apis.arguments import Parser, add_cfg_options, add_unsafe_load, say

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

EXAMPLE = """example:
  python tools/analysis/benchmark.py configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py --shape 512
  python tools/analysis/benchmark.py CONFIG CHECKPOINT --repeat-times 5 --amp --channels-last
Timed are the network with its classes as result (a prepared batch of random values), and what a test does with the
images of the config, from file to classes, where they are there. Times on a machine that others use are longer.
"""


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line; order and ``--repeat-times`` are MMSegmentation's."""
    parser = Parser('benchmark.py', description='How long predictions take.', epilog=EXAMPLE,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint (default: random weights, which take as long)')
    parser.add_argument('--repeat-times', type=int, default=1, metavar='N', help='rounds (default: 1)')
    parser.add_argument('--number', type=int, default=50, metavar='N', help='batches of a round; a round ends after '
                        'half a minute in any case (default: 50)')
    parser.add_argument('--shape', type=int, nargs='+', metavar='PIXELS', help='side, or height and width, of the '
                        'images of the network alone (default: the training crop)')
    parser.add_argument('--batch-size', type=int, default=1, metavar='N', help='images at once (default: 1)')
    parser.add_argument('--amp', action='store_true', help='half precision: float16 on CUDA, bfloat16 on a CPU')
    parser.add_argument('--compile', action='store_true', help='torch.compile backbone and head; no data then, since '
                        'photos of many sizes would each be compiled for')
    parser.add_argument('--channels-last', action='store_true', help='memory format channels_last')
    parser.add_argument('--device', default='cuda:0', help='cuda:N or cpu (default: cuda:0, or cpu where there is no '
                        'CUDA)')
    parser.add_argument('--json', action='store_true', help='print JSON; what is said meanwhile goes to stderr')
    add_cfg_options(parser)
    add_unsafe_load(parser)
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_intermixed_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Time and print.

    Raises:
        ConfigError: If a number is below one, or config, shape or device cannot be used.
    """
    args = parse_args(argv)
    from segkit.checkpoint import trusting
    from segkit.errors import ConfigError

    for name in ('repeat_times', 'number', 'batch_size'):
        if getattr(args, name) < 1:
            raise ConfigError(f'--{name.replace("_", "-")}: expected at least 1, got {getattr(args, name)}.')
    with trusting(args.unsafe_load):
        if not args.json:
            benchmark(args)
            return
        with contextlib.redirect_stdout(sys.stderr):
            facts = benchmark(args)
    print(json.dumps(facts, indent=1))


def benchmark(args: argparse.Namespace) -> dict[str, Any]:
    """Time what parsed arguments say; prints lines and returns facts."""
    import torch
    from mmengine.logging import MMLogger

    from segkit.apis import latency
    from segkit.apis.complexity import input_shape
    from segkit.apis.inference import init_model
    from segkit.apis.used_overrides import judge_of_prediction
    from segkit.config import load_config
    from segkit.engine import compiling
    from segkit.engine.console import Console

    MMLogger.get_current_instance().handlers = [Console()]
    cfg = load_config(args.config, args.cfg_options, say=say, judge=judge_of_prediction)
    size = input_shape(cfg, args.shape)
    model = init_model(cfg, args.checkpoint, args.device)
    model.test_cfg['keep_logits'] = False
    if getattr(model, 'crf', None) is not None:  # it looks at photos, and the network is timed with noise
        model.crf = None
        say('model.test_cfg.crf is not timed')
    device = next(model.parameters()).device
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'
    threads = torch.get_num_threads()
    precision = ('float16' if device.type == 'cuda' else 'bfloat16') if args.amp else 'float32'
    facts: dict[str, Any] = dict(
        config=args.config, checkpoint=args.checkpoint, device=str(device), device_name=name,
        threads=threads, torch=torch.__version__, precision=precision, compiled=args.compile,
        channels_last=args.channels_last, shape=[args.batch_size, 3, *size], mode=model.test_cfg['mode'])
    manner = ', '.join(filter(None, (precision, 'compiled' * args.compile, 'channels last' * args.channels_last)))
    say(f'{args.config}, {args.checkpoint or "random weights"}')
    say(f'{name} ({device}), torch {torch.__version__} with {threads} thread{"s" * (threads > 1)}, {manner}')
    if args.compile:
        compiling.apply(compiling.plan(model, True), model, 1)
    inputs = torch.randn(facts['shape'], generator=torch.Generator().manual_seed(0)).to(device)
    with latency.prepared(model, args.amp, args.channels_last), compiling.explained(args.compile):
        facts['first_seconds'] = latency.warm_up(lambda: model.predict(inputs), device)
        shape = 'x'.join(map(str, facts['shape']))
        say(f'network, {shape} (N x C x H x W), mode {facts["mode"]}; the first batch took '
            f'{facts["first_seconds"]:.2f} s')
        facts.update(_rounds('network', args, lambda: latency.time_network(model, inputs, args.number)))
        if not args.compile:
            facts.update(_with_data(cfg, model, args))
    return facts


def _rounds(name: str, args: argparse.Namespace, run: Any) -> dict[str, Any]:
    from segkit.apis.latency import joined
    rounds = []
    for i in range(args.repeat_times):
        rounds.append(run())
        if rounds[-1] is None:
            return {name: None}
        if args.repeat_times > 1:
            say(f'  round {i + 1}: {rounds[-1]}')
    say(f'  {rounds[0] if len(rounds) == 1 else f"all: {joined(rounds)}"}')
    return {name: joined(rounds).facts(), f'{name}_rounds': [one.facts() for one in rounds]}


def _with_data(cfg: 'Config', model: 'nn.Module', args: argparse.Namespace) -> dict[str, Any]:
    from segkit.apis.latency import time_with_data
    from segkit.engine.data_loading import build_data_loader
    from segkit.errors import DataError

    if cfg.get('test_dataloader') is None:
        return dict(data=None)
    workers = cfg.test_dataloader.get('num_workers', 0)
    try:
        loader = build_data_loader({**cfg.test_dataloader, 'batch_size': args.batch_size, 'persistent_workers': False},
                                   0, training=False)
    except DataError as error:
        say(f'with data: not timed. {str(error).splitlines()[0]}')
        return dict(data=None)
    say(f'with data, {len(loader.dataset)} images, {args.batch_size} at once, {workers} loader processes; from file to '
        'classes')
    found = _rounds('data', args, lambda: time_with_data(model, loader, args.number))
    if found['data'] is None:
        say('  not timed: the data are a single batch')
    return found
