"""MMSegmentation itself."""
from pathlib import Path

from importer_cases.case import Case

SIDE = Path(__file__).with_name('mmseg_side.py')
CASES = [
    Case(f'MMSegmentation `{name}-d8`', 'mmsegmentation', lambda path: None, 'MMSegmentation', python='mmseg',
         options=(name, '--config', f'configs/{name.split("_")[0]}/{name}-d8_4xb4-20k_voc12aug-512x512.py'))
    for name in ('deeplabv3_r50', 'deeplabv3_r101', 'pspnet_r50')
]
