"""The transforms of a dataset, one after the other."""
from typing import Any, Optional

from mmengine.dataset import Compose

from segkit.errors import ConfigError

MADE_BY = dict(img='LoadImageFromFile', gt_seg_map='LoadAnnotations')


class Pipeline(Compose):
    """Transforms in their order; one that stands before what it needs is named.

    Reference: MMEngine's Compose, whose argument it takes.

    Args:
        transforms: Transforms, as configs or as callables.

    Raises:
        ConfigError: If a transform asks for an image or for labels that none before it has loaded.
    """

    def __call__(self, results: dict) -> Optional[Any]:
        """What the last transform returns; None if one of them drops the sample."""
        for number, step in enumerate(self.transforms):
            try:
                results = step(results)
            except KeyError as error:
                key = error.args[0] if error.args else None
                if key not in MADE_BY or not isinstance(results, dict) or key in results:
                    raise
                raise ConfigError(f'dataset.pipeline.{number}: {type(step).__name__} needs {key!r}, which no transform '
                                  f'before it has made.\nPut {MADE_BY[key]} before it.') from error
            if results is None:
                return None
        return results
