"""The config of a run, as it is written to the run folder and into checkpoints."""
import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config

from segkit.engine.config_text import as_python
from segkit.engine.last_checkpoint import is_run_folder

FIRST_LINE = 'The config of a run as it was merged, every value in its place: tools/train.py with this file repeats it.'
PAIRS = '__pairs__'  # the mark by which segkit.config.stored knows such a dict


class RunConfig(Config):
    """A config whose text form never fails, and takes milliseconds.

    MMEngine formats a config with yapf each time its text is asked for (0.4 s, four times before the first step), ends
    the run where yapf cannot parse the result, and sorts the keys, hooks of equal priority with them.
    """

    @classmethod
    def of(cls, cfg: Config) -> 'RunConfig':
        """A deep copy of ``cfg``."""
        run = cls(cfg_dict=copy.deepcopy(cfg._cfg_dict), cfg_text=cfg.text)
        # Given to the constructor, the name of a file that has gone would be an error.
        object.__setattr__(run, '_filename', cfg.filename)
        return run

    @property
    def pretty_text(self) -> str:
        """Python text that gives the config again when it is loaded."""
        return as_python(self.to_dict())

    @property
    def text_of_start(self) -> str:
        """The same for a run from its start: a resumed run's file does not resume."""
        values = self.to_dict()
        if values.get('resume') and (values.get('load_from') is None or is_run_folder(values['load_from'])):
            values['resume'] = False
        return as_python(values, FIRST_LINE)


def plain(value: Any, pairs: bool = False) -> Any:
    """``value`` in types that JSON has; classes and functions by their dotted name, anything else by its repr.

    Args:
        value: Nested dicts and lists.
        pairs: Whether a dict with keys other than strings (``color_map={(40, 40, 40): 0}``) becomes
            ``{'__pairs__': [[[40, 40, 40], 0]]}``, from which :class:`segkit.config.StoredConfig` makes it again;
            otherwise the keys become strings.
    """
    if isinstance(value, dict):
        if pairs and not all(isinstance(k, str) for k in value):
            return {PAIRS: [[plain(k), plain(v, pairs)] for k, v in value.items()]}
        return {str(k): plain(v, pairs) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, pairs) for v in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value)  # numpy's float64 is a float too, but not one that a checkpoint should hold
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, type) or callable(value):
        return f'{value.__module__}.{getattr(value, "__qualname__", type(value).__name__)}'
    return value.tolist() if hasattr(value, 'tolist') else repr(value)
