import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from torch import nn

from segkit.errors import ConfigError
from segkit.registry import MODELS

AUX = dict(type='FCNHead', in_index=2, channels=256, num_convs=1, concat_input=False)


def count(model, *parts):
    return sum(p.numel() for name, p in model.named_parameters() if not parts or name.startswith(parts))


def on_meta(depth, head, backbone='ResNetV1c', aux=AUX):
    with torch.device('meta'):
        return MODELS.build(dict(
            type='EncoderDecoder', num_classes=21, norm_cfg=dict(type='SyncBN', requires_grad=True),
            backbone=dict(type=backbone, depth=depth, output_stride=8), decode_head=head, auxiliary_head=aux))


@pytest.mark.parametrize('depth, backbone, head, aux, wanted', [
    (50, 'ResNetV1c', dict(type='ASPPHead', channels=512), AUX, 68_114_570),
    (101, 'ResNetV1c', dict(type='ASPPHead', channels=512), AUX, 87_106_698),
    (50, 'ResNet', dict(type='DeepLabV3Head'), AUX, 42_004_074),
    (101, 'ResNet', dict(type='DeepLabV3Head'), AUX, 60_996_202),
    (50, 'ResNet', dict(type='DeepLabV3Head', block=False, project_dropout=0), None, 39_048_533),
    (101, 'ResNet', dict(type='DeepLabV3Head', block=False, project_dropout=0), None, 58_040_661),
])
def test_parameter_counts(depth, backbone, head, aux, wanted):
    assert count(on_meta(depth, head, backbone, aux)) == wanted


def test_keys_and_shapes_are_mmsegmentations(mmseg_keys):
    model = on_meta(50, dict(type='ASPPHead', channels=512))
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == mmseg_keys


@pytest.fixture
def small_cfg():
    """A small model in which every fact stands once."""
    return dict(
        type='EncoderDecoder', num_classes=5, norm_cfg=dict(type='SyncBN'), align_corners=False,
        backbone=dict(type='ResNetV1c', depth=18, stem_channels=8, base_channels=8, output_stride=16),
        decode_head=dict(type='ASPPHead', channels=8),
        auxiliary_head=dict(type='FCNHead', in_index=2, channels=8, num_convs=1, concat_input=False))


def training_batch(draw, model):
    images = [draw.image(10, 40, 64), draw.image(11, 48, 50)]
    samples = [draw.sample(40, 64, draw.labels(12, 1, 40, 64, 5)), draw.sample(48, 50, draw.labels(13, 1, 48, 50, 5))]
    return model.data_preprocessor(dict(inputs=images, data_samples=samples), True)


@pytest.mark.parametrize('size, stride, wanted', [(480, 8, 60), (512, 8, 64), (513, 8, 65), (520, 8, 65), (769, 8, 97),
                                                  (512, 16, 32), (513, 16, 33)])
def test_output_sizes(small_cfg, size, stride, wanted):
    small_cfg['backbone']['output_stride'] = stride
    with torch.device('meta'):
        model = MODELS.build(small_cfg).eval()
        assert model(torch.empty(1, 3, size, size)).shape == (1, 5, wanted, wanted)


def test_receptive_field_of_the_widest_branch():
    model = MODELS.build(dict(
        type='EncoderDecoder', num_classes=2, norm_cfg=dict(type='BN'),
        backbone=dict(type='ResNet', depth=50, stem_channels=2, base_channels=2, output_stride=8),
        decode_head=dict(type='DeepLabV3Head', channels=2, block=False))).double().eval()
    for name, parameter in model.named_parameters():
        nn.init.constant_(parameter, 0.05 if parameter.dim() == 4 else float('bias' not in name))
    nn.init.zeros_(model.decode_head.image_pool[1].conv.weight)  # the pool sees everything
    model.backbone.maxpool = nn.AvgPool2d(3, stride=2, padding=1)  # a maximum looks at one pixel only
    # A strip is enough: the extent along the width does not depend on the height.
    img = torch.ones(1, 3, 8, 1200, dtype=torch.float64, requires_grad=True)
    model(img)[0, 0, 0, 75].backward()
    columns = img.grad[0].abs().sum((0, 1)).nonzero().flatten()
    assert columns[-1] - columns[0] + 1 == 1003


def test_training_numbers_are_mmsegmentations(model_cfg, draw, mmseg_numbers):
    model = draw.weights(MODELS.build(model_cfg)).eval()
    out = model(**training_batch(draw, model), mode='loss')
    assert {k: v.item() for k, v in out.items()} == pytest.approx(mmseg_numbers['train'], rel=1e-5)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.
    out = model(**training_batch(draw, model), mode='loss')
    assert {k: v.item() for k, v in out.items()} == pytest.approx(mmseg_numbers['train_bn'], rel=1e-5)
    model.parse_losses(out)[0].backward()
    norm = sum(p.grad.double().square().sum() for p in model.parameters()).sqrt()
    # 2.199322 in float64; in float32, in which it was recorded, 2.19922 to 2.19960 by the processor's vectors.
    assert norm.item() == pytest.approx(mmseg_numbers['grad_norm'], rel=3e-4)


@pytest.mark.parametrize('name, test_cfg, padding, meta', [
    ('whole', dict(mode='whole'), None, dict(ori_shape=(60, 83))),
    ('resized', dict(mode='whole'), None, dict(ori_shape=(45, 71))),
    ('flipped', dict(mode='whole'), None, dict(ori_shape=(45, 71), flip=True, flip_direction='horizontal')),
    ('padded', dict(mode='whole'), dict(size_divisor=32), dict(ori_shape=(45, 71))),
    ('slide', dict(mode='slide', crop_size=(32, 40), stride=(20, 24)), None, dict(ori_shape=(45, 71))),
    ('slide_small', dict(mode='slide', crop_size=(64, 40), stride=(20, 24)), None, dict(ori_shape=(60, 83))),
])
@torch.no_grad()
def test_predictions_are_mmsegmentations(model_cfg, draw, mmseg_numbers, name, test_cfg, padding, meta):
    model_cfg['test_cfg'] = dict(test_cfg, keep_logits=True)
    model_cfg['data_preprocessor']['test_cfg'] = padding
    model = draw.weights(MODELS.build(model_cfg)).eval()
    sample, = model.test_step(dict(inputs=[draw.image(20, 60, 83)], data_samples=[draw.sample(60, 83, **meta)]))
    logits, classes, wanted = sample.seg_logits.data, sample.pred_sem_seg.data, mmseg_numbers[name]
    assert list(logits.shape) == wanted['shape']
    assert logits[:, logits.shape[1] // 3, logits.shape[2] // 2].tolist() == pytest.approx(wanted['at'], abs=1e-4)
    assert logits[:, -1, -1].tolist() == pytest.approx(wanted['corner'], abs=1e-4)
    assert torch.bincount(classes.flatten(), minlength=5).tolist() == wanted['hist']
    assert classes.dtype == torch.uint8 and classes.shape == (1, *meta['ori_shape'])


@pytest.mark.slow
@torch.no_grad()
def test_parity_with_torchvision():
    torchvision = pytest.importorskip('torchvision', exc_type=Exception)
    theirs = torchvision.models.segmentation.deeplabv3_resnet50(
        weights=None, weights_backbone=None, num_classes=21, aux_loss=True).eval()
    torch.manual_seed(0)
    for name, value in theirs.state_dict().items():
        if 'running_var' in name:
            value.uniform_(0.5, 1.5)
        elif 'running_mean' in name:
            value.normal_(0, 0.1)
    ours = MODELS.build(dict(
        type='EncoderDecoder', num_classes=21, norm_cfg=dict(type='BN'),
        backbone=dict(type='ResNet', depth=50, output_stride=8), decode_head=dict(type='DeepLabV3Head'),
        auxiliary_head=AUX)).eval()
    ours.load_state_dict({from_torchvision(k): v for k, v in theirs.state_dict().items()}, strict=True)
    img = torch.randn(2, 3, 97, 65)
    feats = theirs.backbone(img)
    scale = theirs.classifier(feats['out']).abs().max()
    assert (ours(img) - theirs.classifier(feats['out'])).abs().max() <= 1e-5 * scale
    assert (ours.auxiliary_head(ours.backbone(img)) - theirs.aux_classifier(feats['aux'])).abs().max() <= 1e-5 * scale
    full = torch.stack(ours.predict_logits(img))
    assert (full - theirs(img)['out']).abs().max() <= 1e-5 * scale


def from_torchvision(key):
    for old, new in [
            *((f'classifier.0.convs.{i}.{j}.', f'decode_head.aspp_modules.{i}.{part}.')
              for i in range(4) for j, part in enumerate(('conv', 'bn'))),
            ('classifier.0.convs.4.1.', 'decode_head.image_pool.1.conv.'),
            ('classifier.0.convs.4.2.', 'decode_head.image_pool.1.bn.'),
            ('classifier.0.project.0.', 'decode_head.project.conv.'),
            ('classifier.0.project.1.', 'decode_head.project.bn.'),
            ('classifier.1.', 'decode_head.block.conv.'), ('classifier.2.', 'decode_head.block.bn.'),
            ('classifier.4.', 'decode_head.conv_seg.'), ('aux_classifier.0.', 'auxiliary_head.convs.0.conv.'),
            ('aux_classifier.1.', 'auxiliary_head.convs.0.bn.'), ('aux_classifier.4.', 'auxiliary_head.conv_seg.')]:
        if key.startswith(old):
            return new + key[len(old):]
    return key


def test_gradients_reach_every_parameter(small_cfg, draw):
    model = MODELS.build(small_cfg)
    inputs, labels = torch.randn(2, 3, 64, 64), draw.labels(1, 2, 64, 64, 5)
    model.parse_losses(model(inputs, labels=labels, mode='loss'))[0].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_a_training_step(model_cfg, draw):
    torch.manual_seed(0)
    model = MODELS.build(model_cfg)
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    batch = dict(inputs=torch.stack([draw.image(1, 48, 64), draw.image(2, 48, 64)]),
                 labels=torch.stack([torch.zeros(48, 64), torch.ones(48, 64)]).byte(),
                 data_samples=[draw.sample(48, 64), draw.sample(48, 64)])
    losses = [model.train_step(batch, optimizer)['decode.loss_ce'].item() for _ in range(16)]
    assert losses[-1] < 0.5 * losses[0]


def test_names_in_the_log_and_the_accuracy_switch(small_cfg, draw):
    inputs, labels = torch.randn(2, 3, 32, 32), draw.labels(1, 2, 32, 32, 5)
    model = MODELS.build(small_cfg)
    assert set(model(inputs, labels=labels, mode='loss')) == {
        'decode.loss_ce', 'decode.acc_seg', 'aux.loss_ce', 'aux.acc_seg'}
    model.log_accuracy = False
    assert not model.log_accuracy
    assert set(model(inputs, labels=labels, mode='loss')) == {'decode.loss_ce', 'aux.loss_ce'}
    small_cfg['auxiliary_head'] = [small_cfg['auxiliary_head'], dict(small_cfg['auxiliary_head'], in_index=1)]
    model = MODELS.build(small_cfg)
    model.log_accuracy = False
    assert set(model(inputs, labels=labels, mode='loss')) == {'decode.loss_ce', 'aux_0.loss_ce', 'aux_1.loss_ce'}


def test_facts_reach_the_parts(small_cfg):
    model = MODELS.build(dict(small_cfg, align_corners=True, ignore_index=254, num_classes=7))
    for head in (model.decode_head, model.auxiliary_head):
        assert (head.num_classes, head.align_corners, head.ignore_index) == (7, True, 254)
    assert model.decode_head.dilations == (1, 6, 12, 18)
    assert {type(m).__name__ for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)} == {
        'SyncBatchNorm'}


@torch.no_grad()
def test_evaluation_at_another_stride(small_cfg, draw):
    model = draw.weights(MODELS.build(dict(small_cfg, test_cfg=dict(output_stride=8)))).eval()
    fine = copy.deepcopy(small_cfg)
    fine['backbone']['output_stride'] = 8
    fine = MODELS.build(fine).eval()
    fine.load_state_dict(model.state_dict())
    img = torch.randn(1, 3, 65, 97)
    coarse = model(img)
    assert coarse.shape[-2:] == (5, 7)
    assert torch.equal(model.predict_logits(img)[0], fine.predict_logits(img)[0])
    assert torch.equal(model(img), coarse)  # training goes on at its own stride
    assert model.decode_head.dilations == (1, 6, 12, 18) and model.backbone.output_stride == 16


@torch.no_grad()
def test_one_window_is_the_whole_image(small_cfg, draw):
    img = torch.randn(2, 3, 40, 56)
    whole = draw.weights(MODELS.build(small_cfg)).eval().predict_logits(img)
    slide = MODELS.build(dict(small_cfg, test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(32, 32))))
    for one, other in zip(whole, draw.weights(slide).eval().predict_logits(img)):
        torch.testing.assert_close(one, other)


@torch.no_grad()
@pytest.mark.parametrize('direction, axes', [('horizontal', (2,)), ('vertical', (1,)), ('diagonal', (1, 2))])
def test_padding_is_removed_before_the_flip_is_undone(small_cfg, draw, direction, axes):
    model = draw.weights(MODELS.build(small_cfg)).eval()
    img = torch.randn(1, 3, 48, 64)
    whole, = model.predict_logits(img)
    sample = draw.sample(40, 50, ori_shape=(40, 50), flip=True, flip_direction=direction)
    out, = model.predict_logits(img, [sample])
    torch.testing.assert_close(out, whole[:, :40, :50].flip(axes))


@torch.no_grad()
def test_a_photo_that_the_pipeline_padded_is_refused(small_cfg, draw):
    model, img = MODELS.build(small_cfg).eval(), torch.randn(1, 3, 48, 64)
    meta = dict(ori_shape=(80, 128), pad_shape=(48, 64, 3), scale_factor=(0.5, 0.5))
    with pytest.raises(ConfigError, match=r'48x64 (.*\n)+.*test_cfg=dict\(size') as error:
        model.predict(img, [draw.sample(48, 64, **meta)])
    assert len(str(error.value).splitlines()) <= 4
    meta['ori_shape'] = (96, 128)  # Pad had nothing to add
    assert model.predict(img, [draw.sample(48, 64, **meta)])[0].pred_sem_seg.data.shape == (1, 96, 128)


@torch.no_grad()
def test_images_of_a_batch_are_resized_each_to_its_own_size(small_cfg, draw):
    model = draw.weights(MODELS.build(small_cfg)).eval()
    img = torch.randn(2, 3, 48, 64)
    out = model.predict(img, [draw.sample(48, 64, ori_shape=(20, 30)), draw.sample(48, 40, ori_shape=(96, 80))])
    assert [s.pred_sem_seg.data.shape for s in out] == [(1, 20, 30), (1, 96, 80)]
    assert not hasattr(out[0], 'seg_logits')
    wanted = F.interpolate(F.interpolate(model(img), size=(48, 64), mode='bilinear')[1:, :, :, :40], size=(96, 80),
                           mode='bilinear')[0].argmax(0)
    assert torch.equal(out[1].pred_sem_seg.data[0].long(), wanted)


class TestBatchOfOne:

    def step(self, cfg, size=1):
        model, ran = MODELS.build(cfg).train(), []
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_pre_hook(lambda *_: ran.append(True))
        try:
            model(torch.randn(size, 3, 32, 32), labels=torch.zeros(size, 32, 32).long(), mode='loss')
        except ConfigError as error:
            assert not ran, 'a convolution ran before the error'
            return str(error)
        return None

    @pytest.mark.parametrize('norm', ['BN', 'SyncBN'])
    @pytest.mark.parametrize('head', ['ASPPHead', 'DeepLabV3Head'])
    def test_is_an_error_with_the_ways_out(self, small_cfg, norm, head):
        small_cfg.update(norm_cfg=dict(type=norm), decode_head=dict(type=head, channels=8))
        message = self.step(small_cfg)
        assert len(message.splitlines()) <= 4
        for part in ('model.decode_head', 'batch_size>=2', 'SyncBN', 'norm_eval', 'GN'):
            assert part in message
        assert self.step(small_cfg, size=2) is None

    def test_the_ways_out_work(self, small_cfg):
        gn = dict(type='GN', num_groups=4)
        assert self.step({**small_cfg, 'decode_head': dict(type='ASPPHead', channels=8, norm_cfg=gn)}) is None
        assert self.step({**small_cfg, 'decode_head': dict(type='ASPPHead', channels=8, norm_eval=True)}) is None
        fcn = dict(type='FCNHead', channels=8)
        assert self.step({**small_cfg, 'decode_head': fcn}) is None

    def test_synchronised_norm_on_two_processes_is_let_through(self, small_cfg, monkeypatch):
        monkeypatch.setattr('segkit.models.segmentors.encoder_decoder.get_world_size', lambda: 2)
        MODELS.build(small_cfg).check_batch_size(1)
        with pytest.raises(ConfigError):
            MODELS.build({**small_cfg, 'norm_cfg': dict(type='BN')}).check_batch_size(1)


@pytest.mark.parametrize('change, message', [
    (dict(neck=dict(type='FPN')), "model.neck.*'FPN'"),
    (dict(train_cfg=dict(a=1)), 'model.train_cfg'),
    (dict(test_cfg=dict(mode='tile')), 'model.test_cfg.mode'),
    (dict(decode_head=dict(type='ASPPHead', channels=8, in_index=4)), 'model.decode_head.in_index=4'),
    (dict(decode_head=dict(type='ASPPHead', channels=8, sampler=dict(type='OHEMPixelSampler', min_kept=0))),
     'model.decode_head: OHEMPixelSampler.min_kept'),
    (dict(auxiliary_head=[dict(type='FCNHead', channels=8, in_index=9)]), r'model.auxiliary_head\[0\].in_index=9'),
    (dict(auxiliary_head=dict(type='FCNHead', channels=8, ignore_index=0)), 'ignore_index differs'),
    (dict(auxiliary_head=dict(type='FCNHead', channels=8, num_classes=6)), 'num_classes differs'),
    (dict(ignore_index=0, data_preprocessor=dict(type='SegDataPreProcessor')), 'seg_pad_val=255'),
    (dict(pretrained='a.pth', backbone=dict(type='ResNet', depth=18, init_cfg=dict(type='Kaiming'))), 'Both'),
    (dict(backbone=dict(type='ASPPHead', channels=8)), 'decode head, and a backbone is expected'),
    (dict(decode_head=dict(type='ASPHead', channels=8)), 'ASPPHead'),
])
def test_parts_that_do_not_fit(small_cfg, change, message):
    with pytest.raises(ConfigError, match=message):
        MODELS.build({**small_cfg, **change})


def test_pretrained_is_the_backbones_init(small_cfg):
    model = MODELS.build(dict(small_cfg, pretrained='open-mmlab://resnet18_v1c', neck=None))
    assert model.backbone.init_cfg == dict(type='Pretrained', checkpoint='open-mmlab://resnet18_v1c')
