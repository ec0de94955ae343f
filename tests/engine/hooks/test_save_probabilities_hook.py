import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from torch import nn

from segkit.engine.hooks import SaveProbabilitiesHook
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS
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


def running(model, dataset=(), threshold=None):
    """What the hook looks at of a runner."""
    Net.decode_head = SimpleNamespace(threshold=threshold)
    evaluator = SimpleNamespace(metrics=[SimpleNamespace(ignore_index=9)], dataset_meta=dict(classes=('a', 'b')))
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset), evaluator=evaluator)
    return SimpleNamespace(model=model, test_loop=loop)


def sample(path, scores):
    made = SegDataSample(metainfo=dict(img_path=path))
    made.seg_logits = PixelData(data=scores)
    return made


@pytest.mark.parametrize('around', [lambda net: net, Around], ids=['one process', 'DDP'])
def test_files_hold_the_probabilities(tmp_path, around):
    net, scores = Net(), torch.randn(3, 4, 5)
    runner, hook = running(around(net)), SaveProbabilitiesHook(str(tmp_path / 'out'))
    hook.before_test(runner)
    assert net.test_cfg['keep_logits'] is True
    hook.after_test_iter(runner, 0, outputs=[sample('x/a.jpg', scores), sample('x/b.jpg', scores + 1)])
    found = np.load(tmp_path / 'out/a.npy')
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['a.npy', 'b.npy', 'index.json']
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, scores.softmax(0).numpy(), atol=5e-4)


def test_the_mean_of_views_says_how_it_becomes_probabilities(tmp_path):
    net, shares = Net(), torch.rand(3, 4, 5)
    runner, hook = running(Around(Views(net))), SaveProbabilitiesHook(str(tmp_path))
    hook.before_test(runner)
    hook.after_test_iter(runner, 0, outputs=[sample('a.jpg', shares)])
    assert net.test_cfg['keep_logits'] is True
    np.testing.assert_allclose(np.load(tmp_path / 'a.npy'), shares.numpy(), atol=5e-4)


def test_two_photos_of_one_name(tmp_path):
    runner, hook = running(Net()), SaveProbabilitiesHook(str(tmp_path))
    hook.before_test(runner)
    hook.after_test_iter(runner, 0, outputs=[sample('x/a.jpg', torch.rand(2, 3, 3))])
    with pytest.raises(DataError, match='y/a.jpg: another image is called a too'):
        hook.after_test_iter(runner, 1, outputs=[sample('y/a.jpg', torch.rand(2, 3, 3))])
    other = SaveProbabilitiesHook(str(tmp_path / 'b'))  # of another process
    other.before_test(runner)
    (tmp_path / 'b/a.npy').touch()
    with pytest.raises(DataError, match='y/a.jpg: another image is called a too'):
        other.after_test_iter(runner, 0, outputs=[sample('y/a.jpg', torch.rand(2, 3, 3))])


def test_those_of_an_earlier_test_are_not_mixed(tmp_path):
    (tmp_path / 'a.npy').touch()
    with pytest.raises(ConfigError, match='(?s)holds probabilities already, such as a.npy.*another folder'):
        SaveProbabilitiesHook(str(tmp_path)).before_test(running(Net()))


def test_a_model_that_gives_none(tmp_path):
    with pytest.raises(ConfigError, match='Linear gives no probabilities'):
        SaveProbabilitiesHook(str(tmp_path)).before_test(running(nn.Linear(1, 1)))


def build(root, names, **more):
    for name in names:
        for path in (root / f'photos/{name}.jpg', root / f'masks/{name}.png'):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return DATASETS.build(dict(
        type='BaseSegDataset', data_root=str(root), data_prefix=dict(img_path='photos', seg_map_path='masks'),
        metainfo=dict(classes=('a', 'b'), palette=[[0] * 3, [9] * 3]),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')], **more))


def test_an_index_tells_of_the_files(tmp_path):
    joined = SimpleNamespace(datasets=[build(tmp_path / 'x', ['a', 'city/b']),
                                       build(tmp_path / 'y', ['c'], label_map={7: 1})])
    SaveProbabilitiesHook(str(tmp_path / 'out')).before_test(running(Net(), joined, 0.3))
    index = json.loads((tmp_path / 'out/index.json').read_text())
    assert index['threshold'] == 0.3 and index['ignore_index'] == 9 and index['classes'] == ['a', 'b']
    assert index['files']['b.npy'] == dict(img_path=f'{tmp_path}/x/photos/city/b.jpg',
                                           seg_map_path=f'{tmp_path}/x/masks/city/b.png', way=0)
    assert list(index['files']) == ['a.npy', 'b.npy', 'c.npy'] and index['files']['c.npy']['way'] == 1
    assert [way['labels']['label_map'] for way in index['ways']] == [[], [[7, 1]]]


def test_two_photos_of_one_name_end_the_test_before_it_begins(tmp_path):
    joined = SimpleNamespace(datasets=[build(tmp_path / 'x', ['a']), build(tmp_path / 'y', ['a'])])
    with pytest.raises(DataError, match='y/photos/a.jpg: another image is called a too'):
        SaveProbabilitiesHook(str(tmp_path / 'out')).before_test(running(Net(), joined))
