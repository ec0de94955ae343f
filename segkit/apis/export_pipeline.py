"""The test pipeline that goes into an exported file."""
from typing import Any

from mmengine.config import Config

from segkit.apis.export_plan import Plan
from segkit.apis.inference import prediction_steps

RESIZING = ('Resize', 'ResizeShortestEdge', 'ResizeToMultiple')


def pipeline_in_file(cfg: Config, plan: Plan) -> list[dict[str, Any]]:
    """The steps of a prediction, in which photos get the size that the file takes.

    Args:
        cfg: A loaded config.
        plan: With ``resizes``, the first step that resizes is replaced, and others are left out; where none resizes,
            one is put before the last step.

    Raises:
        ConfigError: If the config has no pipeline that begins with loading an image.
    """
    steps = [dict(step) for step in prediction_steps(cfg)]
    if not plan.resizes:
        return steps
    to_size = dict(type='Resize', scale=(plan.size[1], plan.size[0]), keep_ratio=False)
    places = [number for number, step in enumerate(steps) if step['type'] in RESIZING]
    if not places:
        return [*steps[:-1], to_size, steps[-1]]
    return [to_size if number == places[0] else step for number, step in enumerate(steps)
            if number == places[0] or number not in places]
