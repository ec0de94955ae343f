"""Predictions of which a CRF decides the classes, against the CRF called by hand."""
import pytest
import torch
from mmengine.structures import PixelData

from segkit.errors import ConfigError, DataError
from segkit.models.postprocess import DenseCRF
from segkit.registry import MODELS

CRF = dict(type='DenseCRF', bi_rgb_std=40, pos_w=1, bi_w=2)
SIZE = (37, 50)  # of the photo; the network sees another one


@pytest.fixture
def small(draw):
    """Make a small network with weights that say something."""
    def make(test_cfg=None, head=None, **more):
        torch.manual_seed(0)
        return draw.weights(MODELS.build(dict(dict(
            type='EncoderDecoder', num_classes=4, norm_cfg=dict(type='BN'), align_corners=False,
            data_preprocessor=dict(type='SegDataPreProcessor', mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True),
            backbone=dict(type='ResNetV1c', depth=18, stem_channels=4, base_channels=4, output_stride=16),
            decode_head=dict(type='FCNHead', channels=8, num_convs=1, concat_input=False, **(head or {})),
            test_cfg=dict(dict(crf=CRF, keep_logits=True), **(test_cfg or {}))), **more))).eval()
    return make


def photo_of(seed: int = 3) -> torch.Tensor:
    """(3, H, W) uint8 BGR, of large patches."""
    patches = torch.randint(0, 256, (3, 5, 6), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return patches.repeat_interleave(8, 1).repeat_interleave(9, 2)[:, :SIZE[0], :SIZE[1]].contiguous()


def kept(sample, photo=None):
    sample.photo = PixelData(data=photo_of() if photo is None else photo)
    return sample


def by_hand(probabilities: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    values = {key: value for key, value in CRF.items() if key != 'type'}
    return DenseCRF(**values)(probabilities, photo.flip(0).permute(1, 2, 0).numpy())


@pytest.mark.parametrize('test_cfg, more', [
    ({}, {}), (dict(mode='slide', crop_size=(24, 30), stride=(16, 20)), {}),
    ({}, dict(type='MultiScaleEncoderDecoder', scales=(0.75, 0.5)))], ids=['whole', 'slide', 'MSC'])
@torch.no_grad()
def test_classes_come_from_the_photo_at_its_own_size(small, draw, test_cfg, more):
    model = small(test_cfg, **more)
    given = [draw.image(seed, 48, 64) for seed in (1, 2)]
    samples = [kept(draw.sample(48, 64, ori_shape=SIZE), photo_of(seed)) for seed in (3, 4)]
    found = model.test_step(dict(inputs=given, data_samples=samples))
    for sample, seed in zip(found, (3, 4)):
        probabilities = sample.seg_logits.data.softmax(0)  # the network's, not the CRF's
        wanted = by_hand(probabilities, photo_of(seed)).argmax(0)
        assert torch.equal(sample.pred_sem_seg.data[0], wanted.byte())
        assert tuple(wanted.shape) == SIZE and (wanted != probabilities.argmax(0)).any()


@torch.no_grad()
def test_without_one_nothing_is_looked_at(small, draw):
    model = small(dict(crf=None))
    sample, = model.test_step(dict(inputs=[draw.image(1, 48, 64)], data_samples=[draw.sample(48, 64, ori_shape=SIZE)]))
    assert torch.equal(sample.pred_sem_seg.data[0], sample.seg_logits.data.argmax(0).byte())


@pytest.mark.parametrize('fusion', ['prob', 'logit', 'exp'])
@pytest.mark.parametrize('head', [{}, dict(out_channels=1, num_classes=2, threshold=0.6, loss_decode=dict(
    type='CrossEntropyLoss', use_sigmoid=True))], ids=['softmax', 'sigmoid'])
@torch.no_grad()
def test_views_are_fused_first(small, draw, fusion, head):
    model = small(head=head, **(dict(num_classes=2) if head else {}))
    tta = MODELS.build(dict(type='SegTTAModel', module=model, fusion=fusion))
    views = [torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    samples = [[kept(draw.sample(48, 64, ori_shape=SIZE))],
               [draw.sample(48, 64, ori_shape=SIZE, flip=True, flip_direction='horizontal')]]
    each = [model.predict_logits(view, sample)[0].double() for view, sample in zip(views, samples)]
    sample, = tta.merge_preds(dict(inputs=x, data_samples=s) for x, s in zip(views, samples))
    binary = len(each[0]) == 1
    # the softmax of 0 and a score is the score's sigmoid
    each = [torch.cat([torch.zeros_like(one), one]) if binary else one for one in each]
    if fusion == 'prob':
        probabilities = sum(one.softmax(0) for one in each) / 2
    elif fusion == 'logit':
        probabilities = (sum(each) / 2).softmax(0)
    else:
        probabilities = sum(one.exp() for one in each)
        probabilities /= probabilities.sum(0)
    torch.testing.assert_close(tta.probabilities(sample.seg_logits.data).double(), probabilities, atol=1e-5, rtol=0)
    refined = by_hand(tta.probabilities(sample.seg_logits.data), photo_of())
    wanted = (refined[1] > 0.6) if binary else refined.argmax(0)
    assert torch.equal(sample.pred_sem_seg.data[0].long(), wanted.long()) and 0 < wanted.float().mean()


@torch.no_grad()
def test_a_binary_head_keeps_its_threshold(small, draw):
    model = small(num_classes=2, head=dict(out_channels=1, threshold=0.95,
                                           loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True)))
    sample, = model.test_step(dict(inputs=[draw.image(1, 48, 64)],
                                   data_samples=[kept(draw.sample(48, 64, ori_shape=SIZE))]))
    share = sample.seg_logits.data.sigmoid()
    refined = by_hand(torch.cat([1 - share, share]), photo_of())
    assert torch.equal(sample.pred_sem_seg.data[0], (refined[1] > 0.95).byte())
    assert not torch.equal(refined[1] > 0.95, refined[1] > 0.5)


@torch.no_grad()
def test_validation_losses_are_the_network_s(small, draw):
    images, labels = torch.randn(1, 3, *SIZE), draw.labels(1, 1, *SIZE, 4)
    scores = []
    for crf in (CRF, None):
        model = small(dict(crf=crf))
        samples, losses = model.predict_with_losses(images, [kept(draw.sample(*SIZE, labels))])
        scores.append((samples[0].pred_sem_seg.data, losses['decode.loss_ce']))
    assert not torch.equal(scores[0][0], scores[1][0]) and torch.equal(scores[0][1], scores[1][1])


def test_the_photo_is_never_guessed(small, draw):
    model = small()
    with pytest.raises(ConfigError, match="(?s)the sample of a.jpg has none.*dict\\(type='KeepPhoto'\\)"):
        model.test_step(dict(inputs=[draw.image(1, 48, 64)],
                             data_samples=[draw.sample(48, 64, ori_shape=SIZE, img_path='a.jpg')]))
    with pytest.raises(ConfigError, match='the sample of an image has none'):
        model.predict(torch.randn(1, 3, 48, 64))
    resized = kept(draw.sample(48, 64, ori_shape=SIZE, img_path='a.jpg'), draw.image(1, 48, 64))
    with pytest.raises(DataError, match=r'(?s)a.jpg: the photo that was kept is \(48, 64\).*the prediction \(37, 50\)'):
        model.test_step(dict(inputs=[draw.image(1, 48, 64)], data_samples=[resized]))


@pytest.mark.parametrize('crf, message', [
    (True, "model.test_cfg.crf: expected dict\\(type='DenseCRF'\\).* got True"),
    (dict(type='DensCRF'), "(?s)'DensCRF' is not a registered post-processing step.*Nearest: DenseCRF"),
    (dict(type='FCNHead'), "'FCNHead' is a decode head, and a post-processing step is expected"),
    (dict(type='DenseCRF', bi_xy=67), 'bi_xy'),
])
def test_configs_that_cannot_be(small, crf, message):
    with pytest.raises(ConfigError, match=message):
        small(dict(crf=crf))
