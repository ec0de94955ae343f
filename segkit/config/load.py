"""``load_config``: read, override, map old names, check."""
import copy
import re
from pathlib import Path
from typing import Any, Callable, Optional, Union

from mmengine.config import Config, ConfigDict

from segkit.config import overrides as ov
from segkit.config.check_tree import KeyFault, check_tree
from segkit.config.custom_imports import import_custom
from segkit.config.files import LoadedFile, read_text, run_file
from segkit.config.reached import Reached
from segkit.config.schema import TOP_LEVEL, nearest, parts
from segkit.config.stored import StoredConfig
from segkit.config.top_level import drop_variables, names_of_lazy_file, refuse_misspelt
from segkit.config.where import where
from segkit.errors import ConfigError
from segkit.registry import SCOPE

OLD_SCOPE = 'mmseg'
TEST_FROM_VAL = ('test_dataloader', 'test_evaluator')


def load_config(path: Union[str, Path, StoredConfig], overrides: Union[dict[str, Any], list[str], None] = None,
                say: Callable[[str], None] = print, check: bool = True,
                prepare: Optional[Callable[[Config], None]] = None,
                judge: Optional[Callable[[str, list[str], dict], None]] = None) -> Config:
    """Load a config file with overrides that take effect or are refused.

    An override's key is a place in the merged config (``model.backbone.depth``), a variable of a text config
    (``crop_size``; it is put in while the file runs, so that what is built from it follows), or a short word that
    moves every copy of one value (``data_root``, ``crop_size``, ``max_iters``, ``val_interval``, ``num_classes``,
    ``norm_cfg``).
    ``+a.b`` adds a key that nothing declares. A config without ``test_dataloader`` or ``test_evaluator`` is tested as
    it is validated.

    Args:
        path: A ``.py`` file in text style or with ``read_base()``, or ``.json`` / ``.yaml``; or what a checkpoint
            holds, from which no code is run.
        overrides: ``{'a.b': value}`` or ``['a.b=value']``.
        say: Called with one line for each override and where it took effect, and for each old name mapped.
        check: Whether names and keywords are checked against the registered classes.
        prepare: Changes the merged config before overrides of its keys are looked at.
        judge: Called for each override with what was typed, the places that it reaches and the values of the file;
            raises where none of these is used.

    Returns:
        The merged config, ``default_scope`` 'segkit'.

    Raises:
        ConfigError: For a missing or broken file, an override that reaches nothing or that another one undoes, a
            name that is not registered, a keyword its class does not take, or a misspelt top-level key.
    """
    stored = path if isinstance(path, StoredConfig) else None
    path = Path(stored.source) if stored else Path(path).expanduser().resolve()
    options = ov.parse(overrides) if isinstance(overrides, list) else dict(overrides or {})
    added = {k[1:]: v for k, v in options.items() if k.startswith('+')}
    options = {k: v for k, v in options.items() if not k.startswith('+')}
    reached = Reached('--cfg-options' if isinstance(overrides, list) else 'cfg_options')

    loaded = LoadedFile(stored.named()) if stored else _read(path, {})
    refuse_misspelt(loaded, say)
    for name, file, line in loaded.shadowed:
        if name not in TOP_LEVEL:  # a key of Runner takes effect itself, whatever else was built from it
            say(f'{file}:{line}: {name} comes too late for what a base file built from it; set those keys, or override '
                f'{name} on the command line')
    variables = {k: v for k, v in options.items()
                 if k.split('.')[0] not in TOP_LEVEL and k.split('.')[0] in loaded.assigned}
    before = loaded.values
    for key in variables:
        for place, value in _report_variable(path, key, variables[key], loaded, say, judge).items():
            reached.note(key, variables[key], place, value)
    if variables:
        loaded = _read(path, variables)
    cfg = Config(loaded.values, filename=None if stored else str(path))
    if stored is None or stored.trusted:
        import_custom(cfg.get('custom_imports'))
    elif cfg.get('custom_imports'):
        say(f'custom_imports of the config in {path} are not run: {_short(cfg.custom_imports)} (--unsafe-load, '
            'unsafe=True)')
    _map_old_names(cfg, say)
    if prepare is not None:
        prepare(cfg)

    max_iters = _max_iters(before)
    # What speaks of the test part comes last: it starts as a copy of the validation part, overrides included.
    later = sorted((k for k in options if k not in variables), key=lambda k: k.startswith(TEST_FROM_VAL))
    for key in later:
        value = options[key]
        if key.startswith(TEST_FROM_VAL):
            _test_from_val(cfg)
        places = [ov.from_the_front(cfg._cfg_dict, place) for place in _places(cfg, key, loaded)]
        for place in places:
            ov.check_defined(cfg._cfg_dict, place)
        if judge is not None:
            judge(key, places, loaded.values)
        changes = []
        for place in places:
            old = _lookup(cfg._cfg_dict, place)
            try:
                ov.check_form(place, old, value)
                ov.check_number(cfg._cfg_dict, place, old, value)
            except ConfigError as error:
                raise ConfigError(f'{reached.label(key, place)}{error}') from None
            ov.apply(cfg._cfg_dict, place, value)
            reached.note(key, value, place, value)
            new = _lookup(cfg._cfg_dict, place)
            if type(new) is not type(old) or new != old:
                changes.append(f'override {place}: {_short(old)} -> {_short(new)}')
        for line in changes or [f'override {key}: it is {_short(value)} already']:
            say(line)
    reached.refuse_lost()
    for key, value in added.items():
        if judge is not None:
            judge(key, [key], loaded.values)
        if key.startswith(TEST_FROM_VAL):
            _test_from_val(cfg)
        ov.apply(cfg._cfg_dict, key, value)
        reached.note(key, value, key, value)
        unread = key.split('.')[0] not in TOP_LEVEL
        say(f'added {key}: {_short(value)}' + (', which only code of your own can read' if unread else ''))
    if added:  # declared in the config itself, so that its copy in the run folder loads
        cfg.added_keys = sorted({*cfg.get('added_keys', ()), *added})
    _map_old_names(cfg, say)
    _test_from_val(cfg)
    if 'val_dataloader' in cfg and all(cfg.get(name) is None for name in ('val_dataloader', *TEST_FROM_VAL)):
        cfg.test_cfg = None  # a validation that is switched off leaves nothing to test as it is
    _follow_max_iters(cfg, max_iters, say)
    if check:
        try:
            check_tree(cfg._cfg_dict, cfg.get('added_keys', ()))
        except KeyFault as fault:
            raise KeyFault(fault.path, _with_place(fault, path, loaded, reached)) from None
        drop_variables(cfg)
    return cfg


def _with_place(fault: KeyFault, path: Path, loaded: LoadedFile, reached: Reached) -> str:
    """The message behind file and line, or behind what was typed where an override gave the key."""
    key = reached.key_of(fault.path)
    if key is not None:
        return f'{reached.label(key, ".".join(fault.path))}{fault}'
    keys = fault.path
    if keys[0] in TEST_FROM_VAL and not any(keys[0] in one for one in (loaded.values, loaded.origins)):
        keys = (keys[0].replace('test', 'val'), *keys[1:])
    found = where(loaded.trees, keys)
    return f'{found or path}: {fault}'


def origins(path: Union[str, Path]) -> dict[str, list[Path]]:
    """For each top-level key of the merged config, the files that set it, the deciding one last."""
    return _read(Path(path).expanduser().resolve(), {}).origins


def _read(path: Path, variables: dict[str, Any]) -> LoadedFile:
    lazy = path.suffix == '.py' and path.is_file() and re.search(r'\bread_base\b', read_text(path))
    if not lazy and not (path.suffix in ('.json', '.yaml', '.yml') and path.is_file()):
        return run_file(path, variables)
    try:
        cfg = Config.fromfile(str(path))
    except Exception as error:  # each format, and each module that a file imports, has errors of its own
        raise ConfigError(f'{path}: {type(error).__name__}: {" ".join(str(error).split())[:300]}') from error
    values = ConfigDict(cfg.to_dict()) if lazy else cfg._cfg_dict
    unread = names_of_lazy_file(path, read_text(path)) if lazy else [(name, path, None) for name in values]
    return LoadedFile(values, {k: [path] for k in cfg}, unread=unread)


def _report_variable(path: Path, key: str, value: Any, plain: LoadedFile, say: Callable[[str], None],
                     judge: Optional[Callable[[str, list[str], dict], None]]) -> dict[str, Any]:
    """Say where an override of a variable takes effect; returns these places and what each then holds."""
    changed = _read(path, {key: value}).values
    reached = ov.effect(plain.values, changed)
    if reached:
        if judge is not None:
            judge(key, reached, plain.values)
        shown = ', '.join(reached[:6]) + (f' and {len(reached) - 6} more' if len(reached) > 6 else '')
        say(f'override {key} = {_short(value)} reached {shown}')
        return {place: _lookup(changed, place) for place in reached}
    if ov.leaves(plain.values) == ov.leaves(changed):
        say(f'override {key}: it is {_short(value)} already')
        return {}
    last = key.split('.')[-1]
    takers = ['.'.join((*p, k)) for p, node in parts({k: v for k, v in plain.values.items() if k in TOP_LEVEL})
              for k in node if k == last]
    file, line = plain.assigned[key.split('.')[0]][-1]
    raise ConfigError(
        f'{key}: set in {file}:{line}, but nothing that is built reads it, so the override has no effect.\n'
        + (f'Keys that take effect: {", ".join(takers[:6])}' if takers else
           'Override the key that uses it; tools/analysis/print_config.py shows them all.'))


def _places(cfg: Config, key: str, loaded: LoadedFile) -> list[str]:
    root, *rest = key.split('.')
    if root in TOP_LEVEL:
        return [key]
    if root in ov.SHORTCUTS:
        found = ['.'.join((*place, *rest)) for place in ov.SHORTCUTS[root](cfg._cfg_dict)]
        if found:
            return found
    ends = ['.'.join((*p, str(k))) for p, node in parts({k: v for k, v in cfg.items() if k in TOP_LEVEL})
            for k in node if ('.'.join((*p, str(k)))).endswith('.' + key)]
    known = TOP_LEVEL | set(ov.SHORTCUTS) | set(loaded.assigned)
    near = ends[:4] or ['.'.join((n, *rest)) for n in nearest(root, known)]
    hint = f'Nearest: {", ".join(near)}' if near else (
        'tools/analysis/print_config.py shows the keys that it has.')
    raise ConfigError(f'{key}: the config has no such key, so the override would have no effect.\n{hint}')


def _lookup(cfg: dict, key: str) -> Any:
    node: Any = cfg
    for part in key.split('.'):
        if isinstance(node, (list, tuple)):
            node = node[int(part)] if part.lstrip('-').isdigit() and -len(node) <= int(part) < len(node) else None
        else:
            node = node.get(part) if isinstance(node, dict) else None
    return node


def _short(value: Any) -> str:
    if isinstance(value, dict):
        value = value.to_dict() if isinstance(value, ConfigDict) else value
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + '...'


def _map_old_names(cfg: Config, say: Callable[[str], None]) -> None:
    mapped = []
    scope = cfg.get('default_scope')
    if scope != SCOPE:
        if scope not in (None, OLD_SCOPE, 'mmengine'):
            raise ConfigError(f"default_scope: {scope!r} is another library's.\nsegkit builds configs of "
                              f"'{SCOPE}' and '{OLD_SCOPE}'.")
        cfg.default_scope = SCOPE
        if scope:
            mapped.append(f"default_scope '{scope}'")
    prefixed = 0
    for _, node in parts(cfg._cfg_dict):
        name = node.get('type')
        if isinstance(name, str) and name.startswith(OLD_SCOPE + '.'):
            node['type'] = name[len(OLD_SCOPE) + 1:]
            prefixed += 1
        if node.get('_scope_') == OLD_SCOPE:
            node['_scope_'] = SCOPE
            prefixed += 1
    if prefixed:
        mapped.append(f"{prefixed} name{'s' if prefixed > 1 else ''} of scope '{OLD_SCOPE}'")
    if mapped:
        say(f'{" and ".join(mapped)} read as segkit')


def _test_from_val(cfg: Config) -> None:
    for name in TEST_FROM_VAL:
        source = cfg.get(name.replace('test', 'val'))
        if name not in cfg and source is not None:
            cfg[name] = copy.deepcopy(source)


def _max_iters(cfg: dict) -> Optional[int]:
    train = cfg.get('train_cfg')
    return train.get('max_iters') if isinstance(train, dict) else None


def _follow_max_iters(cfg: Config, before: Optional[int], say: Callable[[str], None]) -> None:
    now = _max_iters(cfg._cfg_dict)
    if before is None or now is None or now == before:
        return
    schedulers = cfg.get('param_scheduler') or []
    for i, scheduler in enumerate([schedulers] if isinstance(schedulers, dict) else schedulers):
        where = 'param_scheduler' if isinstance(schedulers, dict) else f'param_scheduler.{i}'
        end = scheduler.get('end')
        if end == before:
            scheduler['end'] = now
            say(f'{where}.end: {before} -> {now}, with train_cfg.max_iters')
        elif end is not None:
            say(f'{where}.end stays {end}; train_cfg.max_iters is {now}')
