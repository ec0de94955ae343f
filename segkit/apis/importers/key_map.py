"""The key map in words."""
import os.path as osp
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from segkit.apis.importers.plan import Plan

PARTS = ('backbone', 'decode_head', 'auxiliary_head')  # whose parts are told one by one
OF_ITS_USE = ('out_indices', 'output_stride')  # keys of a backbone's config that another use sets otherwise


def lines_of(plan: Plan, weights: Mapping[str, Tensor], names: Mapping[str, str], whole: bool) -> Iterator[str]:
    """A line for each key, or for each part of the network, and one for each reason to leave keys out.

    Args:
        plan: How the file is read.
        weights: The file's.
        names: Key of the file -> ours.
        whole: Whether each key has its line.
    """
    if whole:
        for theirs, ours in names.items():
            yield f'{theirs:50} {ours:58} {"x".join(map(str, weights[theirs].shape)) or "scalar"}'
    else:
        for keys in _parts(names).values():
            tensors = f'{len(keys)} tensor{"" if len(keys) == 1 else "s"}'
            yield (f'{_common(keys):34} {_common([names[key] for key in keys]):36} {tensors:>12}, '
                   f'{sum(weights[key].numel() for key in keys):,} numbers')
    reasons: dict[str, list[str]] = {}
    for key in weights:
        reasons.setdefault(plan.reason_of(key), []).append(key)
    for why, keys in reasons.items():
        if why:
            shown = keys if whole else keys[:3]
            yield f'left out ({why}): {", ".join(shown)}{", ..." if len(keys) > len(shown) else ""}'


def _parts(names: Mapping[str, str]) -> dict[str, list[str]]:
    """The file's keys by the part of our network that they belong to."""
    parts: dict[str, list[str]] = {}
    for theirs, ours in names.items():
        words = ours.split('.')
        parts.setdefault('.'.join(words[:2 if words[0] in PARTS else 1]), []).append(theirs)
    return parts


def _common(keys: Sequence[str]) -> str:
    """What keys have in common, up to a dot."""
    if len(keys) == 1:
        return keys[0]
    return osp.commonprefix(list(keys)).rpartition('.')[0] + '.*'


def backbone_line(plan: Plan, out: str) -> str:
    """How a file of a backbone alone is used in a config."""
    keys = {key: value for key, value in plan.backbone.items() if key not in OF_ITS_USE}
    return (f'a backbone alone: backbone=dict({", ".join(f"{key}={value!r}" for key, value in keys.items())}, '
            f"init_cfg=dict(type='Pretrained', checkpoint='{out}'))")
