"""Several versions of one photo for test-time augmentation."""
import copy
from collections.abc import Callable, Sequence
from itertools import product
from typing import Union

from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class TestTimeAug(BaseTransform):
    """Applies every combination of the given transforms to one sample.

    Reference:
        MMCV's transform of this name; the same order, the last list varying fastest.

    Args:
        transforms: Steps one after the other; each step lists the transforms among which the versions differ.

    Shape:
        What the last step returns, each value a list with one entry for each of the A versions:
        ``dict(inputs=[(3, h_a, w_a), ...], data_samples=[...])``.

    Raises:
        ConfigError: If a step is not a list of transforms, or a transform drops the sample.
    """

    __test__ = False  # the name is not that of a test

    def __init__(self, transforms: Sequence[Sequence[Union[dict, Callable]]]) -> None:
        for step in transforms:
            if not isinstance(step, (list, tuple)) or not step:
                raise ConfigError('TestTimeAug.transforms is a list of lists, such as [[Resize, Resize], [RandomFlip], '
                                  f'[PackSegInputs]]; one step is {step!r}.')
        steps = [[TRANSFORMS.build(one) if isinstance(one, dict) else one for one in step] for step in transforms]
        self.versions = list(product(*steps))

    def transform(self, results: dict) -> dict:
        """Return the lists of all versions of a sample (H, W)."""
        samples = []
        for version in self.versions:
            sample = copy.deepcopy(results)
            for step in version:
                sample = step(sample)
                if sample is None:
                    raise ConfigError(f'{step} in TestTimeAug dropped the sample {results.get("img_path")}; at test '
                                      'time every image counts.')
            samples.append(sample)
        return {key: [sample[key] for sample in samples] for key in samples[0]}

    def __repr__(self) -> str:
        return 'TestTimeAug(\n' + '\n'.join(f'    {version}' for version in self.versions) + '\n)'
