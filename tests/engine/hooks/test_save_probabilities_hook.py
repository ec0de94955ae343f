from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from torch import nn

from segkit.engine.hooks import SaveProbabilitiesHook
from segkit.errors import ConfigError, DataError
from segkit.structures import SegDataSample


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.test_cfg = dict(keep_logits=False)

    def probabilities(self, logits):
        return logits.softmax(0)


class Around(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


class Views(Around):
    def probabilities(self, mean):
        return mean


def sample(path, scores):
    made = SegDataSample(metainfo=dict(img_path=path))
    made.seg_logits = PixelData(data=scores)
    return made


@pytest.mark.parametrize('around', [lambda net: net, Around], ids=['one process', 'DDP'])
def test_files_hold_the_probabilities(tmp_path, around):
    net, scores = Net(), torch.randn(3, 4, 5)
    runner, hook = SimpleNamespace(model=around(net)), SaveProbabilitiesHook(str(tmp_path / 'out'))
    hook.before_test(runner)
    assert net.test_cfg['keep_logits'] is True
    hook.after_test_iter(runner, 0, outputs=[sample('x/a.jpg', scores), sample('x/b.jpg', scores + 1)])
    found = np.load(tmp_path / 'out/a.npy')
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['a.npy', 'b.npy']
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, scores.softmax(0).numpy(), atol=5e-4)


def test_the_mean_of_views_says_how_it_becomes_probabilities(tmp_path):
    net, shares = Net(), torch.rand(3, 4, 5)
    runner, hook = SimpleNamespace(model=Around(Views(net))), SaveProbabilitiesHook(str(tmp_path))
    hook.before_test(runner)
    hook.after_test_iter(runner, 0, outputs=[sample('a.jpg', shares)])
    assert net.test_cfg['keep_logits'] is True
    np.testing.assert_allclose(np.load(tmp_path / 'a.npy'), shares.numpy(), atol=5e-4)


def test_two_photos_of_one_name(tmp_path):
    runner, hook = SimpleNamespace(model=Net()), SaveProbabilitiesHook(str(tmp_path))
    hook.before_test(runner)
    hook.after_test_iter(runner, 0, outputs=[sample('x/a.jpg', torch.rand(2, 3, 3))])
    with pytest.raises(DataError, match='y/a.jpg: another image is called a too'):
        hook.after_test_iter(runner, 1, outputs=[sample('y/a.jpg', torch.rand(2, 3, 3))])
    other = SaveProbabilitiesHook(str(tmp_path / 'b'))  # of another process
    other.before_test(runner)
    (tmp_path / 'b').mkdir()
    (tmp_path / 'b/a.npy').touch()
    with pytest.raises(DataError, match='y/a.jpg: another image is called a too'):
        other.after_test_iter(runner, 0, outputs=[sample('y/a.jpg', torch.rand(2, 3, 3))])


def test_those_of_an_earlier_test_are_not_mixed(tmp_path):
    (tmp_path / 'a.npy').touch()
    with pytest.raises(ConfigError, match='(?s)holds probabilities already, such as a.npy.*another folder'):
        SaveProbabilitiesHook(str(tmp_path)).before_test(SimpleNamespace(model=Net()))


def test_a_model_that_gives_none(tmp_path):
    with pytest.raises(ConfigError, match='Linear gives no probabilities'):
        SaveProbabilitiesHook(str(tmp_path)).before_test(SimpleNamespace(model=nn.Linear(1, 1)))
