"""Which ResNet a file holds, told by its keys."""
import re
from collections.abc import Iterable

from segkit.errors import CheckpointError
from segkit.models.backbones.resnet import ResNet
from segkit.models.backbones.resnet_blocks import Bottleneck


def depth_of(keys: Iterable[str], prefix: str = '') -> int:
    """The depth whose blocks ``layer1.0``, ..., ``layer4.2`` the keys name.

    Args:
        keys: The file's.
        prefix: What stands ahead of ``layer1``.

    Raises:
        CheckpointError: If no depth has these blocks.
    """
    last, bottleneck = {}, False
    for key in keys:
        found = re.match(rf'{re.escape(prefix)}layer(\d)\.(\d+)\.(\w+)', key)
        if found:
            stage, block = int(found[1]), int(found[2])
            last[stage] = max(last.get(stage, 0), block + 1)
            bottleneck |= found[3] == 'conv3'
    counts = tuple(last.get(stage, 0) for stage in (1, 2, 3, 4))
    for depth, (kind, blocks) in ResNet.arch_settings.items():
        if blocks == counts and (kind is Bottleneck) == bottleneck:
            return depth
    raise CheckpointError(f'{prefix}layer1 to {prefix}layer4 have {", ".join(map(str, counts))} blocks'
                          f'{" of three convolutions" if bottleneck else ""}: no ResNet of depth '
                          f'{", ".join(map(str, ResNet.arch_settings))} has.')
