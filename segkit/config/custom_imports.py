"""The modules of one's own that a config names in ``custom_imports``."""
import importlib
import os
import re
import sys
import warnings
from typing import Any

from segkit.errors import ConfigError

# Names that modules written for MMSegmentation import, and what takes their place; docs/migrate.md has the same list.
PLACES = {
    'resize': 'segkit.ops.resize_logits', 'accuracy': 'segkit.ops.pixel_accuracy', 'Upsample': 'torch.nn.Upsample',
    'weight_reduce_loss': 'its three lines in the loss itself', 'weighted_loss': 'its three lines in the loss itself',
    'BaseSegmentor': 'segkit.models.segmentors.EncoderDecoder', 'BaseDecodeHead': 'segkit.models.decode_heads',
    'BaseSegDataset': 'segkit.datasets', 'build_segmentor': 'segkit.registry.MODELS.build',
    'register_all_modules': 'nothing: names are registered when they are first looked for',
    'ConfigType': 'dict', 'OptConfigType': 'Optional[dict]', 'SampleList': 'list', 'OptSampleList': 'Optional[list]',
}


def import_custom(value: Any) -> None:
    """Import what ``custom_imports`` lists, so that its classes are registered.

    Args:
        value: ``dict(imports=['module', ...], allow_failed_imports=False)``, or None.

    Raises:
        ConfigError: If the dict has another form, or a module cannot be imported; it says whether the module itself
            or something that it imports is missing.
    """
    if not value:
        return
    takes = "custom_imports takes imports=['module', ...] and allow_failed_imports; got "
    if not isinstance(value, dict) or set(value) - {'imports', 'allow_failed_imports'}:
        raise ConfigError(f'{takes}{value!r}.')
    names = value.get('imports') or []
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f'{takes}{value!r}.')
    here = os.getcwd()  # the tools run with their own folder in its place
    if here not in sys.path:
        sys.path.append(here)
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            if not value.get('allow_failed_imports'):
                raise ConfigError(_explanation(name, error)) from error
            warnings.warn(f'custom_imports: {name} failed to import and is ignored ({error}).', stacklevel=2)


def _explanation(name: str, error: ImportError) -> str:
    missing = getattr(error, 'name', None) or ''
    if isinstance(error, ModuleNotFoundError) and (name == missing or name.startswith(missing + '.')):
        return (f"custom_imports: there is no module '{missing}' here ({os.getcwd()}) or on PYTHONPATH.\nRun from the "
                'folder that holds it, or put that folder on PYTHONPATH.')
    if missing.split('.')[0] == 'mmseg':
        return (f"custom_imports: {name} imports '{missing}', which is not installed and not needed here.\n"
                'Import from segkit in it: segkit.registry for mmseg.registry, segkit.models.decode_heads for\n'
                "BaseDecodeHead, segkit.datasets for BaseSegDataset; docs/migrate.md has the rest.")
    text = f'custom_imports: {name} does not import: {" ".join(str(error).split())[:200]}'
    if missing.split('.')[0] != 'segkit':
        return text
    wanted = re.search(r"cannot import name '(\w+)'", str(error))
    place = PLACES.get(wanted[1]) if wanted else None
    return (f'{text}\nIts place here: {place}.' if place else
            f'{text}\ndocs/migrate.md lists where the names of MMSegmentation are here.')
