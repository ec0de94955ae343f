"""Whether the parts of a run fit each other, asked before any of them is built."""
from typing import Any, Optional

from torch import nn

from segkit.engine.checks import hard_pixels, label_checks, score_checks
from segkit.engine.checks.config_parts import classes_of, datasets_of, heads_of, metrics_of, model_of, size_of_crops
from segkit.engine.iteration_counts import schedules
from segkit.engine.loops.iter_based_train_loop import above_zero
from segkit.engine.schedule import POLY, fill_ends
from segkit.errors import ConfigError


def check(given: dict) -> list[str]:
    """Compare what a runner is given: numbers of classes, void labels, sizes, schedules, intervals.

    What is built already is not looked at.

    Args:
        given: A runner's keyword arguments, completed.

    Returns:
        Lines on what works, but may not be what was meant.

    Raises:
        ConfigError: If the run would fail later, or would not do what a key says.
    """
    model, notices = model_of(given), []
    heads = heads_of(model)
    # A training's test data may be another's, as in a file that gave its base only train and val.
    for split in ('train', 'val') if given.get('train_dataloader') is not None else ('val', 'test'):
        for dataset in datasets_of(given, split):
            for head in heads if split == 'train' else heads[:1]:
                classes = classes_of(dataset)
                if classes is not None:
                    refuse_other_classes(len(classes), split, head.get('num_classes'), head.get('out_channels'),
                                         head.key('num_classes'))
            label_checks.check_dataset(dataset)
    notices += _check_names(given) + label_checks.check_training(given, heads)
    notices += label_checks.check_sides(given)
    for split in ('val', 'test'):
        for dataset in datasets_of(given, split):
            for metric in metrics_of(given, split):
                notices += label_checks.check_metric(dataset, metric)
    notices += _check_crop(given, model) + hard_pixels.all_kept(given, heads)
    if isinstance(given.get('train_cfg'), dict):
        for key, unit in (('max_iters', 'iterations'), ('max_epochs', 'epochs')):
            if given['train_cfg'].get(key) is not None:  # else a schedule would be blamed
                above_zero(key, given['train_cfg'][key], unit)
        notices += _check_schedules(given) + _check_intervals(given)
        score_checks.check(given)
    return notices


def check_num_classes(model: nn.Module, dataset: Any, name: str) -> None:
    """The same for a model and a dataset that were built; silent where one does not say how many classes it has.

    Args:
        model: The segmentor; told are ``num_classes``, its own or its decode head's, and the head's ``out_channels``.
        dataset: A dataset; told are ``metainfo['classes']``.
        name: 'train', 'val' or 'test', whose data they are.

    Raises:
        ConfigError: If they differ.
    """
    head = getattr(model, 'decode_head', None)
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    if classes:
        refuse_other_classes(len(classes), name, getattr(model, 'num_classes', getattr(head, 'num_classes', None)),
                             getattr(head, 'out_channels', None))


def refuse_other_classes(there: int, split: str, ours: Optional[int], channels: Optional[int],
                         key: str = 'model.num_classes') -> None:
    """Raise ConfigError unless a head of ``ours`` classes can learn or be tested on a dataset of ``there`` classes."""
    if ours is None or there == ours or channels == 1 and there == 2:  # one sigmoid tells two classes apart
        return
    raise ConfigError(f'{key} is {ours}, but the dataset of {split}_dataloader has {there} classes.\n'
                      f'Set {key}={there} (--cfg-options num_classes={there} sets every head), or '
                      f'{split}_dataloader.dataset.metainfo to {ours} classes.')


def same_files(train: Any, val: Any) -> Optional[str]:
    """A line where two built datasets read the same images, so that the scores say nothing of others; else None."""
    if not all(hasattr(one, 'get_data_info') and hasattr(one, '__len__') for one in (train, val)):
        return None
    count = len(train)
    if count != len(val):
        return None
    paths = [[one.get_data_info(i).get('img_path') for i in range(count)] for one in (train, val)]
    if None in paths[0] or sorted(paths[0]) != sorted(map(str, paths[1])):
        return None
    return f'train and val read the same {count} files: the scores say nothing of other images'


def check_smallest_batch(model: nn.Module, loader: Any) -> None:
    """Refuse batches of one image where a batch norm sees one value of each; before training, not in it.

    Args:
        model: The segmentor; asked is its ``check_batch_size``, if it has one.
        loader: The training's DataLoader.

    Raises:
        ConfigError: Naming the head and what can be done.
    """
    size = getattr(loader, 'batch_size', None)
    if size is None or not hasattr(model, 'check_batch_size'):
        return
    left = 0
    if not loader.drop_last and not hasattr(loader.sampler, 'start_at') and hasattr(loader.sampler, '__len__'):
        left = len(loader.sampler) % size
    mode = model.training
    model.train()
    try:
        model.check_batch_size(min(size, left or size))
    finally:
        model.train(mode)


def _check_names(given: dict) -> list[str]:
    """Numbers of classes were compared; here their names, between training and validation."""
    notices = []
    trained = next((classes_of(one) for one in datasets_of(given, 'train')), None)
    for dataset in datasets_of(given, 'val') if trained else ():
        names = classes_of(dataset)
        i = next((i for i, (a, b) in enumerate(zip(trained, names or ())) if a != b), None)
        if i is None:
            continue
        differ = f'class {i} is {trained[i]!r} in train_dataloader and {names[i]!r} in val_dataloader'
        if sorted(names) == sorted(trained):
            raise ConfigError(f'{dataset.place}.metainfo.classes: the same classes in another order; {differ}.\n'
                              'Give both datasets one order.')
        notices.append(f'{differ}: they are scored as one')
    return notices


def _check_crop(given: dict, model: dict) -> list[str]:
    preprocessor = model.get('data_preprocessor') or given.get('data_preprocessor')
    size = preprocessor.get('size') if isinstance(preprocessor, dict) else None
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        return []
    notices, size = [], tuple(size)
    for dataset in datasets_of(given, 'train'):
        crop = size_of_crops(dataset)
        if crop is None or crop == size:
            continue
        what = f'{dataset.place}.pipeline gives crops of {crop[0]}x{crop[1]} (h, w), and model.data_preprocessor.size'
        if crop[0] > size[0] or crop[1] > size[1]:
            raise ConfigError(f'{what} is {size[0]}x{size[1]}: a batch is padded to it, never cut.\nSet both alike: '
                              f'--cfg-options "crop_size=({crop[0]}, {crop[1]})", or leave size out.')
        share = 1 - crop[0] * crop[1] / (size[0] * size[1])
        notices.append(f'{what} pads them to {size[0]}x{size[1]}: {share:.0%} of what is computed is padding '
                       f'(crop_size on the command line sets both)')
    return notices


def _check_schedules(given: dict) -> list[str]:
    """Where each schedule begins and ends, against the length of the training."""
    notices, length = [], given['train_cfg'].get('max_iters')
    filled = list(schedules(fill_ends(given.get('param_scheduler'), given['train_cfg'])))
    begins = [one.get('begin', 0) for _, one in filled]
    for place, schedule in filled:
        by_epoch, begin, end = schedule.get('by_epoch', True), schedule.get('begin', 0), schedule.get('end')
        unit, limit = ('epoch', given['train_cfg'].get('max_epochs')) if by_epoch else ('iteration', length)
        key = f'train_cfg.max_{"epochs" if by_epoch else "iters"}'
        if end is not None and begin >= end:
            raise ConfigError(f'{place}: {schedule["type"]} begins at {unit} {begin} and ends at {end}; {key} is '
                              f'{limit}.\nSet {place}.begin below its end, and the ends of the schedules before it.')
        marks = schedule.get('milestones')
        if marks is not None and not (isinstance(marks, (list, tuple)) and all(isinstance(one, int) for one in marks)):
            raise ConfigError(f'{place}.milestones: expected a list of {unit}s, such as [2, 3], got {marks!r}.')
        if limit is None:
            continue
        notices += _check_span(place, schedule, min(limit, end or limit) - begin, f'{key}={limit}')
        if begin >= limit:
            notices.append(f'{place}: {schedule["type"]} begins at {unit} {begin} and never acts; {key} is {limit}')
        elif schedule['type'] in POLY and end > limit + 1:
            left = (1 - (limit - begin) / (end - begin))**schedule.get('power', 1.0)
            notices.append(f'{place}.end={end}, {key}={limit}: the training ends at {left:.0%} of the rate that '
                           f'{schedule["type"]} begins with')
        elif schedule['type'] in POLY and end < limit and not any(other >= end - 1 for other in begins):
            notices.append(f'{place}.end={end}, {key}={limit}: the rate stays at its last value for {limit - end} '
                           f'{unit}s')
    return notices


def _check_span(place: str, schedule: dict, length: int, total: str) -> list[str]:
    """A schedule's own lengths, against the ``length`` for which it acts."""
    for key in ('T_max', 'total_steps', 'step_size'):
        span = schedule.get(key)
        if isinstance(span, int) and length > 0:
            if span > length + 1 and key != 'step_size':
                return [f'{place}.{key}={span}, {total}: the training ends at {length / span:.0%} of the way of '
                        f'{schedule["type"]}']
            if span >= length and key == 'step_size':
                return [f'{place}.{key}={span}, {total}: the rate of {schedule["type"]} never changes']
            if span < 0.9 * length and key != 'step_size':
                then = 'the rate rises again after it' if key == 'T_max' else 'it is over long before the training'
                return [f'{place}.{key}={span}, {total}: {then}']
    late = [one for one in schedule.get('milestones') or () if one >= length > 0]
    return [f'{place}.milestones: {", ".join(map(str, late))} never come; {total}'] if late else []


def _check_intervals(given: dict) -> list[str]:
    """Validations and checkpoints that would never come."""
    notices, train_cfg = [], given['train_cfg']
    length = train_cfg.get('max_iters')
    limit, key = (length, 'max_iters') if length is not None else (train_cfg.get('max_epochs'), 'max_epochs')
    validated = given.get('val_dataloader') is not None
    if validated and limit is not None and train_cfg.get('val_begin', 1) > limit > 0:  # the loop refuses 0
        validated = False
        notices.append(f'train_cfg.val_begin={train_cfg["val_begin"]} is beyond train_cfg.{key}={limit}: no validation')
    hooks = given.get('default_hooks') or {}
    for name, hook in hooks.items():
        if not isinstance(hook, dict) or hook.get('type') != 'CheckpointHook':
            continue
        place, interval, last = f'default_hooks.{name}', hook.get('interval', -1), hook.get('save_last', True)
        if hook.get('by_epoch', True) and length is not None and interval > 0:
            raise ConfigError(f'{place}: interval={interval} counts epochs (by_epoch=True is the default), but the '
                              f'training counts iterations; nothing would be saved before its end.\n'
                              f'Set {place}.by_epoch=False.')
        never = interval <= 0 or limit is not None and max(interval, hook.get('save_begin', 0)) > limit
        if never and not last:
            if not validated or not hook.get('save_best', 'mIoU'):
                raise ConfigError(f'{place}: interval={interval} and save_last=False save nothing in {limit} '
                                  f'(train_cfg.{key}).\nLower the interval, or leave save_last out.')
            notices.append(f'{place} saves the best weights only, and nothing to resume from: interval={interval}, '
                           f'save_last=False, train_cfg.{key}={limit}')
    return notices
