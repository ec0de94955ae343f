"""The config of a run, as it is written to the run folder and into checkpoints."""
import copy
import json
import pprint
from pathlib import Path
from typing import Any

from mmengine.config import Config


class RunConfig(Config):
    """A config whose text form never fails.

    MMEngine formats a config with yapf each time its text is asked for (four times before the first step) and
    ends the run where yapf cannot parse the result. Here the text is made once; what yapf refuses is written
    with ``pprint``, which gives the same values.
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
        fixed = json.dumps(plain(self._cfg_dict), sort_keys=True)
        known = self.__dict__.get('_known_text')
        if known is None or known[0] != fixed:
            known = (fixed, self._format())
            object.__setattr__(self, '_known_text', known)
        return known[1]

    def _format(self) -> str:
        try:
            text = super().pretty_text
            compile(text, 'config.py', 'exec')
            return text
        except Exception:
            values = self.to_dict()
            return ''.join(f'{key} = {pprint.pformat(value, width=110, sort_dicts=False)}\n'
                           for key, value in sorted(values.items()))


def plain(value: Any) -> Any:
    """``value`` in types that JSON has; classes and functions by their dotted name, anything else by its repr."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value)  # numpy's float64 is a float too, but not one that a checkpoint should hold
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, type) or callable(value):
        return f'{value.__module__}.{getattr(value, "__qualname__", type(value).__name__)}'
    return value.tolist() if hasattr(value, 'tolist') else repr(value)
