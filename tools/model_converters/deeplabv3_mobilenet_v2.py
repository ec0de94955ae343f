"""Turn weights of DeepLabV3 MobileNetV2 with the image-pool head, in torchvision's key names, into segkit's.

    python tools/model_converters/deeplabv3_mobilenet_v2.py deeplabv3_mnv2_pascal_trainval.pth work_dirs/mnv2.pth
    python tools/test.py work_dirs/mnv2.pth

Each key of the file is used once; one that is not known, of another shape or missing ends it, and nothing is written.
The new file holds the classes, the palette and the config, so that test.py and predict.py need no other.
"""
import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from segkit.apis.arguments import Parser, say
from segkit.apis.cli import run

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = (Path(__file__).resolve().parents[2]
          / 'configs/mobilenet_v2/mobilenet-v2-d8_deeplabv3-pool_1xb16-30k_voc12-513x513.py')
HEAD = {
    'head.image_pooling.0': 'decode_head.image_pool.1.conv',
    'head.image_pooling.1': 'decode_head.image_pool.1.bn',
    'head.aspp0.0': 'decode_head.aspp_modules.0.conv',
    'head.aspp0.1': 'decode_head.aspp_modules.0.bn',
    'head.concat_projection.0': 'decode_head.project.conv',
    'head.concat_projection.1': 'decode_head.project.bn',
    'head.logits': 'decode_head.conv_seg',
}


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', help='the file of weights: backbone.features.* and head.*')
    parser.add_argument('dst', help='the checkpoint to write')
    parser.add_argument('--config', default=str(CONFIG),
                        help='config whose network it is, stored in the checkpoint (default: %(default)s)')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def module_map() -> dict[str, str]:
    """Each module with weights: its name in the file, and here."""
    from segkit.models.backbones.mobilenet_v2 import MobileNetV2

    names = {'backbone.features.0.0': 'backbone.conv1.conv', 'backbone.features.0.1': 'backbone.conv1.bn'}
    number = 0
    for stage, (expansion, _, blocks) in enumerate(MobileNetV2.arch_settings, start=1):
        for block in range(blocks):
            number += 1
            theirs, ours = f'backbone.features.{number}.conv', f'backbone.layer{stage}.{block}.conv'
            last = 1 if expansion == 1 else 2  # the 1x1 that narrows; convolution and norm lie side by side there
            for i in range(last):
                names |= {f'{theirs}.{i}.0': f'{ours}.{i}.conv', f'{theirs}.{i}.1': f'{ours}.{i}.bn'}
            names |= {f'{theirs}.{last}': f'{ours}.{last}.conv', f'{theirs}.{last + 1}': f'{ours}.{last}.bn'}
    return {**names, **HEAD}


def converted(weights: Mapping[str, 'Tensor'], source: str) -> dict[str, 'Tensor']:
    """The weights under segkit's names.

    Raises:
        CheckpointError: If a key of the file has no place here.
    """
    from segkit.errors import CheckpointError

    modules, result = module_map(), {}
    unknown = [key for key in weights if key.rpartition('.')[0] not in modules]
    if unknown:
        raise CheckpointError(f'{source}: {len(unknown)} of {len(weights)} keys have no place in this network: '
                              f'{", ".join(unknown[:3])}{", ..." if unknown[3:] else ""}.\nExpected backbone.'
                              'features.0 to .17 (torchvision), head.image_pooling, .aspp0, .concat_projection and '
                              '.logits.')
    for key, value in weights.items():
        module, _, name = key.rpartition('.')
        result[f'{modules[module]}.{name}'] = value
    return result


def folded(weights: Mapping[str, 'Tensor']) -> bool:
    """Whether every batch norm's statistics are 0 and 1, so that it only scales and shifts."""
    return all((value == (1 if key.endswith('running_var') else 0)).all() for key, value in weights.items()
               if re.search(r'running_(mean|var)$', key))


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Read, rename, compare with the network, write.

    Raises:
        CheckpointError: If the file cannot be read or is of another network.
    """
    args = parse_args(argv)
    import torch

    import segkit
    from segkit.checkpoint import load_file, load_weights, state_dict_of, write_atomic
    from segkit.config import load_config
    from segkit.engine.run_config import plain
    from segkit.engine.run_state import PREPROCESSING
    from segkit.errors import ConfigError
    from segkit.registry import DATASETS, MODELS

    if Path(args.dst).is_dir() or Path(args.dst).suffix != '.pth':
        raise ConfigError(f'{args.dst}: expected the name of a new checkpoint, such as deeplabv3_mobilenet_v2.pth.')
    cfg = load_config(args.config)
    state = converted(state_dict_of(load_file(args.src), args.src), args.src)
    model = MODELS.build(cfg.model)
    load_weights(model, state, source=args.src)
    for theirs, ours in module_map().items():
        shapes = ', '.join('x'.join(map(str, value.shape)) or 'scalar' for key, value in state.items()
                           if key.rpartition('.')[0] == ours)
        say(f'{theirs:34} {ours:40} {shapes}')
    metainfo = DATASETS.get(cfg.val_dataloader.dataset.type).METAINFO
    meta = dict(
        dataset_meta=plain(metainfo), config_json=json.dumps(plain(cfg.to_dict(), pairs=True)),
        preprocessing={k: v for k, v in plain(cfg.model.data_preprocessor).items() if k in PREPROCESSING},
        segkit_version=segkit.__version__)
    write_atomic(dict(meta=meta, state_dict={key: value.clone() for key, value in state.items()}), args.dst)
    again = load_file(args.dst)['state_dict']
    if list(again) != list(state) or not all(torch.equal(again[key], state[key]) for key in state):
        raise ConfigError(f'{args.dst} does not hold what was written; is that disk in order?')
    say(f'{args.dst}: {len(state)} tensors, each key of {args.src} used once'
        + ('; batch norms are folded: keep them frozen' if folded(state) else ''))


if __name__ == '__main__':
    run(main)
