import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub

from segkit.engine.hooks import DeadClassHook
from segkit.engine.loops.iter_based_train_loop import IterBasedTrainLoop
from segkit.engine.run_state import _log_state, restore_log

NAMES = ('ground', 'cat', 'dog', 'cow')


@pytest.fixture
def validate(runner):
    """A validation of a training whose predictions are all of the given classes; returns what was said."""
    runner._train_loop = object.__new__(IterBasedTrainLoop)

    def validate(predicted, labelled=(0, 1, 2), hook=None, names=NAMES):
        confusion = np.zeros((len(names), len(names)), np.int64)
        for label in labelled:
            confusion[label, predicted] = 100 * (label + 1)
        metric = SimpleNamespace(last_report=SimpleNamespace(confusion=confusion, classes=names))
        runner.val_loop = SimpleNamespace(evaluator=SimpleNamespace(metrics=[SimpleNamespace(), metric]))
        runner.lines.clear()
        (hook or DeadClassHook()).after_val_epoch(runner, dict(mIoU=1.0))
        return '\n'.join(runner.lines)
    return validate


def test_named_at_the_second_validation_and_then_no_more(validate):
    assert validate([0]) == ''
    said = validate([0])
    assert 'nowhere in two validations running: dog (300 pixels), cat (200 pixels)\n' in said  # cow has no label
    assert 'class_weight' in said and len(said.splitlines()) == 2
    assert validate([0]) == ''


def test_a_class_that_was_predicted_in_between(validate):
    assert validate([0]) == '' and validate([0, 1, 2]) == '' and validate([0]) == ''
    assert 'cat' in validate([0])
    assert validate([0, 1]) == '' and validate([0]) == ''
    said = validate([0])  # named again, since it had come back; dog had not
    assert 'cat' in said and 'dog' not in said


def test_false_positives_count_as_predictions(validate):
    assert validate([1], labelled=[0, 1]) == ''
    assert 'ground' in validate([1], labelled=[0, 1]) and validate([1], labelled=[0, 1]) == ''
    assert validate([3], labelled=[0]) == '' and validate([3], labelled=[0]) == ''  # ground was named already


def test_at_most_five_are_named_those_with_most_pixels_first(validate):
    names = tuple(f'c{k}' for k in range(9))
    validate([0], labelled=range(9), names=names)
    said = validate([0], labelled=range(9), names=names)
    assert 'c8 (900 pixels), c7 (800 pixels), c6 (700 pixels), c5 (600 pixels), c4 (500 pixels) and 3 more' in said


def test_a_resumed_run_goes_on(validate, runner):
    validate([0])
    state = json.loads(json.dumps(_log_state(runner.message_hub)))  # as in a checkpoint
    runner.message_hub = MessageHub('resumed')
    restore_log(runner.message_hub, state)
    assert 'cat' in validate([0])
    state = json.loads(json.dumps(_log_state(runner.message_hub)))
    runner.message_hub = MessageHub('resumed again')
    restore_log(runner.message_hub, state)
    assert validate([0]) == ''


def test_silent_without_a_training_or_a_confusion_matrix(validate, runner):
    runner._train_loop = None
    assert validate([0]) == '' and validate([0]) == ''
    runner._train_loop = object.__new__(IterBasedTrainLoop)
    runner.val_loop = SimpleNamespace(evaluator=SimpleNamespace(metrics=[SimpleNamespace()]))
    DeadClassHook().after_val_epoch(runner, dict(mIoU=1.0))
    assert not runner.lines and 'after_test_epoch' not in vars(DeadClassHook)


def test_in_a_run(run, capsys):
    """A head whose bias forbids one class."""
    runner = run(train_cfg__max_iters=4, train_cfg__val_interval=2, optim_wrapper__optimizer__lr=1e-9)
    with torch.no_grad():
        runner.model.decode_head.conv_seg.weight.zero_()
        runner.model.decode_head.conv_seg.bias.copy_(torch.tensor([9., 0., 0.]))
    runner.model.init_weights = lambda: None
    runner.train()
    said = capsys.readouterr().out
    assert said.count('predicted nowhere in two validations running') == 1
    assert 'warning: labelled, but' in said and 'green (' in said and 'red (' in said
