"""Weights that fit a network which computes something else than the one they were trained in."""
import inspect
import json
from typing import Any, Optional

from torch import nn

from segkit.engine.run_config import plain
from segkit.registry import BACKBONES, DECODE_HEADS, MODELS

BACKBONE_KEYS = ('style', 'ceil_mode', 'adaptive_padding')
HEAD_KEYS = ('act_cfg', 'pool_first', 'first_kernel', 'align_corners')
INPUT_KEYS = ('mean', 'std', 'bgr_to_rgb')
SHOWN = 60  # characters of a value
UNKNOWN = object()


def difference(checkpoint: dict, model: Any, source: str) -> Optional[str]:
    """What makes the same weights another function in this run than where they were trained.

    Compared are the kinds of the parts and the few keys that no shape of a tensor shows. What phases of one training
    change (output stride, rates, dropout, losses, batch norm) is not. A checkpoint without a config as JSON, as other
    toolboxes write, is not judged; nothing that it says is run or imported.

    Args:
        checkpoint: What the file holds.
        model: The run's config of the model, ``cfg.model``.
        source: What the file is called.

    Returns:
        A warning of two lines; None where nothing differs or nothing is known.
    """
    theirs, ours = _stored_model(checkpoint), _segmentor(plain(model or {}))
    if theirs is None or ours is None:
        return None
    found = [f'{key} {_shown(then)} -> {_shown(now)}' for key, then, now in _differences(theirs, ours)]
    if not found:
        return None
    return (f'{source} was trained in another network than this config has (its -> ours): {", ".join(found)}.\n'
            'The weights fit, but compute something else: take the config that they were trained with, unless this is '
            'meant.')


def _stored_model(checkpoint: dict) -> Optional[dict]:
    meta = checkpoint.get('meta')
    try:
        values = json.loads(meta['config_json'])
    except (TypeError, KeyError, ValueError, RecursionError):
        return None
    return _segmentor(values.get('model')) if isinstance(values, dict) else None


def _segmentor(model: Any) -> Optional[dict]:
    """The config of the segmentor, also where a test-time augmentation stands round it."""
    while isinstance(model, dict) and isinstance(model.get('module'), dict):
        model = model['module']
    return model if isinstance(model, dict) and isinstance(model.get('type'), str) else None


def _differences(theirs: dict, ours: dict) -> list[tuple[str, Any, Any]]:
    found = _of_kind('type', MODELS, theirs, ours)
    backbones = [_dict(model.get('backbone')) for model in (theirs, ours)]
    found += _of_kind('backbone.type', BACKBONES, *backbones)
    found += _of_keys('backbone', BACKBONE_KEYS, BACKBONES, *backbones)
    for part, keys in (('decode_head', HEAD_KEYS), ('auxiliary_head', ())):
        pairs = [_heads(model, part) for model in (theirs, ours)]
        for i, (then, now) in enumerate(zip(*pairs)):
            place = part if len(pairs[1]) == 1 else f'{part}[{i}]'
            found += _of_kind(f'{place}.type', DECODE_HEADS, then, now)
            found += _of_keys(place, keys, DECODE_HEADS, then, now)
    return found + _of_keys('data_preprocessor', INPUT_KEYS, MODELS, _input(theirs), _input(ours))


def _dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _heads(model: dict, part: str) -> list[dict]:
    """The heads' configs, with the model's ``align_corners`` where they have none of their own."""
    heads = model.get(part)
    shared = {} if model.get('align_corners') is None else dict(align_corners=model['align_corners'])
    return [{**shared, **_dict(head)} for head in (heads if isinstance(heads, list) else [heads])]


def _input(model: dict) -> dict:
    """The preprocessor's config, in which either name of the swap of channels is ``bgr_to_rgb``."""
    cfg = {'type': 'SegDataPreProcessor', **_dict(model.get('data_preprocessor'))}
    if cfg.pop('rgb_to_bgr', False):
        cfg['bgr_to_rgb'] = True
    return cfg


def _name(kind: Any) -> Any:
    """A class's own name: 'mmseg.ResNet' and the class given itself are 'ResNet'."""
    return kind.rsplit('.', 1)[-1] if isinstance(kind, str) else None


def _class(registry: Any, kind: Any) -> Any:
    name = _name(kind)  # without a dot no look-up imports a module
    return registry.get(name) if name is not None and name in registry.names() else None


def _of_kind(key: str, registry: Any, theirs: dict, ours: dict) -> list[tuple[str, Any, Any]]:
    then, now = (_name(cfg.get('type')) for cfg in (theirs, ours))
    if then is None or now is None or then == now:
        return []
    kinds = [_class(registry, name) for name in (then, now)]
    if None not in kinds:
        if registry is BACKBONES:
            kinds = [_without_presets(kind) for kind in kinds]
        if kinds[0] is kinds[1]:
            return []
    return [(key, then, now)]


def _without_presets(kind: Any) -> Any:
    """The class below those that only preset arguments: ResNetV1c is a ResNet with a deep stem, which weights show."""
    while inspect.isclass(kind) and not any(callable(value) for key, value in vars(kind).items() if key != '__init__'):
        kind = kind.__base__
    return kind


def _of_keys(place: str, keys: tuple[str, ...], registry: Any, theirs: dict,
             ours: dict) -> list[tuple[str, Any, Any]]:
    """Keys that differ: one that a side leaves out has there the default of its class, where that is known."""
    found = []
    for key in keys:
        if key not in theirs and key not in ours:
            continue
        then, now = (cfg[key] if key in cfg else _default(_class(registry, cfg.get('type')), key)
                     for cfg in (theirs, ours))
        if UNKNOWN not in (then, now) and _function(then) != _function(now):
            found.append((f'{place}.{key}', then, now))
    return found


def _default(kind: Any, key: str) -> Any:
    for base in kind.__mro__ if inspect.isclass(kind) else ():
        if '__init__' in vars(base) and base is not object:
            parameter = inspect.signature(base.__init__).parameters.get(key)
            if parameter is not None:
                return UNKNOWN if parameter.default is parameter.empty else plain(parameter.default)
    return UNKNOWN


def _function(value: Any) -> Any:
    """An activation's config as the function it names, its defaults filled in; any other value as it is."""
    if not isinstance(value, dict) or not isinstance(value.get('type'), str):
        return value
    kind = getattr(nn, _name(value['type']), None)
    stated = {key: one for key, one in value.items() if key != 'inplace'}
    defaults = {p.name: p.default for p in inspect.signature(kind).parameters.values()
                if p.name != 'inplace' and p.default is not p.empty} if inspect.isclass(kind) else {}
    return {**defaults, **stated, 'type': _name(value['type'])}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f'{text[:SHOWN - 3]}...'
