"""Whether a network can learn one batch by heart."""
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit import ops
from systems.watch import entropy

STEPS, ROUNDS = 20, 3  # rounding decides how far a round comes, so that a slow one may go on
RATE, RATE_OF_FROZEN = 2e-3, 3e-4  # batch norm that follows the batch takes large steps, frozen batch norm does not
SHARE = 0.5  # of the first loss, and of the labels' entropy, below which the last ones have to be


def overfit(model: nn.Module, batch: dict, steps: int = STEPS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Train on one batch with Adam and without dropout, whatever the recipe says, and compare.

    Args:
        model: A trained segmentor; it is changed.
        batch: What the training loader gave.
        steps: Of a round; the scores are looked at behind it.
        rounds: The most there are; the first one that has learnt the batch is the last.

    Returns:
        ``losses`` (first, last), ``steps`` (taken), ``bar`` (what the cross-entropy of the scores has to be below),
        ``reached`` (what it is) and ``faults``.
    """
    model.train()
    for module in model.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d)):
            module.eval()
    for head in (head for _, _, head in model._heads()):
        head.log_accuracy = False
    rate = RATE if any(norm.training for norm in model.modules() if isinstance(norm, _BatchNorm)) else RATE_OF_FROZEN
    optimizer = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=rate)
    losses, begun = [], time.monotonic()
    data = model.data_preprocessor(batch, True)
    bar = SHARE * entropy(data['labels'])
    for _ in range(rounds):
        for _ in range(steps):
            loss, _ = model.parse_losses(model(**data, mode='loss'))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        reached = cross_entropy_of_scores(model, data)
        fell, learnt = losses[-1] < SHARE * losses[0], reached < bar
        if fell and learnt:
            break
    faults = []
    if not fell:
        faults.append(f'one batch is not learnt: the loss went from {losses[0]:.3f} to {losses[-1]:.3f} in '
                      f'{len(losses)} steps, expected below {SHARE * losses[0]:.3f}')
    if not learnt:
        faults.append(f'one batch is not learnt: the cross-entropy of its scores is {reached:.3f} after {len(losses)} '
                      f'steps, expected below {bar:.3f}, which is {SHARE:g} of the entropy of its labels')
    return dict(losses=(losses[0], losses[-1]), steps=len(losses), bar=bar, reached=reached, faults=faults,
                seconds=time.monotonic() - begun)


@torch.no_grad()
def cross_entropy_of_scores(model: nn.Module, data: dict) -> float:
    """Of the main head's scores at the labels' size."""
    logits = model(data['inputs'], mode='tensor')
    logits = ops.resize_logits(logits, data['labels'].shape[-2:], model.align_corners)
    return float(F.cross_entropy(logits, data['labels'], ignore_index=255))
