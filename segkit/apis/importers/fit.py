"""Whether a file's weights fit our network: key by key, and by where a ResNet has its strides."""
import json
from collections.abc import Mapping, Sequence

from mmengine.config import Config
from torch import Tensor, nn

from segkit.apis.importers.plan import Plan
from segkit.checkpoint.layouts import STRIDE_PLACES, place_of, stride_place
from segkit.engine.checks import same_function
from segkit.engine.run_config import plain
from segkit.errors import CheckpointError

UNCOUNTED = 'num_batches_tracked'  # files older than torch 0.4.1, and MXNet's, count no batches


def renamed(plan: Plan, weights: Mapping[str, Tensor], model: nn.Module, file: str) -> dict[str, str]:
    """Each key of the file that is used, and its name in our network.

    Args:
        plan: How the file is read.
        weights: The file's.
        model: Ours.
        file: What the file is called.

    Raises:
        CheckpointError: If a key has no place, one of ours has none in the file, two have the same place, or a shape
            differs; all of them are counted, and three of each kind named.
    """
    own = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    names, unknown, twice = {}, [], []
    taken: set[str] = set()
    for key in weights:
        name = plan.name_of(key)
        if name is None or name not in own:
            unknown += [key] * (not plan.reason_of(key))
        elif name in taken:
            twice.append(key)
        else:
            names[key] = name
            taken.add(name)
    missing = [key for key in own if key not in taken and not key.endswith(UNCOUNTED)]
    shapes = [f'{key} (file {_shape(weights[key].shape)}, {name} {_shape(own[name])})' for key, name in names.items()
              if tuple(weights[key].shape) != own[name]]
    faults = [_listed(f'{len(found)} {what}', found) for what, found in (
        (f'of its {len(weights)} keys have no place', unknown), ('have a place that is taken', twice),
        ('of ours are not in it', missing), ('of another shape', shapes)) if found]
    if faults:
        raise CheckpointError(f'{file} is not {plan.what}:\n' + '\n'.join(faults[:3]))
    return names


def _listed(head: str, found: Sequence[str]) -> str:
    return f'{head}: {", ".join(found[:3])}{", ..." if len(found) > 3 else ""}'


def _shape(shape: Sequence[int]) -> str:
    return 'x'.join(map(str, shape)) or 'scalar'


def refuse_other_stride_place(plan: Plan, backbone: nn.Module, weights: Mapping[str, Tensor], file: str,
                              config: str) -> None:
    """Refuse weights of a ResNet whose stages have their stride on another convolution than our network's.

    All their keys and shapes would fit, and compute something else.

    Args:
        plan: How the file is read.
        backbone: Ours.
        weights: The file's.
        file: What the file is called.
        config: What our network's config is called.

    Raises:
        CheckpointError: Saying where each has it, and what to do.
    """
    if plan.style is None:
        return
    found = stride_place(weights)
    if found is not None and found != plan.style:
        raise CheckpointError(f'{file} is of a ResNet with a stage\'s stride {STRIDE_PLACES[found]}, {plan.what} has '
                              f'it {STRIDE_PLACES[plan.style]}.\nIts keys would fit, and compute something else: name '
                              "the source that it comes from, or give it to a backbone of style='caffe' (init_cfg).")
    ours = place_of(backbone)
    if ours is not None and ours != plan.style:
        raise CheckpointError(f'{file}: in {plan.what} a stage has its stride {STRIDE_PLACES[plan.style]},\nin the '
                              f'network of {config} {STRIDE_PLACES[ours]}.\nThe keys fit, but would compute something '
                              f"else: leave --config out, or set model.backbone.style='{plan.style}' there.")


def refuse_other_function(plan: Plan, cfg: Config, own: Config, file: str, config: str) -> None:
    """Refuse a config that differs from the source's own in what no shape of a tensor shows.

    Args:
        plan: How the file is read.
        cfg: The config that was given.
        own: The source's.
        file: What the file is called.
        config: What ``cfg`` is called.

    Raises:
        CheckpointError: Naming the keys.
    """
    stored = dict(meta=dict(config_json=json.dumps(plain(own.to_dict()))))
    found = same_function.difference(stored, cfg.model, file)
    if found is not None:
        differing = found.splitlines()[0].partition('(its -> ours): ')[2]
        raise CheckpointError(f'{file} would compute something else in {config} than in {plan.what}:\n'
                              f'{differing}\nLeave --config out, or set these keys there to the first values.')
