"""What the command lines of the tools have in common."""
import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Optional

import segkit
from segkit.apis.cli import report
from segkit.apis.old_options import advice
from segkit.apis.own_config import folder_of, stored_config
from segkit.launchers import LAUNCHERS, adopt

if TYPE_CHECKING:
    from mmengine.config import Config


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are short and name the option that is meant."""

    _typed: Sequence[str] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)  # --show would be taken for --show-dir

    def parse_known_args(self, args: Optional[Sequence[str]] = None, namespace: Any = None) -> Any:
        """Remember the command line, for its errors."""
        self._typed = self._typed or list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line and leave with status 2."""
        _, found, unknown = message.partition('unrecognized arguments: ')
        if found:
            hint = advice(unknown.split(), self._typed, self._option_string_actions)
            message += f'\n{hint}' if hint else ''
        report('error', f'error: {message}\n{self.prog} --help lists the options.')
        self.exit(2)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every tool with a config takes."""
    parser.add_argument('--work-dir', metavar='DIR', help='the run folder (default: work_dir of the config, else '
                        './work_dirs/<name of the config>)')
    add_cfg_options(parser)
    add_unsafe_load(parser)
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none',
                        help='how the processes of a distributed run were started (default: none); '
                        'dist_train.sh and dist_test.sh set it')
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0,
                        help='number of this process on its machine; launchers set it (default: 0)')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add the option that overrides values of the config; given twice, both count."""
    parser.add_argument('--cfg-options', nargs='+', action='extend', metavar='KEY=VALUE', default=[],
                        help='override values of the config, for example model.backbone.depth=101 crop_size=(256,256); '
                        'one that reaches nothing is refused, +KEY=VALUE adds a new key')


def add_nproc(parser: argparse.ArgumentParser, what: str = 'work') -> None:
    """Add the option that says how many processes do something, and its older names, which help hides."""
    parser.add_argument('--nproc', type=_number_from_1, metavar='N',
                        help=f'how many processes {what} (default: one for each core, 16 at most)')
    for older in ('--processes', '--workers'):  # one by one: an error names the one that was typed
        parser.add_argument(older, dest='nproc', type=_number_from_1, help=argparse.SUPPRESS)


def _number_from_1(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a number from 1, got {text!r}')
    return int(text)


def add_crf(parser: argparse.ArgumentParser) -> None:
    """Add the option that lets a dense CRF decide the classes."""
    parser.add_argument('--crf', action='store_true',
                        help="decide the classes by a dense CRF over the photo: model.test_cfg.crf of the config, or "
                        "dict(type='DenseCRF') with the values of DeepLabV2, each to be changed by --cfg-options "
                        "model.test_cfg.crf.bi_xy_std=49 (default: only where the config has one)")


def crf_first(args: argparse.Namespace) -> Optional[Callable[['Config'], None]]:
    """``prepare`` of ``load_config``: with --crf, overrides of the CRF's values find one to change."""
    if not (args.crf and any(one.startswith('model.test_cfg.crf.') for one in args.cfg_options)):
        return None

    def prepare(cfg: 'Config') -> None:
        model = cfg.get('model')
        test_cfg = model.get('test_cfg') or {} if isinstance(model, dict) else None
        if isinstance(test_cfg, dict) and test_cfg.get('crf') is None:
            model.test_cfg = dict(test_cfg, crf=dict(type='DenseCRF'))

    return prepare


def use_crf(cfg: 'Config') -> None:
    """Give a config the usual dense CRF, unless it has one.

    Raises:
        ConfigError: If the model's class would not look at it.
    """
    from segkit.errors import ConfigError
    from segkit.models.segmentors.encoder_decoder import EncoderDecoder
    from segkit.registry import MODELS

    kind = cfg.model.type
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(kind, type) and issubclass(kind, EncoderDecoder)):
        raise ConfigError(f'--crf: model.type={getattr(kind, "__name__", kind)} is no EncoderDecoder, and would not '
                          'look at model.test_cfg.crf.\nLeave --crf out; tools/analysis/crf.py refines probabilities '
                          'that were saved.')
    test_cfg = dict(cfg.model.get('test_cfg') or {})
    if test_cfg.get('crf') is not None:
        return
    own = next((name for name in ('predict', 'classes_of') if getattr(kind, name) is not getattr(EncoderDecoder, name)),
               None)
    if own is not None:
        raise ConfigError(f'--crf: {kind.__name__} has a {own}() of its own, which may not look at '
                          "model.test_cfg.crf.\nIf it does: --cfg-options model.test_cfg.crf=\"dict(type='DenseCRF')\"")
    cfg.model.test_cfg = dict(test_cfg, crf=dict(type='DenseCRF'))


def add_unsafe_load(parser: argparse.ArgumentParser) -> None:
    """Add the option that lets files run code."""
    parser.add_argument('--unsafe-load', action='store_true',
                        help='let a checkpoint that asks for it run whatever code it contains, for this command; only '
                        'for files you made or trust (default: such a file is refused)')


def say(line: str) -> None:
    """Print a line at once, in the first process of a run; where nobody reads it any more, the run goes on."""
    if int(os.environ.get('RANK', 0)) == 0:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            from segkit.engine.console import drop_output
            drop_output()


@contextmanager
def started(args: argparse.Namespace) -> Iterator[None]:
    """Say what is begun, at once, since the imports behind it take seconds; files are trusted inside if so typed."""
    if getattr(args, 'launcher', 'none') != 'none':
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
        adopt(args.launcher)
    say(f'segkit {segkit.__version__}: {args.config or args.checkpoint}')
    from segkit.checkpoint import trusting
    with trusting(args.unsafe_load):
        yield


def refuse_two(args: argparse.Namespace, option: str, key: str) -> None:
    """Refuse two different values of one thing, as an option and as an override.

    Raises:
        ConfigError: Naming both.
    """
    from segkit.config.overrides import parse
    from segkit.errors import ConfigError

    typed = {name.lstrip('+'): value for name, value in parse(args.cfg_options).items()}
    one = getattr(args, option, None)
    if one is not None and key in typed and str(typed[key]) != str(one):
        raise ConfigError(f'--{option.replace("_", "-")} {one} and --cfg-options {key}={typed[key]} differ.\n'
                          'Give one of them.')


def load(args: argparse.Namespace, **hooks: Callable) -> 'Config':
    """Load the config of parsed arguments, or the one in the checkpoint where no config is among them.

    Args:
        args: The arguments.
        **hooks: ``prepare`` and ``judge`` of ``load_config``.

    Raises:
        ConfigError: If an option and an override give one key two values, or the config cannot be loaded.
    """
    from segkit.config import load_config
    refuse_two(args, 'work_dir', 'work_dir')
    refuse_two(args, 'seed', 'randomness.seed')
    own = args.config is None
    cfg = load_config(stored_config(args.checkpoint) if own else args.config, args.cfg_options, say=say,
                      **hooks)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif own:
        cfg.work_dir = folder_of(args.checkpoint)
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    return cfg
