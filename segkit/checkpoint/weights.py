"""The weights of a checkpoint, compared with a model's key by key."""
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from torch import Tensor, nn

from segkit.checkpoint.layouts import importable, layout_of
from segkit.errors import CheckpointError

IMPORTER = 'python tools/model_converters/import_weights.py'
HARDLY = 0.1  # of a file's keys; where the model has fewer of these names, the file is of another network


def state_dict_of(checkpoint: Mapping, source: str = 'The checkpoint') -> dict[str, Tensor]:
    """The weights in what :func:`load_file` returned, without the prefix that DistributedDataParallel adds.

    Args:
        checkpoint: What was read.
        source: What it is called in the error.

    Raises:
        CheckpointError: If there are none.
    """
    weights = next((checkpoint[key] for key in ('state_dict', 'model') if isinstance(checkpoint.get(key), Mapping)),
                   checkpoint)
    weights = {key: value for key, value in weights.items() if isinstance(value, Tensor)}
    if not weights:
        keys = ', '.join(map(str, list(checkpoint)[:8]))
        raise CheckpointError(f"{source} holds no weights; a dict of tensors, or one under 'state_dict', was "
                              f'expected.\nIts keys: {keys}.')
    if all(key.startswith('module.') for key in weights):
        weights = {key[len('module.'):]: value for key, value in weights.items()}
    return weights


@dataclass
class KeyReport:
    """How a file's weights fit a model.

    Attributes:
        fitting: Keys with equal shapes.
        missing: Keys of the model that the file lacks.
        unexpected: Keys of the file that the model lacks.
        mismatched: (key, shape in the file, shape in the model).
        cause: What probably explains the difference, and what to do; empty where nothing is known.
    """

    fitting: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
    cause: str = ''

    @property
    def ok(self) -> bool:
        return not (self.missing or self.unexpected or self.mismatched)

    @property
    def other_classes(self) -> Optional[tuple[int, int]]:
        """Classes of the file and of the model, where nothing but the classifiers' number of them differs."""
        pairs = _first_sizes(self.mismatched)
        if len(pairs) != 1 or self.missing or self.unexpected or any('backbone.' in key for key, *_ in self.mismatched):
            return None
        return pairs.pop()

    def text(self, source: str, model: str = 'the model') -> str:
        """The report in at most four lines."""
        shapes = [f'{key} (file {_shape(theirs)}, model {_shape(ours)})' for key, theirs, ours in self.mismatched]
        kinds = (('missing', self.missing), ('unexpected', self.unexpected), ('of another shape', shapes))
        parts = [f'{len(keys)} {name}: ' + ', '.join(keys[:3]) + (', ...' if len(keys) > 3 else '')
                 for name, keys in kinds if keys]
        listed = '; '.join(parts)
        lines = [f'{source} does not fit {model}; {len(self.fitting)} keys fit.',
                 listed if listed.endswith('...') else f'{listed}.', self.cause]
        return '\n'.join(line for line in lines if line)


def _first_sizes(mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]]) -> set[tuple[int, int]]:
    """The pairs of first sizes, where no other size of a tensor differs; otherwise none."""
    if not all(a and b and a[1:] == b[1:] for _, a, b in mismatched):
        return set()
    return {(a[0], b[0]) for _, a, b in mismatched}


def _shape(shape: Sequence[int]) -> str:
    return 'x'.join(map(str, shape)) or 'scalar'


def compare(model: nn.Module, state_dict: Mapping[str, Tensor], allow_missing: Sequence[str] = (),
            allow_unexpected: Sequence[str] = ()) -> KeyReport:
    """How weights fit a model; the arguments are those of :func:`load_weights`, and nothing is copied."""
    own = model.state_dict()
    # Files older than torch 0.4.1 do not count batches; nothing but a momentum of None reads the count.
    allow_missing = tuple(allow_missing)
    missing = [key for key in own if key not in state_dict
               and not key.endswith('num_batches_tracked') and not key.startswith(allow_missing)]
    unexpected = [key for key in state_dict if key not in own and not key.startswith(tuple(allow_unexpected))]
    common = [key for key in own if key in state_dict]
    mismatched = [(key, tuple(state_dict[key].shape), tuple(own[key].shape)) for key in common
                  if state_dict[key].shape != own[key].shape]
    wrong = {key for key, _, _ in mismatched}
    report = KeyReport([key for key in common if key not in wrong], missing, unexpected, mismatched)
    report.cause = _cause(report, list(own), list(state_dict))
    return report


def load_weights(model: nn.Module, state_dict: Mapping[str, Tensor], strict: bool = True,
                 allow_missing: Sequence[str] = (), allow_unexpected: Sequence[str] = (),
                 source: str = 'The checkpoint') -> KeyReport:
    """Copy weights into a model, all of them or, with ``strict=False``, those that fit.

    Args:
        model: The module the keys are relative to.
        state_dict: Weights by key.
        strict: Whether a difference is an error.
        allow_missing: Beginnings of keys that the file may lack.
        allow_unexpected: Beginnings of keys that the file may have in addition.
        source: What the weights are called in the error.

    Returns:
        What fitted and what did not, without what was allowed.

    Raises:
        CheckpointError: If ``strict`` and a key is missing, unexpected or of another shape; nothing is copied then.
    """
    report = compare(model, state_dict, allow_missing, allow_unexpected)
    if strict and not report.ok:
        raise CheckpointError(report.text(source, type(model).__name__))
    model.load_state_dict({key: state_dict[key] for key in report.fitting}, strict=False)
    return report


def _cause(report: KeyReport, ours: list[str], theirs: list[str]) -> str:
    """The likeliest reason why the keys differ, with the way out."""
    pairs = _first_sizes(report.mismatched)
    if len(pairs) == 1:
        file_classes, model_classes = pairs.pop()
        return (f'The file has {file_classes} classes, the model {model_classes}: '
                f'set model.num_classes={file_classes}, or take a file trained on {model_classes} classes.')
    if not report.fitting:
        heads = {key.split('.')[0] + '.' for key in theirs}
        for head in sorted(heads):
            if any(key.startswith(head) and key[len(head):] in ours for key in theirs):
                return f"The file's keys begin with '{head}': init_cfg.prefix='{head}' takes that part."
    foreign = layout_of(report.unexpected)
    if foreign:
        return (f'The file is {foreign}, the model is not: take weights of this model.'
                + (f'\n{IMPORTER} makes a checkpoint of such a file (--help).' if importable(theirs) else ''))
    stem = next((pair for pair in report.mismatched if pair[0].split('backbone.')[-1] == 'stem.0.weight'), None)
    if stem:
        return (f"The first convolution of the file's deep stem has {stem[1][0]} channels, the model's {stem[2][0]}: "
                'ResNetV1c and ResNetV1d have 32, ResNetV1s has 64.')
    if not report.fitting and any(f'backbone.{key}' in ours for key in theirs):
        return 'The file holds a backbone alone: give it as model.backbone.init_cfg, not to the whole model.'
    if len(report.fitting) + len(report.mismatched) < HARDLY * len(theirs):
        return ('The file is of another network: take one that was trained with this config, or the config that it was '
                'trained with.')
    for key, kind in (('stem.0.weight', "a deep stem (ResNetV1c, ResNetV1d, ResNetV1s)"),
                      ('conv1.weight', "a 7x7 stem (ResNet, 'torchvision://resnet50')"),
                      ('layer2.0.downsample.2.weight', 'averaging shortcuts (ResNetV1d)')):
        for keys, owner, other in ((report.missing, 'model', 'file'), (report.unexpected, 'file', 'model')):
            if key in keys or f'backbone.{key}' in keys:
                return f'The {owner} has {kind}, the {other} has not: take the file or the backbone of the same kind.'
    if any(re.search(r'layer\d\.\d+\.', key) for key in report.missing + report.unexpected):
        return 'The file is of a ResNet of another depth: set model.backbone.depth to its depth.'
    return ''
