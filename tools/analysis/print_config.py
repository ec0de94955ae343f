"""Show a config as it is after merging, and which file each top-level key comes from."""
import argparse

from segkit.apis.arguments import Parser, add_cfg_options


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        description=__doc__, epilog='example: python tools/analysis/print_config.py '
        'configs/demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py --cfg-options crop_size="(96, 96)"')
    parser.add_argument('config', help='config file')
    add_cfg_options(parser)
    parser.add_argument('--key', help='show this part only, for example model.backbone')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    args = parse_args(argv)
    from segkit.config.load import load_config, origins
    from segkit.config.schema import nearest
    from segkit.engine.config_text import as_python
    from segkit.errors import ConfigError

    cfg = load_config(args.config, args.cfg_options, say=lambda line: print(f'# {line}'))
    if args.key:
        part, above = cfg, ''
        for key in args.key.split('.'):
            try:
                part = part[int(key) if isinstance(part, (list, tuple)) else key]
            except (KeyError, IndexError, TypeError, ValueError):
                near = nearest(key, part) if isinstance(part, dict) else []
                raise ConfigError(f'--key {args.key}: the merged config has no such key.' + (
                    f'\nNearest: {", ".join(above + name for name in near)}' if near else '')) from None
            above += f'{key}.'
        print(as_python({args.key.split('.')[-1]: part}))
        return
    print(as_python(cfg.to_dict()))
    print('# Where each key comes from (the last file decides):')
    for key, files in sorted(origins(args.config).items()):
        if key not in cfg:  # a variable, or what a lazy config imports
            continue
        print(f'# {key}: {", ".join(str(f) for f in files)}')


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
