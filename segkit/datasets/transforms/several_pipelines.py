"""Several pipelines over one sample."""
from collections.abc import Sequence

from mmcv.transforms import BaseTransform

from segkit.datasets.pipeline import Pipeline
from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SeveralPipelines(BaseTransform):
    """Runs several pipelines over copies of one sample and gives what all of them made, in order.

    The dataset then has the versions of a sample that one test looks at and those that another does, as
    tools/analysis/test_modes.py needs them.

    Args:
        pipelines: Lists of transforms, as configs; each ends with PackSegInputs, or is one of test-time augmentation.

    Shape:
        As :class:`TestTimeAug`, with the A versions of all pipelines:
        ``dict(inputs=[(3, h_a, w_a), ...], data_samples=[...])``.

    Raises:
        ConfigError: If there is no pipeline, or one drops the sample or does not pack it.
    """

    def __init__(self, pipelines: Sequence[Sequence[dict]]) -> None:
        if not pipelines:
            raise ConfigError('SeveralPipelines.pipelines: expected at least one list of transforms.')
        self.pipelines = [Pipeline([TRANSFORMS.build(step) for step in steps]) for steps in pipelines]

    def transform(self, results: dict) -> dict:
        """Return the lists of all versions of a sample (H, W)."""
        versions: dict[str, list] = dict(inputs=[], data_samples=[])
        for number, pipeline in enumerate(self.pipelines):
            made = pipeline(dict(results, seg_fields=list(results.get('seg_fields', ()))))
            if made is None or not versions.keys() <= made.keys():
                raise ConfigError(f'SeveralPipelines.pipelines.{number} '
                                  + ('dropped' if made is None else 'does not end with PackSegInputs for')
                                  + f' the sample {results.get("img_path")}; at test time every image counts.')
            for key, found in versions.items():
                found += made[key] if isinstance(made[key], list) else [made[key]]
        return versions

    def __repr__(self) -> str:
        return f'SeveralPipelines(pipelines={self.pipelines})'
