"""Weights are compared key by key."""

import pytest
import torch
from torch import nn

from segkit import checkpoint as ckpt
from segkit.errors import CheckpointError


class Small(nn.Module):

    def __init__(self, num_classes=11, stem='stem'):
        super().__init__()
        self.backbone = nn.Module()
        if stem == 'stem':
            self.backbone.stem = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
        else:
            self.backbone.conv1 = nn.Conv2d(3, 4, 7, bias=False)
        self.decode_head = nn.Module()
        self.decode_head.conv_seg = nn.Conv2d(4, num_classes, 1)


class Thin(nn.Module):
    """Has some of a larger network's names, with other shapes."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.layer1 = nn.ModuleList(nn.Module() for _ in range(6))
        for block in self.backbone.layer1:
            block.conv1 = nn.Conv2d(1, 1, 1, bias=False)


def test_equal_keys_are_copied():
    source, target = Small(), Small()
    assert ckpt.load_weights(target, source.state_dict()).ok
    assert torch.equal(source.backbone.stem[0].weight, target.backbone.stem[0].weight)


def test_a_difference_copies_nothing_and_is_listed():
    source, target = Small(), Small()
    before = target.backbone.stem[1].weight.clone()
    weights = dict(source.state_dict(), extra=torch.zeros(1))
    weights['backbone.stem.1.weight'] = torch.full((4,), 7.0)
    del weights['decode_head.conv_seg.bias']
    with pytest.raises(CheckpointError) as error:
        ckpt.load_weights(target, weights, source='x.pth')
    text = str(error.value)
    assert 'x.pth' in text and '1 missing: decode_head.conv_seg.bias' in text and '1 unexpected: extra' in text
    assert torch.equal(target.backbone.stem[1].weight, before)
    report = ckpt.load_weights(target, weights, strict=False)
    assert (report.missing, report.unexpected) == (['decode_head.conv_seg.bias'], ['extra'])
    assert target.backbone.stem[1].weight.tolist() == [7, 7, 7, 7]
    assert ckpt.load_weights(target, weights, allow_missing=['decode_head.'], allow_unexpected=['extra']).ok


def test_old_files_without_batch_counts_fit():
    weights = {k: v for k, v in Small().state_dict().items() if 'num_batches' not in k}
    assert ckpt.load_weights(Small(), weights).ok


@pytest.mark.parametrize('source,target,cause', [
    (Small(21).state_dict(), Small(11), 'The file has 21 classes, the model 11: set model.num_classes=21'),
    (Small().backbone.state_dict(), Small(), 'a backbone alone'),
    (Small().state_dict(), Small().backbone, "begin with 'backbone.'"),
    ({'net.a.weight': torch.zeros(1)}, Small(), 'The file is of another network: take one'),
    ({'backbone.features.0.0.weight': torch.zeros(1)}, Small(), r"a MobileNetV2 in torchvision's layout"),
    ({f'backbone.layer1.{k}.conv1.weight': torch.zeros(1) for k in range(20)}, Thin(), 'of a ResNet of another depth'),
    (dict(Small().state_dict(), **{'classifier.0.convs.0.0.weight': torch.zeros(1)}), Small(),
     r"The file is torchvision's DeepLabV3 \(classifier.0.convs\), the model is not"),
    (Small(stem='conv1').state_dict(), Small(), 'The model has a deep stem'),
    (Small().state_dict(), Small(stem='conv1'), 'The file has a deep stem'),
])
def test_the_cause_is_named(source, target, cause):
    with pytest.raises(CheckpointError, match=cause) as error:
        ckpt.load_weights(target, source)
    assert str(error.value).count('\n') < 4
