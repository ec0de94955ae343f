"""What the command lines of train.py and test.py have in common."""
import argparse
import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import segkit
from segkit.apis.cli import report
from segkit.launchers import LAUNCHERS, adopt

if TYPE_CHECKING:
    from mmengine.config import Config


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are short and name the nearest option."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line and leave with status 2."""
        unknown = re.search(r'unrecognized arguments: (--[\w-]+)', message)
        if unknown:
            near = difflib.get_close_matches(unknown[1], self._option_string_actions, n=1)
            message += f'\nNearest: {near[0]}' if near else ''
        report('error', f'error: {message}\n{self.prog} --help lists the options.')
        self.exit(2)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every tool with a config takes."""
    parser.add_argument('--work-dir', metavar='DIR', help='the run folder (default: work_dir of the config, else '
                        './work_dirs/<name of the config>)')
    parser.add_argument('--cfg-options', nargs='+', metavar='KEY=VALUE', default=[],
                        help='override values of the config, for example train_cfg.max_iters=1000 crop_size=(256,256); '
                        'one that reaches nothing is refused, +KEY=VALUE adds a new key')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none',
                        help='how the processes of a distributed run were started (default: none); '
                        'dist_train.sh and dist_test.sh set it')
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0,
                        help='number of this process on its machine; launchers set it (default: 0)')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')


def say(line: str) -> None:
    """Print a line at once, in the first process of a run."""
    if int(os.environ.get('RANK', 0)) == 0:
        print(line, flush=True)


def load(args: argparse.Namespace) -> 'Config':
    """Load the config of parsed arguments; says so at once, since the imports behind it take seconds."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    adopt(args.launcher)
    say(f'segkit {segkit.__version__}: {args.config}')
    from segkit.config import load_config
    cfg = load_config(args.config, args.cfg_options, say=say)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    return cfg
