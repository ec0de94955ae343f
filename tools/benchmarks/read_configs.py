"""Read every config file below a folder with load_config and with MMEngine, and compare the results."""
import argparse
from pathlib import Path


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog='example: python tools/benchmarks/read_configs.py mmseg/.mim/configs '
        '--methods deeplabv3 deeplabv3plus pspnet fcn')
    parser.add_argument('folder', type=Path, help='folder with one folder of configs per method')
    parser.add_argument('--methods', nargs='+', help='read these folders only (default: all but _base_)')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from mmengine.config import Config

    from segkit.config import load_config
    from segkit.errors import ConfigError

    files = [path for path in sorted(args.folder.glob('*/*.py')) if path.parent.name != '_base_']
    files = [path for path in files if not args.methods or path.parent.name in args.methods]
    if not files:
        raise ConfigError(f'{args.folder}: no config files there. Expected METHOD/NAME.py below it.')
    equal = 0
    for path in files:
        try:
            ours = load_config(path, say=lambda line: None, check=False)._cfg_dict.to_dict()
            theirs = Config.fromfile(str(path))._cfg_dict.to_dict()
        except Exception as error:  # a file that either side cannot read is a finding, and the rest is still compared
            print(f'{path}: {type(error).__name__}: {error}')
            continue
        theirs['default_scope'] = ours['default_scope']
        different = sorted(key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key))
        equal += not different
        if different:
            print(f'{path}: differs in {", ".join(different)}')
    print(f'{equal} of {len(files)} files read alike')


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
