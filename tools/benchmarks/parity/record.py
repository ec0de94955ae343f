"""What the tests hold to: MMSegmentation's numbers for models of its files with an eighth of the channels."""
import json
from pathlib import Path
from typing import Any

from answering import Answering

from segkit.config import load_config
from segkit.errors import ConfigError

OUT = Path(__file__).parents[3] / 'tests' / 'data' / 'mmseg_parity.json'
FILES = (
    'deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py',
    'deeplabv3/deeplabv3_r101-d16-mg124_4xb2-40k_cityscapes-512x1024.py',
    'deeplabv3/deeplabv3_r18b-d8_4xb2-80k_cityscapes-769x769.py',
    'deeplabv3plus/deeplabv3plus_r50-d8_4xb4-20k_voc12aug-512x512.py',
    'deeplabv3plus/deeplabv3plus_r18-d8_4xb2-80k_cityscapes-769x769.py',
    'pspnet/pspnet_r50-d8_4xb4-20k_voc12aug-512x512.py',
    'pspnet/pspnet_r50-d32_4xb2-80k_cityscapes-512x1024.py',
    'fcn/fcn_r18-d8_4xb2-80k_cityscapes-769x769.py',
    'fcn/fcn-d6_r50-d16_4xb2-40k_cityscapes-512x1024.py',
)
SHARE = 8
CHANNELS = ('in_channels', 'channels', 'c1_in_channels', 'c1_channels')


def record(configs: Path, peer: Answering) -> None:
    """Write the numbers.

    Raises:
        ConfigError: If the peer cannot compute them.
    """
    about = peer.ask(dict(do='about'))
    cases = {}
    for file in FILES:
        cfg = load_config(configs / file, say=lambda line: None)
        model = narrowed(cfg._cfg_dict.to_dict()['model'])
        numbers = peer.ask(dict(do='slice', model=model))
        if 'error' in numbers:
            raise ConfigError(f'{file}: MMSegmentation ends with {numbers["error"]}')
        cases[Path(file).stem] = dict(model=model, numbers=numbers)
        print(f'recorded {file}', flush=True)
    lines = ',\n'.join(f' {json.dumps(name)}: {json.dumps(case)}' for name, case in cases.items())
    source = f'onedl-mmsegmentation {about["version"]}, torch {about["parts"]["torch"]}'
    OUT.write_text(f'{{\n "source": {json.dumps(source)},\n{lines}\n}}\n')
    print(f'written: {OUT}')


def narrowed(model: dict) -> dict:
    """A model's config with fewer channels, and at most 50 layers."""
    model = {name: value for name, value in model.items() if name not in ('pretrained', 'train_cfg')}
    backbone = dict(model['backbone'], base_channels=64 // SHARE, depth=min(50, model['backbone']['depth']))
    if backbone['type'] != 'ResNet':
        backbone['stem_channels'] = 64 // SHARE
    model['backbone'] = backbone
    for part in ('decode_head', 'auxiliary_head'):
        head: dict[str, Any] = dict(model[part])
        model[part] = {key: max(value // SHARE, 2) if key in CHANNELS else value for key, value in head.items()}
    return model
