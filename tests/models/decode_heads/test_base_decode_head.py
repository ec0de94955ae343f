import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.errors import ConfigError
from segkit.models.decode_heads.base_decode_head import BaseDecodeHead
from segkit.models.decode_heads.fcn_head import FCNHead
from segkit.registry import LOSSES, TASK_UTILS


class Plain(BaseDecodeHead):
    """The smallest head: the chosen map goes straight into the classifier."""

    def forward(self, feats):
        return self.cls_seg(self._transform_inputs(feats))


@LOSSES.register_module()
class WeightOnly(nn.Module):
    """A loss that weighs pixels, and does not tell their losses."""

    loss_name = 'loss_own'

    def forward(self, logits, labels, ignore_index, align_corners, weight=None):
        return (logits.new_ones(labels.shape) if weight is None else weight).sum()


@TASK_UTILS.register_module()
class NoSampler:
    """Something else that is registered there."""


CE, OHEM = dict(type='CrossEntropyLoss'), dict(type='OHEMPixelSampler', min_kept=3)
FEATS = (torch.arange(16.).view(1, 1, 4, 4), torch.arange(8.).view(1, 2, 2, 2))


def build(in_channels=2, channels=2, **cfg):
    return Plain(in_channels, channels, num_classes=cfg.pop('num_classes', 3), **cfg)


def test_one_feature_map_is_chosen():
    assert build(in_index=-1)._transform_inputs(FEATS) is FEATS[1]
    assert build(1, 1, in_index=0)._transform_inputs(FEATS) is FEATS[0]


def test_resize_concat_resizes_to_the_first_and_stacks():
    head = build([1, 2], 3, in_index=[0, 1], input_transform='resize_concat', align_corners=True)
    assert head.in_channels == 3
    out = head._transform_inputs(FEATS)
    assert out.shape == (1, 3, 4, 4)
    assert torch.equal(out[:, :1], FEATS[0])
    torch.testing.assert_close(out[:, 1:], F.interpolate(FEATS[1], size=(4, 4), mode='bilinear', align_corners=True))


def test_multiple_select_hands_on_a_list():
    head = build([2, 1], 3, in_index=[1, 0], input_transform='multiple_select')
    assert head.in_channels == [2, 1]
    out = head._transform_inputs(FEATS)
    assert out[0] is FEATS[1] and out[1] is FEATS[0]


@pytest.mark.parametrize('cfg, message', [
    (dict(input_transform='concat'), 'input_transform'),
    (dict(in_index=[0, 1]), 'in_index'),
    (dict(input_transform='resize_concat'), 'in_channels=2'),
    (dict(in_channels=[1, 2, 3], in_index=[0, 1], input_transform='multiple_select'), 'equal length'),
    (dict(out_channels=2), 'out_channels'),
    (dict(threshold=0.5), 'threshold'),
    (dict(out_channels=1, num_classes=2), 'use_sigmoid'),
    (dict(num_classes=1), 'num_classes=2: two classes, background first'),
    (dict(loss_decode=[dict(type='CrossEntropyLoss'), dict(type='CrossEntropyLoss', loss_name='ce')]),
     "loss_decode.loss_name is 'ce'(.|\\n)*'loss_ce'"),
    (dict(loss_decode=dict(type='CrossEntropyLoss', class_weight=[1., 2.])), 'class_weight has 2'),
    (dict(loss_decode=dict(type='LovaszLoss', loss_type='binary')), 'Plain.loss_decode: LovaszLoss.*3 channels'),
    (dict(sampler=dict(type='OHEMPixelSampler', min_kept=0)), 'OHEMPixelSampler.min_kept'),
    (dict(sampler=dict(type='OhemPixelSampler')), "not a registered task utility(.|\n)*OHEMPixelSampler"),
    (dict(sampler=dict(type='NoSampler')), 'NoSampler is no pixel sampler'),
    (dict(sampler=OHEM, loss_decode=dict(type='DiceLoss')), 'DiceLoss takes no weights of pixels'),
    (dict(sampler=OHEM, loss_decode=[CE, dict(type='LovaszLoss')]), 'LovaszLoss takes no weights of pixels'),
    (dict(sampler=OHEM, loss_decode=dict(type='TverskyLoss')), 'TverskyLoss takes no weights of pixels'),
    (dict(sampler=OHEM, loss_decode=dict(type='OhemCrossEntropy')), 'OhemCrossEntropy takes no weights of pixels'),
    (dict(sampler=OHEM, loss_decode=dict(type='WeightOnly')), 'WeightOnly has not(.|\n)*sampler.thresh'),
    (dict(loss_decode=dict(type='BoundaryLoss')), "(?s)'BoundaryLoss' is not .*left out here: .*PIDNet"),
])
def test_refusals(cfg, message):
    with pytest.raises(ConfigError, match=message):
        build(**cfg)


def test_binary_head_and_its_threshold():
    sigmoid = dict(type='CrossEntropyLoss', use_sigmoid=True)
    head = build(num_classes=2, out_channels=1, loss_decode=sigmoid)
    assert head.threshold == 0.3 and head.conv_seg.out_channels == 1
    head = build(num_classes=2, out_channels=1, threshold=0.6, loss_decode=sigmoid)
    logits = torch.tensor([0., 1.]).view(1, 1, 1, 2)  # probabilities 0.5 and 0.73
    assert head.loss_of_logits(logits, torch.tensor([[[1, 1]]]))['acc_seg'].item() == 50


def test_loss_is_between_resized_scores_and_labels():
    head = build(align_corners=True, ignore_index=7)
    logits, labels = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 9, 11))
    labels[:, :3] = 7
    full = F.interpolate(logits, size=(9, 11), mode='bilinear', align_corners=True)
    out = head.loss_of_logits(logits, labels)
    wanted = F.cross_entropy(full, labels, ignore_index=7, reduction='sum') / labels.numel()
    torch.testing.assert_close(out['loss_ce'], wanted)
    torch.testing.assert_close(out['acc_seg'], 100 * (full.argmax(1) == labels)[:, 3:].float().mean())


def test_accuracy_only_where_it_is_logged():
    head = build()
    head.log_accuracy = False
    assert set(head.loss((torch.rand(1, 2, 3, 3),), torch.zeros(1, 6, 6, dtype=torch.long))) == {'loss_ce'}


def test_losses_of_one_name_are_added_and_others_are_kept_apart():
    ce = dict(type='CrossEntropyLoss')
    logits, labels = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 8, 8))
    one = build(loss_decode=ce).loss_of_logits(logits, labels)['loss_ce']
    out = build(loss_decode=[ce, dict(ce, loss_weight=2.), dict(ce, loss_name='loss_b')]).loss_of_logits(logits, labels)
    torch.testing.assert_close(out['loss_ce'], 3 * one)
    torch.testing.assert_close(out['loss_b'], one)


def test_a_sampler_weighs_the_pixels_of_every_loss_and_leaves_the_accuracy():
    logits, labels = torch.randn(2, 3, 4, 4, requires_grad=True), torch.randint(0, 3, (2, 8, 8))
    labels[:, 0] = 255
    losses = [CE, dict(type='FocalLoss'), dict(type='WeightOnly')]
    head = build(loss_decode=losses, sampler=dict(OHEM, thresh=0.1))
    weight = head.sampler.sample(logits, labels, head.loss_decode)
    assert 6 <= weight.sum() < 112
    out, plain = head.loss_of_logits(logits, labels), build(loss_decode=losses).loss_of_logits(logits, labels)
    per_pixel = F.cross_entropy(F.interpolate(logits, (8, 8), mode='bilinear'), labels, ignore_index=255,
                                reduction='none')
    torch.testing.assert_close(out['loss_ce'], (per_pixel * weight).mean())
    torch.testing.assert_close(out['loss_focal'], head.loss_decode[1](logits, labels, weight=weight))
    assert out['loss_focal'] < plain['loss_focal'] and out['loss_own'] == weight.sum() and plain['loss_own'] == 128
    assert out['acc_seg'] == plain['acc_seg']
    assert head.losses_only(logits, labels).keys() == out.keys() - {'acc_seg'}
    torch.testing.assert_close(head.losses_only(logits, labels)['loss_ce'], out['loss_ce'])


def test_a_sampler_takes_part_in_the_loss_of_one_image_as_in_that_of_a_batch():
    logits, labels = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    with torch.no_grad():
        alone = build(sampler=OHEM).losses_only(logits, labels)['loss_ce']
    per_pixel = F.cross_entropy(logits, labels, reduction='none').flatten()
    torch.testing.assert_close(alone, per_pixel.topk(3)[0].sum() / 16)


def test_dropout_drops_whole_channels_and_only_while_training():
    head = build(64, 64, dropout_ratio=0.5)
    head.conv_seg = nn.Identity()
    x = torch.ones(1, 64, 3, 3)
    out = head.train()((x,))
    assert set(out.flatten(2).sum(2).flatten().tolist()) == {0., 18.}
    assert torch.equal(head.eval()((x,)), x)
    assert build(dropout_ratio=0).dropout is None


def test_norm_eval_keeps_the_running_statistics():
    for norm_eval in (False, True):
        head = build(norm_eval=norm_eval)
        head.norm = nn.BatchNorm2d(2)
        assert head.train().norm.training is not norm_eval
        assert not head.eval().norm.training


def test_classifier_starts_small():
    torch.manual_seed(0)
    head = build(256, 256, num_classes=21)
    head.init_weights()
    assert head.conv_seg.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert head.conv_seg.bias.abs().sum() == 0


def test_a_loss_written_for_mmsegmentation_gets_scores_of_the_labels_size():
    class TheirLoss(torch.nn.Module):
        loss_name = 'loss_theirs'

        def forward(self, cls_score, label, weight=None, avg_factor=None, ignore_index=255, **kwargs):
            assert weight is None and not kwargs
            return torch.nn.functional.cross_entropy(cls_score, label, ignore_index=ignore_index)

    LOSSES.register_module(module=TheirLoss)
    try:
        head = FCNHead(4, 4, num_classes=3, num_convs=1, concat_input=False, loss_decode=[
            dict(type='TheirLoss'), dict(type='CrossEntropyLoss', avg_non_ignore=True)])
        labels = torch.randint(0, 3, (2, 16, 16))
        labels[:, :3] = 255
        losses = head.eval().loss((torch.randn(2, 4, 4, 4),), labels)
    finally:
        del LOSSES._module_dict['TheirLoss']
    torch.testing.assert_close(losses['loss_theirs'], losses['loss_ce'])
