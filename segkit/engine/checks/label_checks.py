"""Whether everything that writes or reads void labels means the same label by them."""
from segkit.engine.checks.config_parts import Part, classes_of, datasets_of, transforms_of
from segkit.errors import ConfigError

# Transforms that write labels into new pixels, and the keyword that says which; Pad's is a dict.
FILLS = {'Pad': 'pad_val', 'RandomRotate': 'seg_pad_val', 'RandomMosaic': 'seg_pad_val', 'RandomCutOut': 'seg_fill_in'}
OF_REDUCING = 255  # what reduce_zero_label makes of label 0


def check_dataset(dataset: Part) -> None:
    """A dataset's own keys: where ``label_map`` leads, and what ``reduce_zero_label`` makes of 0.

    Raises:
        ConfigError: If a label would be neither a class nor void.
    """
    void = dataset.get('ignore_index')
    if void is None:
        return
    if dataset.get('reduce_zero_label') and void != OF_REDUCING:
        raise ConfigError(f'{dataset.place}: reduce_zero_label makes {OF_REDUCING} of label 0, but ignore_index is '
                          f'{void}.\nLeave ignore_index out, or use label_map={{0: {void}, 1: 0, ...}} instead.')
    classes = classes_of(dataset)
    own = (getattr(dataset.cls, 'METAINFO', None) or {}).get('classes') or ()
    count = max(len(classes), len(own)) if classes else 0
    label_map = dataset.get('label_map')
    for old, new in label_map.items() if isinstance(label_map, dict) and count else ():
        if not (isinstance(new, int) and (0 <= new < count or new == void)):
            raise ConfigError(f'{dataset.place}.label_map: {old} becomes {new!r}, which is neither one of {count} '
                              f'classes (0 to {count - 1}) nor ignore_index ({void}).\nCorrect the map, or name more '
                              'classes in metainfo.')


def check_training(given: dict, heads: list[Part]) -> list[str]:
    """The void label of training: dataset, transforms, preprocessor and heads.

    Raises:
        ConfigError: If void pixels would be learnt as a class, or stop the run as labels out of range.
    """
    heads = [head for head in heads if head.get('ignore_index') is not None]
    notices: list[str] = []
    if not heads:
        return notices
    head = heads[0]
    void, classes = head.get('ignore_index'), head.get('num_classes') or 0
    for dataset in datasets_of(given, 'train'):
        theirs = dataset.get('ignore_index')
        if theirs is not None and theirs != void:
            raise ConfigError(f'{dataset.place}.ignore_index is {theirs}, but {head.key("ignore_index")} is {void}: '
                              'what the masks call void would be learnt, or stop the run.\nGive both the same value.')
        for step in transforms_of(dataset):
            key = FILLS.get(step.name)
            fill = step.get(key) if key else None
            if step.name == 'Pad':
                fill, key = (fill.get('seg', 255) if isinstance(fill, dict) else 255), 'pad_val.seg'
            if fill is not None and fill != void:
                if not 0 <= fill < classes:
                    raise ConfigError(f'{step.place}.{key}: {step.name} fills labels with {fill}, but '
                                      f'{head.key("ignore_index")} is {void}.\nSet it to {void}.')
                notices.append(f'{step.place}.{key}={fill}: {step.name} fills labels with class {fill}, not with void '
                               f'({void})')
            share = step.get('cat_max_ratio') if step.name == 'RandomCrop' else None
            if share is not None and share < 1 and step.get('ignore_index') not in (None, void):
                notices.append(f'{step.place}.ignore_index={step.get("ignore_index")}: RandomCrop counts void ({void}) '
                               'as a class')
    return notices


def check_sides(given: dict) -> list[str]:
    """What is done to the labels of training, and not in the same way to those of validation."""
    train, val = (next(iter(datasets_of(given, split)), None) for split in ('train', 'val'))
    if train is None or val is None:
        return []
    ours, theirs = _relabelling(train), _relabelling(val)
    return [f'{train.place}.{key} is {ours[key]!r}, {val.place}.{key} is {theirs[key]!r}: a class learnt may be scored '
            'as another one' for key in ours if ours[key] != theirs[key]]


def _relabelling(dataset: Part) -> dict:
    """The values that say how the pixels of a mask become labels."""
    loads = next((step for step in transforms_of(dataset) if step.name == 'LoadAnnotations'), None)
    said = {key: dataset.get(key) or None for key in ('reduce_zero_label', 'label_map')}
    said['reduce_zero_label'] = bool(said['reduce_zero_label'])
    colours = None if loads is None else loads.get('color_map')
    return {**said, 'pipeline: LoadAnnotations.color_map': colours or None}


def check_metric(dataset: Part, metric: Part) -> list[str]:
    """The void label of an evaluation: its dataset and its metric.

    Raises:
        ConfigError: If the metric would refuse what the masks call void.
    """
    void, theirs = dataset.get('ignore_index'), metric.get('ignore_index')
    classes = classes_of(dataset)
    if None in (void, theirs, classes) or void == theirs:
        return []
    if min(void, theirs) >= len(classes):
        raise ConfigError(f'{metric.place}.ignore_index is {theirs}, but {dataset.place}.ignore_index is {void}: the '
                          'metric would stop at the first void pixel.\nGive both the same value.')
    if theirs < len(classes):
        return [f'{metric.place}.ignore_index={theirs}: class {theirs} ({classes[theirs]}) is not scored; a mask with '
                f'{void} in it is an error']
    return [f'{dataset.place}.ignore_index={void}: class {void} ({classes[void]}) is scored all the same '
            f'({metric.place}.ignore_index={theirs})']
