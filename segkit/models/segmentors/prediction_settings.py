"""How a segmentor predicts: the checked form of ``model.test_cfg``."""
import difflib
from typing import Optional

from torch import nn

from segkit.errors import ConfigError

DEFAULTS = dict(mode='whole', crop_size=None, stride=None, output_stride=None, dilations=None, keep_logits=False,
                crf=None)


def checked_test_cfg(cfg: Optional[dict], backbone: nn.Module, decode_head: nn.Module, own_dilations: bool) -> dict:
    """Complete ``model.test_cfg`` with its defaults.

    Args:
        cfg: As the config file has it; not changed.
        backbone: Its ``set_output_stride`` is needed for ``output_stride``.
        decode_head: Its dilations follow the stride.
        own_dilations: Whether the head's config names its dilations, so that they cannot be told.

    Raises:
        ConfigError: If a key is unknown, or the values cannot work.
    """
    cfg = dict(cfg or {})
    for key in cfg.keys() - DEFAULTS.keys():
        near = difflib.get_close_matches(key, DEFAULTS, n=1)
        raise ConfigError(f'model.test_cfg.{key} is not known' + (f'; did you mean {near[0]}?' if near else '.')
                          + f"\nIt takes: {', '.join(DEFAULTS)}.")
    cfg = {**DEFAULTS, **cfg}
    if cfg['mode'] not in ('whole', 'slide'):
        raise ConfigError(f"model.test_cfg.mode must be 'whole' or 'slide', not {cfg['mode']!r}.")
    if cfg['mode'] == 'slide':
        _check_windows(cfg)
    if cfg['output_stride'] is not None:
        _check_stride(cfg, backbone, decode_head, own_dilations)
    elif cfg['dilations'] is not None:
        raise ConfigError('model.test_cfg.dilations is read only together with model.test_cfg.output_stride.')
    if cfg['crf'] is not None and not isinstance(cfg['crf'], dict):
        raise ConfigError(f"model.test_cfg.crf: expected dict(type='DenseCRF'), with its values, or None; got "
                          f"{cfg['crf']!r}.")
    return cfg


def _check_windows(cfg: dict) -> None:
    for key in ('crop_size', 'stride'):
        if not isinstance(cfg[key], (list, tuple)) or len(cfg[key]) != 2 or min(cfg[key]) < 1:
            raise ConfigError(f"model.test_cfg: mode='slide' needs {key}=(height, width) in pixels; got {cfg[key]!r}.")
    if any(step > side for step, side in zip(cfg['stride'], cfg['crop_size'])):
        raise ConfigError('model.test_cfg: a stride larger than crop_size leaves pixels without a prediction; got '
                          f"stride={tuple(cfg['stride'])}, crop_size={tuple(cfg['crop_size'])}.")


def _check_stride(cfg: dict, backbone: nn.Module, decode_head: nn.Module, own_dilations: bool) -> None:
    if not hasattr(backbone, 'set_output_stride'):
        raise ConfigError(f'model.test_cfg.output_stride: the stride of {type(backbone).__name__} cannot be changed; '
                          'leave it out.')
    # Once there and back: a stride that the weights cannot take is an error now, not after the first training phase.
    trained = backbone.output_stride
    backbone.set_output_stride(cfg['output_stride'])
    backbone.set_output_stride(trained)
    if not hasattr(decode_head, 'set_dilations'):
        if cfg['dilations'] is not None:
            raise ConfigError(f'model.test_cfg.dilations: {type(decode_head).__name__} has no dilations; leave it out.')
    elif cfg['dilations'] is not None:
        decode_head.check_dilations(cfg['dilations'])
    elif own_dilations:
        raise ConfigError(f"model.test_cfg.output_stride={cfg['output_stride']}: the decode head's dilations are given "
                          f'as {decode_head.dilations}.\nGive model.test_cfg.dilations for this stride too, or leave '
                          'model.decode_head.dilations out.')
    else:
        decode_head.dilations_at(cfg['output_stride'])  # raises where it knows none
