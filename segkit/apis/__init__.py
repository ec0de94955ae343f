"""What other programs call: models from config and checkpoint, predictions, and the bodies of the tools.

Importing this package loads nothing heavy; each name is loaded when it is first asked for.
"""
import importlib
from typing import Any

_HOME = {
    'init_model': 'segkit.apis.inference',
    'inference_model': 'segkit.apis.inference',
    'show_result_pyplot': 'segkit.apis.inference',
    'MMSegInferencer': 'segkit.apis.mmseg_inferencer',
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_HOME[name]), name)
