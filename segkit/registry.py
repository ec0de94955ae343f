"""Every registry of segkit.

MMEngine's Runner builds through MMEngine's root registries, so each root has a child here and finds
segkit's classes through it. Backbones, decode heads and losses have registries of their own: a head
given as a backbone is then an error that says so.
"""
import difflib
import inspect
from typing import Any, Optional

from mmengine import registry as mmengine_registry
from mmengine.logging import print_log
from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

from segkit.errors import ConfigError
from segkit.left_out import why_left_out
from segkit.signatures import misfits, text_for_truth

SCOPE = 'segkit'
SHOWN = 40  # names in a message


class UnknownNameError(ConfigError, KeyError):
    """A name that is not registered; also a KeyError, which MMEngine's callers catch."""

    __str__ = Exception.__str__


class SegkitRegistry(Registry):
    """A registry whose failed look-up names the kind, the nearest names and what is there.

    Args:
        name: What the registry holds, in words that can stand in an error message.
        fallback: Searched, with one notice, when a name is not found here.
        **kwargs: As for :class:`mmengine.registry.Registry`.
    """

    def __init__(self, name: str, fallback: Optional[Registry] = None, **kwargs) -> None:
        super().__init__(name, scope=SCOPE, **kwargs)
        self.fallback = fallback
        self._noticed: set[str] = set()

    def names(self) -> list[str]:
        """Every name that :meth:`get` would find here, sorted."""
        self.import_from_location()
        names = set(self._module_dict)
        if self.parent is not None:
            self.parent.import_from_location()
            names |= set(self.parent._module_dict)
        return sorted(names)

    def get(self, key: str):
        """Return the class registered as ``key``.

        Raises:
            UnknownNameError: If nothing of this kind has that name.
        """
        plain = key[len(SCOPE) + 1:] if key.startswith(SCOPE + '.') else key
        if plain in self.names() and not self._overridden(plain):
            return super().get(plain)
        if '.' in plain:
            found = self._from_elsewhere(key)
            if found is not None:
                return found
        elif self.fallback is not None:
            self.fallback.import_from_location()
            if plain in self.fallback.module_dict:
                if plain not in self._noticed:
                    self._noticed.add(plain)
                    print_log(f"'{plain}' is registered in MODELS and taken from there, not segkit's {self.name} of "
                              'that name.' if plain in self._module_dict else
                              f"'{plain}' is registered in MODELS and found there; segkit's own registry of the "
                              f'kind {self.name} would also tell a misspelt name.', 'current')
                return self.fallback.module_dict[plain]
        raise UnknownNameError(self._explain(plain))

    def _overridden(self, name: str) -> bool:
        """Whether somebody registered a class of that name in MODELS, as one replaces a part in MMSegmentation."""
        return self.fallback is not None and name in self.fallback.module_dict

    def build(self, cfg, *args, **kwargs):
        """Build what a config names.

        Raises:
            ConfigError: If nothing of this kind has that name, its class refuses the values, or one that is True or
                False is given as text.
        """
        target, values = self._call(cfg, args[0] if args else kwargs.get('default_args'))
        for key in text_for_truth(target, values):
            raise ConfigError(f'{target.__name__}.{key}: expected True or False; got the text {values[key]!r}.')
        try:
            return super().build(cfg, *args, **kwargs)
        except (TypeError, ValueError, AssertionError, ImportError, IndexError) as error:
            name = cfg.get('type') if isinstance(cfg, dict) else cfg
            name = getattr(name, '__name__', name)
            text = ' '.join(str(error).split())[:300] or type(error).__name__
            likely = misfits(target, values)[:2] if target is not None else []
            raise ConfigError('\n'.join([f'The {self.name} {name} cannot be built from its values: {text}', *likely,
                                         'Correct them; --debug shows where that was found.'])) from error

    def _call(self, cfg: Any, defaults: Optional[dict]) -> tuple[Any, dict]:
        """What a config asks to be called, and with which keywords; (None, {}) where MMEngine's build will say."""
        if not isinstance(cfg, dict) or '_scope_' in cfg:
            return None, {}
        values = {**(defaults or {}), **cfg}
        target = values.pop('type', None)
        try:
            target = self.get(target) if isinstance(target, str) else target
        except UnknownNameError:
            target = None
        return (target, values) if inspect.isclass(target) or inspect.isfunction(target) else (None, {})

    def _from_elsewhere(self, key: str):
        """The class at ``package.module.Class``, as lazy configs are dumped, or in another library's scope."""
        try:
            return get_object_from_string(key) or super().get(key)
        except (ImportError, RuntimeError):
            return None

    def _in_other_library(self, name: str) -> bool:
        """Whether MMSegmentation, if something imported it, has the name: then its registry was taken by mistake."""
        root = self.parent or (self.fallback.parent if self.fallback is not None else None)
        other = getattr(root, 'children', {}).get('mmseg')
        return other is not None and name in other.module_dict

    def _explain(self, name: str) -> str:
        lines = [f"'{name}' is not a registered {self.name}."]
        others = [r.name for r in ALL if r is not self and name in r.names()]
        near = difflib.get_close_matches(name, self.names(), n=3, cutoff=0.6)
        if others:
            lines[0] = f"'{name}' is a {others[0]}, and a {self.name} is expected here."
        reason = why_left_out(name.removeprefix('mmseg.'))
        if self._in_other_library(name):
            lines.append(f"A '{name}' is in mmseg's registry: import the registry from segkit.registry where it is "
                         'registered.')
        elif reason and not others:
            return f'{lines[0]}\nMMSegmentation has it; it is left out here: {reason}'
        elif near:
            lines.append('Nearest: ' + ', '.join(near) + '.')
        known = self.names()
        if len(known) > SHOWN:  # of the layers of mmcv and torch, those of segkit's own
            known = sorted(self.module_dict) or known
        shown = ', '.join(known[:SHOWN]) + (', ...' if len(known) > SHOWN else '')
        lines.append(f'Registered: {shown}.')
        return '\n'.join(lines)


def _child(root: str, name: str, *locations: str) -> SegkitRegistry:
    return SegkitRegistry(
        name, parent=getattr(mmengine_registry, root), locations=list(locations))


RUNNERS = _child('RUNNERS', 'runner', 'segkit.engine')
RUNNER_CONSTRUCTORS = _child('RUNNER_CONSTRUCTORS', 'runner constructor')
LOOPS = _child('LOOPS', 'loop', 'segkit.engine')
HOOKS = _child('HOOKS', 'hook', 'segkit.engine')
LOG_PROCESSORS = _child('LOG_PROCESSORS', 'log processor', 'segkit.engine')
STRATEGIES = _child('STRATEGIES', 'strategy')
OPTIMIZERS = _child('OPTIMIZERS', 'optimizer')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'optimizer wrapper', 'segkit.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'optimizer wrapper constructor', 'segkit.engine')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS', 'parameter scheduler')
DATASETS = _child('DATASETS', 'dataset', 'segkit.datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'data sampler', 'segkit.datasets')
TRANSFORMS = _child('TRANSFORMS', 'transform', 'segkit.datasets')
MODELS = _child('MODELS', 'model', 'segkit.models')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS', 'model wrapper', 'segkit.engine')
WEIGHT_INITIALIZERS = _child('WEIGHT_INITIALIZERS', 'weight initializer', 'segkit.models')
METRICS = _child('METRICS', 'metric', 'segkit.evaluation')
EVALUATOR = _child('EVALUATOR', 'evaluator', 'segkit.evaluation')
VISUALIZERS = _child('VISUALIZERS', 'visualizer', 'segkit.visualization')
VISBACKENDS = _child('VISBACKENDS', 'visualization backend', 'segkit.visualization')
INFERENCERS = _child('INFERENCERS', 'inferencer', 'segkit.apis.mmseg_inferencer')
TASK_UTILS = _child('TASK_UTILS', 'task utility', 'segkit.models')

BACKBONES = SegkitRegistry('backbone', fallback=MODELS, locations=['segkit.models'])
DECODE_HEADS = SegkitRegistry('decode head', fallback=MODELS, locations=['segkit.models'])
LOSSES = SegkitRegistry('loss', fallback=MODELS, locations=['segkit.models'])
POSTPROCESSORS = SegkitRegistry('post-processing step', fallback=MODELS, locations=['segkit.models'])

ALL = (BACKBONES, DECODE_HEADS, LOSSES, POSTPROCESSORS, MODELS, DATASETS, TRANSFORMS, DATA_SAMPLERS, METRICS, HOOKS,
       LOOPS, VISUALIZERS, VISBACKENDS, OPTIMIZERS, OPTIM_WRAPPERS, OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS,
       WEIGHT_INITIALIZERS, LOG_PROCESSORS, MODEL_WRAPPERS, RUNNERS, INFERENCERS, TASK_UTILS)
