"""Where a learning-rate schedule ends."""
import copy
from typing import Any, Optional, Union

from segkit.errors import ConfigError

POLY = ('PolyLR', 'PolyMomentum', 'PolyParamScheduler')


def fill_ends(schedulers: Union[list, dict, None], train_cfg: Optional[dict]) -> Any:
    """Let each poly schedule that states no ``end`` end with the training.

    MMEngine takes infinity instead, which is a constant learning rate. A stated ``end`` stays as it is.

    Args:
        schedulers: ``param_scheduler`` of the config: a scheduler, a list of them, or built ones.
        train_cfg: ``train_cfg`` of the config, with ``max_iters`` or ``max_epochs``.

    Returns:
        A copy with the ends filled in.

    Raises:
        ConfigError: If a schedule counts epochs in a training that counts iterations; it would never move.
    """
    if not isinstance(train_cfg, dict):
        return schedulers
    if isinstance(schedulers, (list, tuple)):
        return [fill_ends(s, train_cfg) for s in schedulers]
    if not isinstance(schedulers, dict):
        return schedulers
    if 'type' not in schedulers:  # one entry for each optimizer
        return {name: fill_ends(s, train_cfg) for name, s in schedulers.items()}
    schedulers = copy.deepcopy(schedulers)
    by_epoch = schedulers.get('by_epoch', True)
    max_iters, max_epochs = train_cfg.get('max_iters'), train_cfg.get('max_epochs')
    if by_epoch and max_epochs is None:
        raise ConfigError(f"param_scheduler: {schedulers['type']} counts epochs, but train_cfg counts iterations; it "
                          'would never change the learning rate.\nSet by_epoch=False in it.')
    if schedulers['type'] in POLY and schedulers.get('end') is None:
        if by_epoch:
            schedulers['end'] = max_epochs
        elif max_iters is not None:
            schedulers['end'] = max_iters
        else:
            raise ConfigError(f"param_scheduler: {schedulers['type']} counts iterations and states no end, but "
                              'train_cfg counts epochs.\nState its end, or set by_epoch=True with '
                              'convert_to_iter_based=True.')
    return schedulers
