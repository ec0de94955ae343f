"""Names at the top of a config file: keys that Runner reads, variables, and slips."""
import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config

from segkit.config.check_tree import edits
from segkit.config.files import LoadedFile, read_text
from segkit.config.overrides import SHORTCUTS
from segkit.config.schema import TOP_LEVEL, nearest
from segkit.errors import ConfigError

# Keys of MMSegmentation 0.x, which Runner does not read, and what took their place.
REPLACED = dict(
    optimizer='optim_wrapper.optimizer', optimizer_config='optim_wrapper', lr_config='param_scheduler',
    data='train_dataloader, val_dataloader and test_dataloader', evaluation='train_cfg.val_interval and val_evaluator',
    checkpoint_config='default_hooks.checkpoint', log_config='default_hooks.logger', seed='randomness.seed',
    deterministic='randomness.deterministic', runner='train_cfg', fp16="optim_wrapper.type, 'AmpOptimWrapper'",
    resume_from='load_from with resume=True, or --resume on the command line',
    cudnn_benchmark='env_cfg.cudnn_benchmark')
OF_UPSTREAM = ('runner', 'fp16')  # still in six of MMSegmentation 1.x's files, beside the keys that took their place
# Names that no file's own statement reads, but a tool or its user does.
READ_ELSEWHERE = frozenset({'test_pipeline', 'train_pipeline', 'dataset_type', 'data_root'})


def refuse_misspelt(loaded: LoadedFile, say: Callable[[str], None]) -> None:
    """Refuse a name that looks like a slip of a key, and say which others nothing reads.

    Raises:
        ConfigError: Naming the file, the line and the key that takes effect.
    """
    idle = []
    _refuse_old_file(loaded)
    for name, path, line in loaded.unread:
        if name in TOP_LEVEL or name in loaded.values.get('added_keys', ()):
            continue
        place = str(path) if line is None else f'{path}:{line}'
        if name in REPLACED:
            if _is_left_over(name, loaded.values):
                continue
            if name in OF_UPSTREAM:
                idle.append(f'{name} ({place}; what takes effect is {REPLACED[name]})')
                continue
            raise ConfigError(f'{place}: {name!r} is set, and nothing reads it.\n'
                              f'The key that takes effect: {REPLACED[name]}')
        key = _meant(name)
        if key:
            raise ConfigError(f'{place}: {name!r} is set, and nothing reads it.\nNearest key: {key}. '
                              'A variable of your own needs a name less like it.')
        _refuse_short_word(name, place, path, line, loaded)
        if line is not None and name not in loaded.read | READ_ELSEWHERE and not name.startswith('_'):
            idle.append(f'{name} ({place})')
    if idle:
        say(f'set, and read by nothing: {", ".join(idle)}')


def _refuse_old_file(loaded: LoadedFile) -> None:
    """Refuse a config of MMSegmentation 0.x as a whole, instead of key by key."""
    old = [(name, path) for name, path, line in loaded.unread
           if name in REPLACED and name not in TOP_LEVEL and line is not None]
    names = {name for name, _ in old}
    if 'data' in names and 'train_dataloader' not in loaded.values and len(names) > 2:
        raise ConfigError(f'{old[0][1]}: a config of MMSegmentation 0.x; files of 1.x are read.\nIts keys '
                          f'{", ".join(sorted(names))} are train_dataloader, optim_wrapper, param_scheduler, '
                          'train_cfg,\ndefault_hooks there: its documentation has a page about moving to 1.x.')


def _refuse_short_word(name: str, place: str, path: Path, line: Optional[int], loaded: LoadedFile) -> None:
    """Refuse ``data_root = ...`` where its author expects what ``--cfg-options data_root=...`` does."""
    if name not in SHORTCUTS or name in loaded.read or line is None or len(loaded.assigned.get(name, ())) > 1:
        return
    if not re.search(r'^_base_\s*=', read_text(path), re.MULTILINE):
        return  # a whole config that was dumped holds the variables from which it was built
    keys = ['.'.join(key) for key in SHORTCUTS[name](loaded.values)]
    if keys:
        shown = ', '.join(keys[:4]) + (f' and {len(keys) - 4} more' if len(keys) > 4 else '')
        raise ConfigError(f'{place}: {name!r} is set, and nothing reads it.\nKeys that take effect: {shown}\n'
                          f'Or leave the line out, and set them all on the command line: --cfg-options {name}=...')


def _meant(name: str) -> Optional[str]:
    """The key of which a name looks like a slip."""
    near = nearest(name, TOP_LEVEL, 1)
    return near[0] if near and abs(len(near[0]) - len(name)) <= 1 and edits(name, near[0]) <= 2 else None


def drop_variables(cfg: Config) -> None:
    """Leave out variables with which a copy of the config would not load: by their name, or classes and functions."""
    for name in [name for name in cfg if name not in TOP_LEVEL and name not in cfg.get('added_keys', ())]:
        if name in REPLACED or _meant(name) or _has_code(cfg._cfg_dict[name]):
            cfg._cfg_dict.pop(name)


def _has_code(value: Any) -> bool:
    """Whether a variable is, or holds, what no text file can: an imported class, a function, an object."""
    if isinstance(value, dict):
        return any(_has_code(one) for pair in value.items() for one in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_has_code, value))
    plain = (str, bytes, int, float, complex, range, slice, Path, type(None))
    return isinstance(value, type) or not isinstance(value, plain) and not hasattr(value, 'tolist')


def _is_left_over(name: str, values: dict) -> bool:
    """Whether a dumped config still holds the variable from which a key was built."""
    node: Any = values
    for key in REPLACED[name].split('.'):
        node = node.get(key) if isinstance(node, dict) else None
    return node is not None and node == values.get(name)


def names_of_lazy_file(path: Path, text: str) -> list[tuple[str, Path, Optional[int]]]:
    """The names that a file with ``read_base()`` and the files it reads assign, and none of them reads."""
    trees = {path: ast.parse(text)}
    waiting = [path]
    while waiting:
        here = waiting.pop()
        for base in _lazy_bases(trees[here], here):
            if base not in trees:
                trees[base] = ast.parse(read_text(base))
                waiting.append(base)
    read = {n.id for tree in trees.values() for n in ast.walk(tree)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return [(t.id, file, node.lineno) for file, tree in trees.items() for node in tree.body
            if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name) and t.id not in read]


def _lazy_bases(tree: ast.Module, path: Path) -> list[Path]:
    """The files beside ``path`` that ``with read_base():`` imports; those of installed packages are not looked at."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.With) and 'read_base' in ast.dump(node.items[0].context_expr):
            for one in node.body:
                if isinstance(one, ast.ImportFrom) and one.level and one.module:
                    file = path.parents[one.level - 1].joinpath(*one.module.split('.')).with_suffix('.py')
                    found += [file] if file.is_file() else []
    return found
