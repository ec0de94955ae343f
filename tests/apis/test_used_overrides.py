"""Overrides that a test or a prediction does not use are refused; those that it uses are not."""
import pytest

from segkit.apis.used_overrides import judge_of_prediction, judge_of_test
from segkit.errors import ConfigError

WITH_TEST = dict(test_dataloader=dict(), test_evaluator=dict())


@pytest.mark.parametrize('places, values, tta, words', [
    (['optim_wrapper.optimizer.lr'], {}, False, 'reaches optim_wrapper only, which a test does not use'),
    (['train_cfg.max_iters'], {}, False, 'train_cfg'),
    (['train_cfg.val_interval', 'train_dataloader.batch_size'], {}, False, 'train_cfg'),
    (['val_dataloader.batch_size'], WITH_TEST, False, 'Set test_dataloader.batch_size'),
    (['val_evaluator.ignore_index'], WITH_TEST, False, 'Set test_evaluator.ignore_index'),
    (['val_cfg.fp16'], {}, False, 'Set test_cfg.fp16'),
    (['load_from'], {}, False, 'the checkpoint of its command line'),
    (['tta_pipeline.0.type'], {}, False, 'without --tta'),
])
def test_a_test_refuses(places, values, tta, words):
    with pytest.raises(ConfigError, match=words):
        judge_of_test(tta)('key', places, values)


@pytest.mark.parametrize('places, values, tta', [
    (['model.backbone.depth'], {}, False), (['test_dataloader.batch_size'], WITH_TEST, False),
    (['val_dataloader.batch_size'], {}, False), (['val_evaluator.ignore_index'], {}, False),
    (['train_dataloader.dataset.data_root', 'test_dataloader.dataset.data_root'], WITH_TEST, False),
    (['train_dataloader.dataset.pipeline.2.crop_size', 'model.data_preprocessor.size'], {}, False),
    (['tta_pipeline.0.type'], {}, True), (['randomness.seed'], {}, False),
])
def test_a_test_takes(places, values, tta):
    judge_of_test(tta)('key', places, values)


def test_a_prediction_uses_model_and_test_pipeline():
    for place in ('model.backbone.depth', 'test_dataloader.dataset.pipeline.0.type', 'test_pipeline'):
        judge_of_prediction(place, [place], WITH_TEST)
    judge_of_prediction('val_dataloader.dataset', ['val_dataloader.dataset'], {})
    for place in ('optim_wrapper.optimizer.lr', 'param_scheduler.0', 'train_cfg.max_iters', 'val_dataloader.dataset'):
        with pytest.raises(ConfigError, match='which a prediction does not use'):
            judge_of_prediction(place, [place], WITH_TEST)
