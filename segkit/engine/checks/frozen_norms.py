"""Whether batch norms that are meant to be frozen would still move."""
from typing import Optional

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def moving(model: nn.Module) -> Optional[str]:
    """A line where batch norms learn no factors, but still normalise by each batch and update their statistics.

    Three of the systems that segkit reproduces call that frozen; what they then evaluate is another network than what
    has learnt. Batch norms without factors (``affine=False``) are meant to move.

    Args:
        model: The segmentor, before its training; its mode is left as it is.

    Returns:
        The line; None where there is nothing to say.
    """
    mode = model.training
    model.train()  # where parts keep their batch norms in evaluation
    try:
        norms = {name: module for name, module in model.named_modules() if isinstance(module, _BatchNorm)}
        fixed = [name for name, norm in norms.items() if norm.affine and not norm.weight.requires_grad
                 and not norm.bias.requires_grad and norm.training and norm.track_running_stats]
    finally:
        model.train(mode)
    if not fixed:
        return None
    return (f'{len(fixed)} of {len(norms)} batch norms learn no factors (norm_cfg.requires_grad=False), but still '
            f'normalise by each batch and update their statistics, {fixed[0]} for one; model.norm_eval=True freezes '
            'those too')
