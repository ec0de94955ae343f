"""Names at the top of a config file: keys that Runner reads, variables, and slips."""
import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config

from segkit.config.check_tree import edits
from segkit.config.files import LoadedFile
from segkit.config.schema import TOP_LEVEL, nearest
from segkit.errors import ConfigError

# Keys of MMSegmentation 0.x, which Runner does not read, and what took their place.
REPLACED = dict(
    optimizer='optim_wrapper.optimizer', optimizer_config='optim_wrapper', lr_config='param_scheduler',
    data='train_dataloader, val_dataloader and test_dataloader', evaluation='train_cfg.val_interval and val_evaluator',
    checkpoint_config='default_hooks.checkpoint', log_config='default_hooks.logger')
# Names that no file's own statement reads, but a tool or its user does.
READ_ELSEWHERE = frozenset({'test_pipeline', 'train_pipeline', 'dataset_type', 'data_root'})


def refuse_misspelt(loaded: LoadedFile, say: Callable[[str], None]) -> None:
    """Refuse a name that looks like a slip of a key, and say which others nothing reads.

    Raises:
        ConfigError: Naming the file, the line and the key that takes effect.
    """
    idle = []
    for name, path, line in loaded.unread:
        if name in TOP_LEVEL or name in loaded.values.get('added_keys', ()):
            continue
        place = str(path) if line is None else f'{path}:{line}'
        if name in REPLACED:
            if _is_left_over(name, loaded.values):
                continue
            raise ConfigError(f'{place}: {name!r} is set, and nothing reads it.\n'
                              f'The key that takes effect: {REPLACED[name]}')
        key = _meant(name)
        if key:
            raise ConfigError(f'{place}: {name!r} is set, and nothing reads it.\nNearest key: {key}. '
                              'A variable of your own needs a name less like it.')
        if line is not None and name not in loaded.read | READ_ELSEWHERE and not name.startswith('_'):
            idle.append(f'{name} ({place})')
    if idle:
        more = f' and {len(idle) - 3} more' if len(idle) > 3 else ''
        say(f'set, and read by nothing: {", ".join(idle[:3])}{more}')


def _meant(name: str) -> Optional[str]:
    """The key of which a name looks like a slip."""
    near = nearest(name, TOP_LEVEL, 1)
    return near[0] if near and abs(len(near[0]) - len(name)) <= 1 and edits(name, near[0]) <= 2 else None


def drop_variables_like_keys(cfg: Config) -> None:
    """Leave out variables from which keys were built, and whose names a copy of the config would be refused for."""
    for name in [name for name in cfg if name not in TOP_LEVEL and name not in cfg.get('added_keys', ())]:
        if name in REPLACED or _meant(name):
            cfg._cfg_dict.pop(name)


def _is_left_over(name: str, values: dict) -> bool:
    """Whether a dumped config still holds the variable from which a key was built."""
    node: Any = values
    for key in REPLACED[name].split('.'):
        node = node.get(key) if isinstance(node, dict) else None
    return node is not None and node == values.get(name)


def names_of_lazy_file(path: Path, text: str) -> list[tuple[str, Path, Optional[int]]]:
    """The names that a file with ``read_base()`` assigns and does not read itself."""
    tree = ast.parse(text)
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return [(t.id, path, node.lineno) for node in tree.body if isinstance(node, ast.Assign)
            for t in node.targets if isinstance(t, ast.Name) and t.id not in read]
