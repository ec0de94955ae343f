"""The body of tools/train.py."""
import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional

from segkit.apis.arguments import Parser, add_common, load, say, started
from segkit.launchers import number_of_processes

if TYPE_CHECKING:
    from mmengine.config import Config

EXAMPLE = """example:
  python tools/train.py configs/demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py
  python tools/train.py configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py --work-dir runs/a --resume
"""


def parser() -> argparse.ArgumentParser:
    """The command line of train.py; flags are MMSegmentation's."""
    p = Parser('train.py', description='Train a segmentor.', epilog=EXAMPLE,
               formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('config', help='a config file')
    p.add_argument('--resume', action='store_true',
                   help='go on from the latest checkpoint of the run folder, or from load_from of the config')
    p.add_argument('--amp', action='store_true', help='mixed precision: float16 on CUDA, bfloat16 on a CPU')
    p.add_argument('--deterministic', action='store_true',
                   help='the same bits at each start on one machine: slower on CUDA, and what torch cannot compute so '
                   'is refused; on a CPU they are the same without it (default: randomness.deterministic, else off)')
    p.add_argument('--seed', type=int, metavar='N',
                   help='seed of weights, draws, augmentation and dropout (default: randomness.seed of the config, '
                   'else 0)')
    p.add_argument('--match-recipe', action='store_true',
                   help="take the config's total batch on this number of processes, by accumulating batches or by "
                   'smaller ones, with all iteration counts rescaled (default: the batch per process as stated)')
    p.add_argument('--auto-scale-lr', action='store_true',
                   help="scale the learning rate by this run's total batch over the config's (default: as stated)")
    p.add_argument('--dry-run', action='store_true',
                   help='build everything, take one step, validate one batch, save, resume, and print shapes and '
                   'estimates of memory and time; leaves nothing behind (default: train)')
    p.add_argument('--dry-run-size', choices=['full', 'reduced'],
                   help='whether the step of --dry-run is the real one or a small one (default: full on CUDA, reduced '
                   'on a CPU)')
    add_common(p)
    return p


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Train what the command line says."""
    args = parser().parse_args(argv)
    with started(args):
        train(args)


def train(args: argparse.Namespace) -> None:
    """Train what parsed arguments say.

    Raises:
        ConfigError: If the config lacks what a training needs, or two flags do not go together.
    """
    cfg = load(args, prepare=use_amp) if args.amp else load(args)
    from segkit.engine import SegRunner, recipe
    from segkit.engine.environment import leave_process_group
    from segkit.errors import ConfigError

    if args.dry_run_size and not args.dry_run:
        raise ConfigError('--dry-run-size is a part of --dry-run; give that too.')
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper'):
        if cfg.get(key) is None:
            raise ConfigError(f'{args.config} has no {key}, which training needs.')
    cfg.resume = args.resume or cfg.get('resume', False)
    if args.amp:
        use_amp(cfg)  # again: an override may have given optim_wrapper whole
    if args.deterministic:
        cfg.randomness = dict(cfg.get('randomness') or {}, deterministic=True)
    if args.seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=args.seed)
    processes = number_of_processes(args.launcher)
    lines = recipe.match(cfg, processes) if args.match_recipe else [recipe.accumulation(cfg, processes)]
    for line in filter(None, lines):
        say(line)
    if args.auto_scale_lr:
        cfg.auto_scale_lr = dict(cfg.get('auto_scale_lr') or {}, enable=True)
    if args.dry_run:
        from segkit.apis.dry_run import dry_run
        dry_run(cfg, say, args.dry_run_size)
        return
    runner = SegRunner.from_cfg(cfg)
    runner.typed_seed = args.seed if args.seed is not None else _typed_seed(args.cfg_options)
    runner.train()
    leave_process_group()


def _typed_seed(overrides: Sequence[str]) -> Optional[int]:
    from segkit.config.overrides import parse
    typed = {key.lstrip('+'): value for key, value in parse(overrides).items()}
    whole = typed.get('randomness')
    return typed.get('randomness.seed', whole.get('seed') if isinstance(whole, dict) else None)


def use_amp(cfg: 'Config') -> None:
    """Make OptimWrapper AmpOptimWrapper, before overrides are checked: ``optim_wrapper.dtype`` is its alone.

    Raises:
        ConfigError: If the config has another wrapper.
    """
    from segkit.errors import ConfigError

    wrapper = cfg.get('optim_wrapper')
    if not isinstance(wrapper, dict):
        return
    kind = wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ConfigError(f'--amp turns OptimWrapper into AmpOptimWrapper, but optim_wrapper.type is {kind!r}.')
    wrapper['type'] = 'AmpOptimWrapper'
