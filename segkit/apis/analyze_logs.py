"""Curves, best values and times of one or several runs; the body of tools/analysis/analyze_logs.py."""
import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from segkit.apis.arguments import Parser

if TYPE_CHECKING:
    from segkit.apis.run_logs import RunLog

USUAL = ('mIoU', 'loss')
PICTURES = ('.png', '.jpg')

EXAMPLE = """example:
  python tools/analysis/analyze_logs.py work_dirs/a work_dirs/b --keys mIoU decode.loss_ce --out curves.png
  python tools/analysis/analyze_logs.py work_dirs/a old_run/20200101_000000.log.json --time
A run folder is segkit's or MMSegmentation's; metrics.csv, scalars.json (1.x) and .log.json (0.x) files are read too.
"""


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line; flags are MMSegmentation's, without its colour schemes, and ``--time``."""
    parser = Parser('analyze_logs.py', description='Compare what runs logged: a table, and curves in one picture.',
                    epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('json_logs', nargs='+', metavar='RUN', help='run folder or log file')
    parser.add_argument('--keys', nargs='+', metavar='KEY', help='what to show: mIoU, loss, decode.loss_ce, lr, ... '
                        '(default: mIoU and loss, where they are logged)')
    parser.add_argument('--title', default='', help='over the picture')
    parser.add_argument('--legend', nargs='+', metavar='NAME', help='a name for each run, or for each key of the first '
                        'run, then of the second one, ... (default: the names of the files or folders)')
    parser.add_argument('--out', metavar='FILE', help='write the curves there, .png or .jpg (default: only the table)')
    parser.add_argument('--time', action='store_true', help='times of an iteration too')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Print the table, and draw what ``--out`` asks for.

    Raises:
        ConfigError: If a key was logged by none of the runs, or names or the kind of picture do not fit.
        DataError: If a log cannot be read.
    """
    args = parse_args(argv)
    from segkit.apis.run_logs import read_log
    from segkit.errors import ConfigError

    if args.out and Path(args.out).suffix.lower() not in PICTURES:
        raise ConfigError(f'--out {args.out}: expected a name that ends in {" or ".join(PICTURES)}.')
    if args.json_logs[0] in ('plot_curve', 'cal_train_time') and not Path(args.json_logs[0]).exists():
        raise ConfigError(f"{args.json_logs[0]} was a subcommand of MMSegmentation 0.x: leave it out; --out draws the "
                          'curves,\n--time adds the times of an iteration.')
    logs = [read_log(source) for source in args.json_logs]
    keys = keys_of(logs, args.keys)
    runs = run_names([log.source for log in logs])
    lines = line_names(args.legend, runs, keys)
    print(table(logs, keys, lines))
    if args.time:
        named = args.legend if args.legend and len(args.legend) == len(runs) else runs
        print('\n'.join(times(log, name) for log, name in zip(logs, named)))
    if args.out:
        from segkit.engine.run_folder import write_picture
        from segkit.visualization.figures import curves
        panels = {key: {lines[i][j]: log.series(key) for i, log in enumerate(logs) if log.series(key)[0]}
                  for j, key in enumerate(keys)}
        write_picture(Path(args.out), curves(panels, args.title))
        print(args.out)


def keys_of(logs: Sequence['RunLog'], wanted: Optional[Sequence[str]]) -> list[str]:
    """The keys to show.

    Raises:
        ConfigError: If one is in no log; with those that are.
    """
    from segkit.config.schema import nearest
    from segkit.errors import ConfigError

    there = sorted({name for log in logs for name in log.names()})
    if wanted is None:
        return [key for key in USUAL if key in there] or there[:2]
    for key in wanted:
        if key not in there:
            near = nearest(key, there)
            raise ConfigError(f'--keys {key}: no run logged it.' + (f' Nearest: {", ".join(near)}.' if near else '')
                              + f'\nLogged: {", ".join(there)}')
    return list(dict.fromkeys(wanted))


def run_names(sources: Sequence[str]) -> list[str]:
    """Short names of the runs: as few of the last parts of their paths as tell them apart."""
    unsaid = ('vis_data', 'scalars.json', 'metrics.csv', '/')  # every run's files are called so
    parts = [[one for one in Path(source).parts if one not in unsaid] or [source] for source in sources]
    longest = max(map(len, parts))
    for count in range(1, longest + 1):
        names = ['/'.join(one[-count:]) for one in parts]
        if len(set(names)) == len(set(sources)):
            break
    return names


def line_names(legend: Optional[Sequence[str]], runs: Sequence[str], keys: Sequence[str]) -> list[list[str]]:
    """The name of each run's line, for each key.

    Raises:
        ConfigError: If the legend is neither as long as the runs nor as runs times keys.
    """
    from segkit.errors import ConfigError

    if legend is None or len(legend) == len(runs):
        return [[name] * len(keys) for name in legend or runs]
    if len(legend) != len(runs) * len(keys):
        raise ConfigError(f'--legend: expected {len(runs)} names, one a run, or {len(runs) * len(keys)}, one for each '
                          f'of {len(keys)} keys of each run; got {len(legend)}.')
    return [list(legend[i * len(keys):(i + 1) * len(keys)]) for i in range(len(runs))]


def table(logs: Sequence['RunLog'], keys: Sequence[str], names: Sequence[Sequence[str]]) -> str:
    """First, last and best value of each key in each run, with their iterations."""
    from terminaltables import AsciiTable

    from segkit.engine.hooks.checkpoint_hook import better

    rows = []
    for j, key in enumerate(keys):
        for i, log in enumerate(logs):
            iterations, values = log.series(key)
            found = [(value, at) for at, value in zip(iterations, values) if not math.isnan(value)]
            rule = better(key)
            best = {'greater': max, 'less': min}.get(rule) if found else None
            rows.append([key, names[i][j], f'{len(values):,}', *(
                [_at(values[0], iterations[0]), _at(values[-1], iterations[-1])] if values else ['not logged', '']),
                _at(*best(found, key=lambda point: point[0])) if best else '-'])
    shown = AsciiTable([['Key', 'Run', 'Values', 'First', 'Last', 'Best'], *rows])
    shown.justify_columns = {2: 'right'}
    return shown.table


def _at(value: float, iteration: int) -> str:
    return f'{value:.5g} at {iteration:,}'


def times(log: 'RunLog', name: str) -> str:
    """What an iteration took, in a line; each logged value is a mean over several iterations before it."""
    iterations, seconds = log.series('time')
    if not seconds:
        return f'{name}: no times were logged'
    slowest = max(range(len(seconds)), key=seconds.__getitem__)
    data = log.series('data_time')[1]
    share = f', {100 * sum(data) / sum(seconds):.1f} % of it waiting for data' if len(data) == len(seconds) else ''
    return (f'{name}: {statistics.fmean(seconds):.4f} s an iteration (mean), {statistics.median(seconds):.4f} s '
            f'(median), {min(seconds):.4f} to {seconds[slowest]:.4f} s (at {iterations[slowest]:,}), of '
            f'{len(seconds):,} logged values{share}')
