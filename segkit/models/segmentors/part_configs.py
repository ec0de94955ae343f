"""What the segmentor tells its parts: facts that stand once in the config become each part's defaults."""
import inspect
from typing import Any, Optional, Sequence, Union

from torch import nn

from segkit.errors import ConfigError
from segkit.registry import BACKBONES, DECODE_HEADS


def part_class(registry: Any, cfg: dict, place: str) -> Any:
    """The class that a part's ``type`` names.

    Raises:
        ConfigError: If there is no ``type``, or nothing of the kind has that name.
    """
    if not isinstance(cfg, dict) or 'type' not in cfg:
        raise ConfigError(f"{place} must be a dict with the key 'type', the name of a {registry.name}; got {cfg!r}.")
    return cfg['type'] if not isinstance(cfg['type'], str) else registry.get(cfg['type'])


def takes(cls: Any, name: str) -> bool:
    """Whether a class takes a keyword, itself or through the ``**kwargs`` that it hands to its bases."""
    if not inspect.isclass(cls):
        return name in inspect.signature(cls).parameters
    for base in cls.__mro__:
        if '__init__' not in vars(base) or base is object:
            continue
        parameters = inspect.signature(base.__init__).parameters
        if name in parameters:
            return True
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return False
    return False


def backbone_config(cfg: dict, shared: dict, pretrained: Optional[str]) -> dict:
    """A backbone's config, completed.

    Args:
        cfg: As the config file has it; not changed.
        shared: The segmentor's own facts; None means not told.
        pretrained: The old key ``model.pretrained``: a checkpoint for the backbone.

    Raises:
        ConfigError: If two keys name a checkpoint.
    """
    cls = part_class(BACKBONES, cfg, 'model.backbone')
    cfg = dict(cfg)
    for key in ('norm_cfg', 'norm_eval'):
        if shared.get(key) is not None and takes(cls, key):
            cfg.setdefault(key, shared[key])
    if pretrained is not None:
        if cfg.get('init_cfg') is not None or cfg.get('pretrained') is not None:
            raise ConfigError('Both model.pretrained and model.backbone.init_cfg name weights; keep one of them.\n'
                              f'model.pretrained={pretrained}')
        cfg['init_cfg'] = dict(type='Pretrained', checkpoint=pretrained)
    return cfg


def head_config(cfg: dict, shared: dict, backbone: nn.Module, place: str) -> dict:
    """A head's config, completed with the segmentor's facts, its input's channels and its dilations.

    Args:
        cfg: As the config file has it; not changed.
        shared: The segmentor's own facts; None means not told.
        backbone: Tells ``out_channels`` and ``output_stride``.
        place: The config key, for messages.

    Raises:
        ConfigError: If the head and the backbone do not fit each other.
    """
    cls = part_class(DECODE_HEADS, cfg, place)
    cfg = dict(cfg)
    for key, value in shared.items():
        if value is not None and takes(cls, key):
            cfg.setdefault(key, value)
    if 'num_classes' not in cfg and takes(cls, 'num_classes'):
        raise ConfigError(f'The number of classes is not given: set model.num_classes, or {place}.num_classes.')
    in_index = cfg.get('in_index', -1)
    offered = _offered_channels(backbone, in_index, place)
    if offered is None and 'in_channels' not in cfg:
        raise ConfigError(f'{place}.in_channels is missing, and {type(backbone).__name__} has no out_channels that '
                          'would tell it.')
    if offered is not None and takes(cls, 'in_channels'):
        wanted = cfg.setdefault('in_channels', offered)
        if (list(wanted) if isinstance(wanted, (list, tuple)) else wanted) != offered:
            raise ConfigError(f'{place}.in_channels is {wanted}, but {type(backbone).__name__} gives {offered} at '
                              f'in_index={in_index}; {_maps(backbone)}.\nLeave in_channels out: the backbone tells it.')
    if takes(cls, 'c1_in_channels') and hasattr(backbone, 'out_channels'):
        finest = backbone.out_channels[0]
        if cfg.setdefault('c1_in_channels', finest) not in (0, finest):
            raise ConfigError(f"{place}.c1_in_channels is {cfg['c1_in_channels']}, but the first feature map of "
                              f'{type(backbone).__name__} has {finest}; {_maps(backbone)}.\n'
                              'Leave c1_in_channels out: the backbone tells it.')
    if hasattr(cls, 'dilations_at') and cfg.get('dilations') is None:
        stride = getattr(backbone, 'output_stride', None)
        if stride is None:
            raise ConfigError(f'{place}.dilations is missing, and {type(backbone).__name__} has no output_stride that '
                              'would tell them.')
        cfg['dilations'] = cls.dilations_at(stride)
    return cfg


def _offered_channels(backbone: nn.Module, in_index: Union[int, Sequence[int]],
                      place: str) -> Union[None, int, list[int]]:
    channels = getattr(backbone, 'out_channels', None)
    if channels is None:
        return None
    for index in in_index if isinstance(in_index, (list, tuple)) else [in_index]:
        if not isinstance(index, int) or not -len(channels) <= index < len(channels):
            raise ConfigError(f'{place}.in_index={in_index!r} is out of range: {type(backbone).__name__} gives '
                              f'{len(channels)} feature maps, 0 to {len(channels) - 1} (model.backbone.out_indices).\n'
                              f'They are: {_maps(backbone)}.')
    if isinstance(in_index, (list, tuple)):
        return [channels[index] for index in in_index]
    return channels[in_index]


def _maps(backbone: nn.Module) -> str:
    """Each feature map's number, stage and channels, in words."""
    stages = getattr(backbone, 'out_indices', None) or range(len(backbone.out_channels))
    return ', '.join(f'{i} (stage {stage + 1}, {channels} channels)'
                     for i, (stage, channels) in enumerate(zip(stages, backbone.out_channels)))
