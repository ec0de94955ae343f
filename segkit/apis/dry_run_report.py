"""What ``train.py --dry-run`` prints."""
import textwrap
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from segkit.apis.dry_run_estimate import Costs
from segkit.apis.dry_run_facts import Facts, Seen, checkpoint_hook, free_bytes
from segkit.apis.model_parts import parts_of
from segkit.engine.hooks.progress_hook import duration
from segkit.engine.shape_trace import Stair, shape_of
from segkit.engine.small_batch import IMAGES, SIDE

WIDTH = 118
LABEL = 40  # columns of what stands on a stair
MOST_GROUPS = 6
BUSY = 0.85  # share of the processors below which times are those of a busy machine


def opening(reduced: bool) -> str:
    """What is done, and at which size."""
    size = (f'reduced: at most {IMAGES} images of about {SIDE}x{SIDE} pixels a process, no loader processes'
            if reduced else 'at the real size, no loader processes')
    return f'dry run: an update, a validation batch, a checkpoint, its resume; {size}'


def _row(label: str, *texts: str) -> str:
    return f'  {label:<18}' + '  '.join(text for text in texts if text)


def recipe(cfg: Any, runner: Any, counts: int) -> list[str]:
    """Total batch, length, validations and checkpoints."""
    loop, loader, hook = runner.train_loop, runner.train_dataloader, checkpoint_hook(runner)
    wrapper = cfg.optim_wrapper
    accumulated = wrapper.get('accumulative_counts', 1) if isinstance(wrapper, dict) else 1
    size = loader.batch_size or len(next(iter(loader.batch_sampler)))
    images = size * runner.world_size
    by_epoch = runner.max_epochs > 1
    passes = runner.max_iters * images / len(loader.dataset)
    unit = 'epochs' if by_epoch else 'iterations'
    rows = [_row('total batch', f'{images * accumulated} = {runner.world_size} '
                 f'{"process" if runner.world_size == 1 else "processes"} x {size} images'
                 + (f' x {accumulated} accumulated' if accumulated > 1 else '')
                 + (f' (here {counts})' if counts != accumulated else '')),
            _row('length', f'{runner.max_iters:,} iterations, {passes:,.1f} times through '
                 f'{len(loader.dataset):,} images')]
    if runner.val_loop is not None:
        last, every = (runner.max_epochs, loop.val_interval) if by_epoch else (runner.max_iters, loop.val_interval)
        rows.append(_row('validations', f'{-(-last // every):,}, every {every:,} {unit}, '
                         f'{len(runner.val_loop.dataloader.dataset):,} images each'))
    if hook is not None:
        keep = 'all' if hook.max_keep_ckpts < 0 else hook.max_keep_ckpts
        every = (f'every {hook.interval:,} {"epochs" if hook.by_epoch else "iterations"}' if hook.interval > 0 else
                 'at the end')
        best = getattr(hook, 'scores', None) or getattr(hook, 'save_best', None)
        best = ', '.join([best] if isinstance(best, str) else best or [])
        rows.append(_row('checkpoints', f'{every}, {keep} kept' + (f', and the best {best}' if best else '')))
    return ['recipe', *rows]


def parts(model: nn.Module) -> list[str]:
    """Parameters of each part of the network."""
    rows = [_row(part.name, f'{", ".join(part.kinds):<18}', f'{part.learning / 1e6:7.2f} M',
                 f'+ {part.frozen / 1e6:.2f} M frozen' if part.frozen else '') for part in parts_of(model)]
    count = sum(p.numel() for p in model.parameters())
    return [f'model: {type(model).__name__}, {count / 1e6:.2f} M parameters', *rows]


def absent(found: Sequence[tuple]) -> list[str]:
    """Weights that a run would download first."""
    return [_row(name, f'pretrained weights: {source} is not here yet; a run would download it to {path}')
            for name, source, path in found]


def rates(runner: Any) -> list[str]:
    """Optimizer, its groups of parameters, and how the learning rate moves."""
    wrapper = runner.optim_wrapper
    optimizer = getattr(wrapper, 'optimizer', None)
    if optimizer is None:
        return [f'optimizer: several, {type(wrapper).__name__}']
    groups: dict[tuple, list[int]] = {}
    for group in wrapper.param_groups:
        counts = groups.setdefault((group.get('initial_lr', group['lr']), group.get('weight_decay', 0)), [0, 0])
        learning = [p for p in group['params'] if p.requires_grad]
        counts[0] += len(learning)
        counts[1] += sum(p.numel() for p in learning)
    shown = sorted(groups.items(), key=lambda item: -item[1][1])
    lines = [f'optimizer: {type(optimizer).__name__} in {type(wrapper).__name__}']
    lines += [_row(f'lr {lr:.4g}', f'weight decay {decay:<8.4g}', f'{tensors:4} tensors', f'{numbers / 1e6:7.2f} M')
              for (lr, decay), (tensors, numbers) in shown[:MOST_GROUPS]]
    if len(shown) > MOST_GROUPS:
        lines.append(_row('', f'and {len(shown) - MOST_GROUPS} more groups'))
    last = runner.max_iters - 1
    moments = sorted({0, last // 2, last})
    values = runner.learning_rates(moments)
    schedules = runner.param_schedulers or []
    names = ', '.join(type(one).__name__ for one in schedules) if isinstance(schedules, list) else 'one per optimizer'
    if values is not None:
        lines.append(_row('schedule', names or 'constant', ', '.join(
            f'{value:.4g} at iteration {moment + 1:,}' for moment, value in zip(moments, values))))
    return lines


def _size(shape: Sequence[int], kind: str) -> str:
    return f'{"x".join(map(str, shape))} {kind}'


def _told(shapes: dict) -> str:
    return ', '.join(f'{name} {_size(*value)}' if name else _size(*value) for name, value in shapes.items())


def _steps(pipeline: Sequence[Stair]) -> list[str]:
    """The transforms that read, change a shape or a type, or pack."""
    rows, before = [], None
    for stair in pipeline:
        if stair.shapes and stair.shapes != before:
            rows.append(f'  {stair.name:<{LABEL}}{_told(stair.shapes)}')
        before = stair.shapes
    return rows


def _batch_row(batch: dict) -> str:
    shapes = {key: shape_of(batch[key]) for key in ('inputs', 'labels') if isinstance(batch.get(key), torch.Tensor)}
    images = len(batch['inputs'])
    return f'  {"batch":<{LABEL}}{_told(shapes) or f"{images} images of their own sizes"}'


def _network(stairs: Sequence[Stair], real: Sequence[Stair]) -> list[str]:
    """The network's stairs; where a step was smaller than a real one, what it was stands at the right."""
    true = {stair.place: stair.shapes for stair in real}
    maps = _maps(stairs)
    rows, before, height = [], None, None
    for stair in stairs:
        if stair.place == 'backbone' and maps:
            continue  # its outputs are those of its parts
        shapes = true.get(stair.place, stair.shapes)
        height = shapes['inputs'][0][2] if 'inputs' in shapes else height
        for key, (shape, kind) in shapes.items():
            if stair.place.startswith('backbone.') and shape[1:] == before and stair.place not in maps:
                continue
            before = shape[1:]
            note = f'stride {round(height / shape[2])}' if height and len(shape) == 4 and key != 'inputs' else ''
            note += f', map {maps[stair.place]}' if stair.place in maps else ''
            ran = stair.shapes.get(key, (shape, kind))[0]
            here = f'here {"x".join(map(str, ran))}' if shape != ran else ''
            text = f'{key} {_size(shape, kind)}' if key else _size(shape, kind)
            rows.append(f'  {stair.place + " " + stair.name:<{LABEL}}{text:<32}{note:<18}{here}'.rstrip())
    return rows


def _maps(stairs: Sequence[Stair]) -> dict[str, int]:
    """Which part of the backbone gives which of its outputs; empty where that cannot be told from the shapes."""
    outputs = next((list(stair.shapes.values()) for stair in stairs if stair.place == 'backbone'), [])
    found, left = {}, len(outputs)
    for stair in reversed([stair for stair in stairs if stair.place.startswith('backbone.')]):
        if left and list(stair.shapes.values()) == [outputs[left - 1]]:
            left -= 1
            found[stair.place] = left
    return found if not left else {}


def staircase(seen: Seen, real: Sequence[Stair], reduced: bool) -> list[str]:
    """From a file to the losses, with the shapes that were seen."""
    title = 'training, from file to loss' + (': the real sizes, and at the right those run here' if reduced else '')
    losses = '  '.join(f'{name} {float(value):.4g}' for name, value in seen.losses.items())
    return [title, *_steps(seen.pipeline), _batch_row(seen.batch), *_network(seen.stairs, real),
            f'  {"losses":<{LABEL}}{losses}']


def validation(seen: Seen, metrics: Sequence[Any]) -> list[str]:
    """From a file to the scores."""
    if seen.validation is None:
        return ['validation: none']
    pipeline, batch, stairs, predictions = seen.validation
    ran = [stair for stair in stairs if not stair.place.startswith('backbone')]
    found = predictions[0].pred_sem_seg.data if predictions and 'pred_sem_seg' in predictions[0] else None
    rows = [f'  {stair.place + " " + stair.name:<{LABEL}}{_told(stair.shapes)}' for stair in ran]
    if found is not None:
        rows.append(f'  {"pred_sem_seg":<{LABEL}}{_size(*shape_of(found))}')
    given = {tuple(shape[-2:]) for stair in stairs for name, (shape, _) in stair.shapes.items() if name == 'inputs'}
    smaller = tuple(batch['inputs'][0].shape[-2:]) not in given
    title = 'validation, from file to score' + (': the network was given a smaller image here' if smaller else '')
    return [title, *_steps(pipeline), _batch_row(batch), *rows,
            f'  {"metric":<{LABEL}}{", ".join(type(one).__name__ for one in metrics)}']


def data(seen: Seen, facts: Facts) -> list[str]:
    """Classes, and the labels of the batch."""
    lines = ['data: ' + f'{facts.train_samples:,} training images'
             + ('' if facts.val_samples is None else f', {facts.val_samples:,} validation images')]
    if facts.classes:
        named = ', '.join(f'{i} {name}' for i, name in enumerate(facts.classes))
        text = textwrap.shorten(named, 3 * (WIDTH - 20), placeholder=f' ... ({len(facts.classes)} classes)')
        rows = textwrap.wrap(text, WIDTH - 20)
        lines += [_row('classes' if i == 0 else '', row) for i, row in enumerate(rows)]
    labels = seen.batch.get('labels')
    if isinstance(labels, torch.Tensor):
        values, counts = labels.unique(return_counts=True)
        void = int(counts[values == facts.ignore_index].sum())
        text = ' '.join(str(v) for v in values.tolist() if v != facts.ignore_index)
        lines.append(_row('labels seen', textwrap.shorten(text, WIDTH - 50, placeholder=' ...') or 'none',
                          f'and {void / labels.numel():.1%} void ({facts.ignore_index})'))
    return lines


def costs(found: Costs, facts: Facts) -> list[str]:
    """Time of 1,000 iterations, and memory."""
    seconds = found.step_seconds + found.read_seconds
    several = 'process, of ' + str(facts.processes) if facts.processes > 1 else 'this process'
    reading = f', {found.read_seconds:.2f} s of it reading' if found.read_seconds > 0.01 * seconds + 0.005 else ''
    lines = ['cost at the real size on this machine',
             _row('time', f'{_long(1000 * seconds)} for 1,000 iterations ({seconds:.3g} s each{reading}), '
                  f'{_long(facts.iterations * seconds)} for all {facts.iterations:,} without validations'),
             _row('', f'from {found.basis}')]
    if found.share < BUSY:
        lines.append(_row('', f'on a core of its own; at the {found.share:.0%} that others left of it just now, 1,000 '
                          f'iterations take {_long(1000 * seconds / found.share)}'))
    elif found.load > 1 + BUSY and not torch.cuda.is_available():
        lines.append(_row('', f'others use this machine ({found.load:.1f} programs wait for each core), so the times '
                          'are longer than on a free one'))
    if found.memory:
        listed = ', '.join(f'{name} {_gigabytes(value)}' for name, value in found.memory.items())
        lines += [_row('memory', f'{_gigabytes(sum(found.memory.values()))} in {several}: {listed}')]
        if 'weights' in found.memory:
            lines.append(_row('', "of a step without values; not in it: the allocator's reserve, loader processes, "
                              'validation'))
    if found.fault:
        lines.append(_row('', f'the step could not be simulated ({found.fault}): no memory, and time by pixels'))
    return lines


def disk(facts: Facts) -> list[str]:
    """What the run folder will hold, and whether there is room for it."""
    # One more while the next is written, since the old one goes afterwards.
    needed = facts.full_bytes * (facts.kept + (1 if facts.kept else 0)) + facts.best_bytes * facts.best
    free = free_bytes(facts.folder)
    lines = ['disk', _row('checkpoints', f'{_gigabytes(facts.full_bytes)} each, {facts.kept} kept and one being written'
                          + (f', best weights {_gigabytes(facts.best_bytes)}' if facts.best else '')
                          + f': {_gigabytes(needed)}; free on the disk of {facts.folder}: {_gigabytes(free)}')]
    if needed > free:
        lines.append('warning: the checkpoints do not fit; set default_hooks.checkpoint.max_keep_ckpts or --work-dir')
    if facts.earlier is not None:
        lines.append(_row('', f'{facts.folder} holds a run at iteration {facts.earlier}'))
    return lines


def _gigabytes(count: float) -> str:
    return f'{count / 1e9:.2f} GB' if count >= 1e8 else f'{count / 1e6:.1f} MB'


def _long(seconds: float) -> str:
    if seconds < 172800:
        return (f'{duration(seconds)} h' if seconds >= 3600 else f'{seconds / 60:.1f} min' if seconds >= 120 else
                f'{seconds:.0f} s')
    return f'{seconds / 86400:.1f} days'
