"""MMSegmentation, whose checkpoints fit as they are."""
from collections.abc import Mapping

from torch import Tensor

from segkit.apis.importers.plan import CLASSIFIER, Plan, not_this


def plan(weights: Mapping[str, Tensor]) -> Plan:
    """How a file of MMSegmentation's is read: by the same names.

    Raises:
        CheckpointError: If it is none.
    """
    if not any(key.startswith('backbone.') for key in weights) or CLASSIFIER not in weights:
        raise not_this("MMSegmentation's", weights, f'backbone.* and {CLASSIFIER} were expected')
    return Plan('a segmentor of MMSegmentation', {'': ''},
                no_reference='MMSegmentation is not run; docs/importers.md and docs/parity.md have the differences')
