"""The test pipeline that goes into a file."""
from mmengine.config import Config

from segkit.apis.export_pipeline import pipeline_in_file
from segkit.apis.export_plan import Plan


def test_one_step_gives_the_photos_their_size():
    steps = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(2048, 512), keep_ratio=True),
             dict(type='LoadAnnotations'), dict(type='ResizeToMultiple', size_divisor=32), dict(type='PackSegInputs')]
    cfg = Config(dict(test_pipeline=steps))
    assert [step['type'] for step in pipeline_in_file(cfg, Plan(None, 33))] == [
        'LoadImageFromFile', 'Resize', 'ResizeToMultiple', 'PackSegInputs']
    fixed = pipeline_in_file(cfg, Plan((65, 97), 33, resizes=True))
    assert fixed == [steps[0], dict(type='Resize', scale=(97, 65), keep_ratio=False), steps[4]]
