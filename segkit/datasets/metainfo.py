"""Classes, palette and label map of a dataset: what its class says, what the config says, and whether they fit."""
from typing import Optional

from segkit.errors import ConfigError
from segkit.palette import bright_palette

# What people call the two keys, apart from their names.
MISNOMERS = ('class_names', 'classnames', 'class', 'names', 'colors', 'colours', 'color_map', 'palettes')


def fit_metainfo(name: str, own: dict, info: dict, label_map: Optional[dict], ignore_index: int) -> dict:
    """Return ``info`` with classes, palette and label_map that fit each other.

    Args:
        name: The dataset's name, for messages.
        own: The METAINFO of the dataset's class.
        info: The same with the config's entries over it.
        label_map: Stored label to class index, before a choice of classes.
        ignore_index: What the labels of classes that were left out become.

    Raises:
        ConfigError: If there are no classes, one is there twice or is not the dataset's, the palette has another
            length, or a key is misnamed.
    """
    classes = info.get('classes')
    if not classes or isinstance(classes, str):
        raise ConfigError(f'{name} needs the names of its classes, got {classes!r}.\n'
                          "Give metainfo=dict(classes=('background', ...)), or the path of a file with one a line.")
    classes = tuple(classes)
    twice = [one for i, one in enumerate(classes) if one in classes[:i]]
    if twice:
        raise ConfigError(f'metainfo.classes of {name} has {twice[0]!r} twice; each class needs a name of its own.')
    wrong = next((key for key in info if key.lower() in MISNOMERS or key in ('CLASSES', 'PALETTE')), None)
    if wrong:
        raise ConfigError(f"{name}: metainfo.{wrong} is read by nothing; the keys are 'classes' and 'palette'.")
    chosen = own.get('classes') is not None and classes != tuple(own['classes'])
    subset = {}
    if chosen:
        foreign = [one for one in classes if one not in own['classes']]
        if foreign:
            raise ConfigError(f'metainfo.classes has {foreign[0]!r}, which {name} does not have.\n'
                              f'Its classes: {", ".join(own["classes"])}.')
        subset = {old: classes.index(one) if one in classes else ignore_index
                  for old, one in enumerate(own['classes'])}
    try:
        stored = {int(old): int(new) for old, new in (label_map or {}).items()}
    except (TypeError, ValueError) as error:
        raise ConfigError(f'dataset.label_map takes stored label: class index, both whole numbers; got '
                          f'{label_map}.') from error
    total = {**subset, **{old: subset.get(new, new) for old, new in stored.items()}}

    palette = info.get('palette') or bright_palette(classes)
    if chosen and palette == own.get('palette'):
        palette = [palette[own['classes'].index(one)] for one in classes]
    if len(palette) != len(classes):
        raise ConfigError(f'metainfo.palette of {name} has {len(palette)} colours for {len(classes)} classes.\n'
                          'Give one RGB triple for each class, or none.')
    return {**info, 'classes': classes, 'palette': [list(color) for color in palette], 'label_map': total or None}
