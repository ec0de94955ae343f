"""From optim_wrapper of a config to an optimizer whose parameter groups are the ones that were meant."""
import difflib
import logging
from typing import Any

from mmengine.logging import MMLogger
from mmengine.optim import DefaultOptimWrapperConstructor as MMEngineConstructor
from torch import nn

from segkit.errors import ConfigError
from segkit.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DefaultOptimWrapperConstructor(MMEngineConstructor):
    """Builds an optimizer, with multipliers of learning rate and decay by a parameter's name.

    Reference: MMEngine's class of this name, whose ``paramwise_cfg`` it takes. Different from it: a key of
    ``custom_keys`` that no parameter's name contains is an error, and no line is logged for each parameter.

    Args:
        optim_wrapper_cfg: Config of the wrapper, with ``optimizer`` inside.
        paramwise_cfg: Multipliers, such as ``custom_keys={'decode_head': dict(lr_mult=10.)}``.

    Raises:
        ConfigError: If a key of ``custom_keys`` is part of no parameter's name.
    """

    def __call__(self, model: nn.Module) -> Any:
        """Build the optimizer wrapper for the parameters of a model."""
        bare = getattr(model, 'module', model)
        names = [name for name, _ in bare.named_parameters()]
        for key in self.paramwise_cfg.get('custom_keys') or {}:
            if not any(key in name for name in names):
                raise ConfigError(_explain(key, names))
        logger = MMLogger.get_current_instance()
        logger.addFilter(_is_not_of_one_parameter)
        try:
            return super().__call__(model)
        finally:
            logger.removeFilter(_is_not_of_one_parameter)


def _explain(key: str, names: list[str]) -> str:
    modules = {'.'.join(parts[:end]) for parts in (name.split('.') for name in names) for end in range(1, len(parts))}
    modules |= {part for name in names for part in name.split('.')}
    near = difflib.get_close_matches(key, sorted(modules), n=1, cutoff=0.5)
    top = dict.fromkeys(name.split('.')[0] for name in names)
    return (f"optim_wrapper.paramwise_cfg.custom_keys: '{key}' is part of no parameter's name, so it would change "
            'nothing.\n' + (f'Nearest: {near[0]}. ' if near else '') + f'The model has {", ".join(top)}.')


def _is_not_of_one_parameter(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return not text.startswith('paramwise_options -- ') and 'is skipped since its requires_grad' not in text
