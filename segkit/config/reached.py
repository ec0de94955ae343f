"""Which places each override reached, and what it put there."""
from typing import Any, Optional

from segkit.errors import ConfigError

Path = tuple[str, ...]


class Reached:
    """A record of overrides in the order in which they were applied.

    Args:
        option: What the user typed them behind, as messages show it.
    """

    def __init__(self, option: str) -> None:
        self.option = option
        self._values: dict[str, dict[Path, Any]] = {}
        self._typed: dict[str, Any] = {}

    def note(self, key: str, typed: Any, place: str, value: Any) -> None:
        """Record that ``key=typed`` put ``value`` at ``place`` of the merged config."""
        self._typed[key] = typed
        self._values.setdefault(key, {}).update(_ends(tuple(place.split('.')), value))

    def label(self, key: str, place: str) -> str:
        """The beginning of a message about ``place`` that says what was typed: empty where that is the place."""
        return f'{self.option} ' if key == place else f'{self.option} {key}: '

    def key_of(self, path: Path) -> Optional[str]:
        """The override that gave the value at ``path``, or a part of it; the last one where there are several."""
        for key in reversed(self._values):
            for end in self._values[key]:
                if path[:len(end)] == end or end[:len(path)] == path:
                    return key
        return None

    def refuse_lost(self) -> None:
        """Refuse an override of which later ones left nothing, such as ``max_iters=20 train_cfg.max_iters=60``.

        One of which a part is left is a general rule with an exception, such as ``data_root`` and then that of the
        validation.

        Raises:
            ConfigError: Naming both.
        """
        keys = list(self._values)
        for number, key in enumerate(keys):
            by = [self._overwritten(end, value, keys[number + 1:]) for end, value in self._values[key].items()]
            if by and all(by):
                raise ConfigError(f'{self.option} {key}={self._typed[key]!r} and {by[-1]}={self._typed[by[-1]]!r} '
                                  f'set the same key, {".".join(list(self._values[key])[-1])}, to different values.\n'
                                  'Give one of them.')

    def _overwritten(self, end: Path, value: Any, later: list[str]) -> Optional[str]:
        for key in reversed(later):
            for other, new in self._values[key].items():
                if end[:len(other)] == other:
                    return None if _below(new, end[len(other):]) == value else key
        return None


def _ends(place: Path, value: Any) -> dict[Path, Any]:
    """The values of a dict by their places, for it is merged; anything else is one value."""
    if not isinstance(value, dict) or not value or value.get('_delete_'):
        return {place: value}
    found = {}
    for key, one in value.items():
        found.update(_ends((*place, str(key)), one))
    return found


def _below(node: Any, keys: Path) -> Any:
    for key in keys:
        if isinstance(node, (list, tuple)):
            node = node[int(key)] if key.isdigit() and int(key) < len(node) else None
        else:
            node = node.get(key) if isinstance(node, dict) else None
    return node
