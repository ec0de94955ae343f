"""Parameters and multiply-adds of a config's network; the body of tools/analysis/get_flops.py."""
import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional

from segkit.apis.arguments import Parser, add_cfg_options

if TYPE_CHECKING:
    from segkit.apis.complexity import Complexity

NOTE = """GMACs: 10^9 multiply-adds of convolutions and matrix products. GFLOPs: twice as many, a multiply and an add.
Normalisation, activation, pooling and resizing are not counted."""


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line; flags are MMSegmentation's, and ``--aux``, ``--batch-size`` and ``--json``."""
    parser = Parser(
        'get_flops.py', description='Parameters and multiply-adds of the network of a config, by part. Nothing is '
        'trained, loaded or computed.', epilog='example: python tools/analysis/get_flops.py '
        'configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py --shape 520 --aux')
    parser.add_argument('config', help='config file')
    parser.add_argument('--shape', type=int, nargs='+', metavar='PIXELS', help='side, or height and width, of the '
                        'image as the network sees it (default: the training crop, model.data_preprocessor.size; '
                        '512 where there is none)')
    parser.add_argument('--batch-size', type=int, default=1, metavar='N', help='images at once (default: 1)')
    parser.add_argument('--aux', action='store_true', help='count the auxiliary heads too, which only a training runs')
    parser.add_argument('--json', action='store_true', help='print JSON instead of the table')
    add_cfg_options(parser)
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Count and print.

    Raises:
        ConfigError: If the config cannot be used, or ``--shape`` or ``--batch-size`` is no such number.
    """
    args = parse_args(argv)
    from segkit.apis.complexity import complexity, input_shape
    from segkit.apis.used_overrides import judge_of_network
    from segkit.config import load_config
    from segkit.errors import ConfigError

    cfg = load_config(args.config, args.cfg_options, say=lambda line: print(line, file=sys.stderr),
                      judge=judge_of_network)
    if args.batch_size < 1:
        raise ConfigError(f'--batch-size takes a number of images, at least 1; got {args.batch_size}.')
    found = complexity(cfg.model, input_shape(cfg, args.shape), args.batch_size, args.aux)
    print(json.dumps(as_json(args.config, found), indent=1) if args.json else as_table(args.config, found))


def as_table(config: str, found: 'Complexity') -> str:
    """The table for people."""
    from terminaltables import AsciiTable

    kinds = {part.name: ', '.join(part.kinds) for part in found.parts}
    counts = {part.name: f'{part.parameters:,}' for part in found.parts}
    macs = dict(found.macs)
    if found.aux_macs is not None:
        macs['auxiliary_head'] = found.aux_macs
    rows = [[name, kinds.get(name, ''), counts.get(name, ''), *_work(macs.get(name))]
            for name in dict.fromkeys([*kinds, *macs])]
    inference = sum(part.parameters for part in found.parts if part.name in found.macs)
    rows.append(['a prediction', '', f'{inference:,}', *_work(found.inference_macs)])
    if found.aux_macs is not None:
        rows.append(['with auxiliary heads', '', f'{found.parameters:,}',
                     *_work(found.inference_macs + found.aux_macs)])
    elif inference != found.parameters:
        rows.append(['all parameters', '', f'{found.parameters:,}', '', ''])
    table = AsciiTable([['Part', 'Class', 'Parameters', 'GMACs', 'GFLOPs'], *rows])
    table.justify_columns = {column: 'right' for column in (2, 3, 4)}
    size = 'x'.join(map(str, found.shape))
    lines = [f'{config}, input {size} (N x C x H x W)', table.table, NOTE]
    frozen = sum(part.frozen for part in found.parts)
    if frozen:
        lines.append(f'{frozen:,} of the parameters are frozen.')
    if found.windows:
        lines.append(f"test_cfg.mode='slide': a prediction takes {found.windows} windows of the image.")
    return '\n'.join(lines)


def _work(macs: Optional[int]) -> tuple[str, str]:
    return ('-', '-') if macs is None else (f'{macs / 1e9:,.3f}', f'{2 * macs / 1e9:,.3f}')


def as_json(config: str, found: 'Complexity') -> dict:
    """The same for programs; multiply-adds and parameters as whole numbers."""
    facts = dict(config=config, shape=list(found.shape), windows=found.windows,
                 parameters={**{part.name: part.parameters for part in found.parts}, 'total': found.parameters},
                 frozen_parameters=sum(part.frozen for part in found.parts),
                 macs={**found.macs, 'inference': found.inference_macs}, flops=2 * found.inference_macs)
    if found.aux_macs is not None:
        facts['macs'].update(auxiliary_head=found.aux_macs, with_auxiliary_heads=found.inference_macs + found.aux_macs)
    return facts
