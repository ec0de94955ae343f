import json

import numpy as np
import pytest
import torch

from segkit.errors import ConfigError
from segkit.models.losses.base_loss import COUNTED
from segkit.registry import LOSSES

WEIGHT = [0.5, 1., 2., 0.1, 3.]
WEIGHTED = ['CrossEntropyLoss', 'OhemCrossEntropy', 'FocalLoss', 'TverskyLoss', 'LovaszLoss']


def build(kind='CrossEntropyLoss', **cfg):
    return LOSSES.build(dict(type=kind, **cfg))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='CUDA: what torch computes in no fixed order there')
@pytest.mark.parametrize('kind', [*WEIGHTED, 'DiceLoss'])
def test_on_cuda_in_deterministic_mode_the_numbers_are_the_cpus(batch, kind):
    logits, labels = batch()
    loss = build(kind)
    wanted = loss(logits, labels)
    wanted.backward()
    torch.use_deterministic_algorithms(True)
    try:
        there = logits.detach().cuda().requires_grad_()
        found = loss.cuda()(there, labels.cuda())
        found.backward()
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(found.cpu(), wanted)
    torch.testing.assert_close(there.grad.cpu(), logits.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize('suffix', ['npy', 'json', 'yaml'])
def test_class_weights_from_a_file(tmp_path, suffix):
    path = tmp_path / f'weights.{suffix}'
    if suffix == 'npy':
        np.save(path, np.array(WEIGHT))
    else:
        path.write_text(json.dumps(WEIGHT))
    for kind in WEIGHTED:
        loss = build(kind, class_weight=str(path))
        torch.testing.assert_close(loss.class_weight, torch.tensor(WEIGHT))
        assert not loss.state_dict()  # checkpoints do not hold them


@pytest.mark.parametrize('value, message', [
    ('weights.pkl', 'weights.pkl must be'), ('median_frq', 'median_freq, inverse'), ('missing.npy', 'missing.npy'),
    (['a', 'b'], 'one number a class'), (3., 'one number a class')])
def test_weights_that_cannot_be_read(value, message):
    with pytest.raises(ConfigError, match=message):
        build(class_weight=value)


def test_a_file_without_a_list(tmp_path):
    (tmp_path / 'w.json').write_text('{"road": [1]}')
    with pytest.raises(ConfigError, match='w.json: expected a list'):
        build(class_weight=str(tmp_path / 'w.json'))


@pytest.mark.parametrize('word', COUNTED)
@pytest.mark.parametrize('kind', WEIGHTED)
def test_uncounted_weights_build_for_prediction_and_refuse_to_be_used(batch, kind, word):
    loss = build(kind, class_weight=word)
    with pytest.raises(ConfigError, match=f"{kind}.class_weight='{word}' is counted") as error:
        loss(*batch())
    assert len(str(error.value).splitlines()) <= 4
