"""A config that a checkpoint holds: values only, in which a name of a class leads to no module."""
import copy
from dataclasses import dataclass
from typing import Any, Optional

from mmengine.config import ConfigDict
from mmengine.registry import FUNCTIONS

from segkit.config.schema import kind_at, parts
from segkit.errors import ConfigError
from segkit.registry import ALL, SCOPE

SCOPES = (SCOPE, 'mmseg', 'mmengine', 'mmcv')
NAMING = ('type', 'constructor', 'collate_fn', 'worker_init_fn')  # keys whose text is looked up as a class or function
PAIRS = '__pairs__'  # the one key of a dict whose keys are no strings, in JSON a list of pairs


@dataclass(frozen=True)
class StoredConfig:
    """What :func:`load_config` takes in the place of a file.

    Attributes:
        values: The top-level values, of JSON's types.
        source: Where they come from, for messages.
        trusted: Whether modules it names may be imported, by ``custom_imports`` or in the place of a class.
    """
    values: dict[str, Any]
    source: str
    trusted: bool = False

    def named(self) -> ConfigDict:
        """A copy in which each class is called by its registered name.

        A registry also takes ``package.module.Class``, which imports the module, and any module of the machine can be
        named so. A class that is registered is found without that; any other such name is refused.

        Raises:
            ConfigError: If a name is none of a registered class, and the config is not trusted.
        """
        values = self._with_keys(copy.deepcopy(self.values))
        for path, node in parts(values):
            for key in NAMING:
                name = node.get(key)
                if isinstance(name, str) and '.' in name:
                    node[key] = self._registered(name, (*path, key))
            scope = node.get('_scope_')
            if scope is not None and scope not in SCOPES and not self.trusted:
                raise ConfigError(self._refused(f'{".".join((*path, "_scope_"))}: {scope!r}'))
        return ConfigDict(values)

    def _with_keys(self, node: Any) -> Any:
        """``node`` with each marked list of pairs as the dict that it was."""
        if isinstance(node, list):
            return [self._with_keys(one) for one in node]
        if not isinstance(node, dict):
            return node
        if set(node) != {PAIRS}:
            return {key: self._with_keys(value) for key, value in node.items()}
        try:
            return {_key(key): self._with_keys(value) for key, value in node[PAIRS]}
        except (TypeError, ValueError):
            raise ConfigError(f'{self.source}: the config in it has a {PAIRS} that is no list of keys and values.\n'
                              'Give a config file of your own.') from None

    def _registered(self, name: str, path: tuple[str, ...]) -> str:
        scope, _, plain = name.partition('.')
        kind = kind_at(path[:-1])
        registries = [kind, *ALL] if hasattr(kind, 'names') else list(ALL)
        if scope in SCOPES and '.' not in plain and any(plain in registry.names() for registry in registries):
            return plain
        for registry in registries:
            for known in registry.names():
                if _full_name(registry.get(known)) == name:
                    return known
        for known, function in FUNCTIONS.module_dict.items():
            if _full_name(function) == name:
                return known
        if self.trusted:
            return name
        raise ConfigError(self._refused(f'{".".join(path)}: {name!r}'))

    def _refused(self, what: str) -> str:
        return (f'{self.source}: the config in it has {what}, which is not registered; to look it up would import that '
                'module, which nothing of a checkpoint may.\nGive a config file of your own, or --unsafe-load '
                '(unsafe=True) if you made or trust this checkpoint.')


def _key(key: Any) -> Any:
    return tuple(map(_key, key)) if isinstance(key, list) else key


def _full_name(target: Any) -> Optional[str]:
    return f'{getattr(target, "__module__", "")}.{getattr(target, "__qualname__", "")}'
