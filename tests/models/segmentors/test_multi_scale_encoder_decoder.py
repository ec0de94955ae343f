"""MSC against the same numbers computed step by step in plain torch and NumPy."""
import math
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from segkit.engine import AmpOptimWrapper
from segkit.errors import ConfigError
from segkit.models.decode_heads import DeepLabV2Head
from segkit.registry import DECODE_HEADS, MODELS

PORTS = dict(
    pytorch=dict(scale_labels='corner-aligned', max_labels='full', align_corners=True),
    caffe=dict(scale_labels='corner-aligned', max_labels='corner-aligned', align_corners=True, size_rule='floor+1'),
    kazuto=dict(scale_labels='nearest-exact', max_labels='nearest-exact', align_corners=False),
    full=dict(scale_labels='full', max_labels='full', align_corners=False),
    nearest=dict(scale_labels='nearest', max_labels='full', align_corners=True, scales=(0.5,)),
)


def small(classes: int = 5, **more) -> dict:
    """A small network; nothing is drawn in it."""
    return dict(dict(
        type='MultiScaleEncoderDecoder', num_classes=classes, norm_cfg=dict(type='SyncBN'), align_corners=True,
        backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=4, output_stride=8),
        decode_head=dict(type='DeepLabV2Head', dilations=(1, 3),
                         loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True))), **more)


def batch(classes: int = 5, n: int = 2, height: int = 65, width: int = 49) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.RandomState(3)
    labels = rng.randint(0, classes, (n, height, width))
    labels[rng.rand(n, height, width) < 0.3] = 255
    return (torch.from_numpy(rng.standard_normal((n, 3, height, width)).astype(np.float32)),
            torch.from_numpy(labels.astype(np.int64)))


def pixels(n: int, m: int, flavour: str) -> list[int]:
    """The definitions, in whole numbers."""
    if flavour == 'corner-aligned':
        return [(2 * i * (n - 1) + m - 1) // (2 * (m - 1)) for i in range(m)]
    return [(2 * i + 1) * n // (2 * m) if flavour == 'nearest-exact' else i * n // m for i in range(m)]


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, how: str, align_corners: bool) -> float:
    """The mean over valid pixels in float64 NumPy."""
    height, width = labels.shape[1:]
    if how == 'full':
        logits = F.interpolate(logits, size=(height, width), mode='bilinear', align_corners=align_corners)
        target = labels.numpy()
    else:
        rows, columns = pixels(height, logits.shape[2], how), pixels(width, logits.shape[3], how)
        target = labels.numpy()[:, rows][:, :, columns]
    scores = logits.detach().double().numpy().transpose(0, 2, 3, 1)
    scores = scores - scores.max(-1, keepdims=True)
    log_probability = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    valid = target != 255
    assert 0 < valid.sum() < valid.size
    return -log_probability[valid, target[valid]].mean()


def by_hand(model: nn.Module, images: torch.Tensor, scales, extra: int, align_corners: bool) -> list[torch.Tensor]:
    """Scores of each size, and their maximum at the size of the first."""
    def net(x):
        return model.decode_head(model.backbone(x))

    height, width = images.shape[-2:]
    found = [net(images)] + [
        net(F.interpolate(images, size=(int(height * s) + extra, int(width * s) + extra), mode='bilinear',
                          align_corners=align_corners)) for s in scales]
    same = [F.interpolate(logits, size=found[0].shape[-2:], mode='bilinear', align_corners=align_corners)
            for logits in found[1:]]
    return [*found, torch.stack([found[0], *same]).max(0)[0]]


@pytest.mark.parametrize('port', PORTS)
def test_four_losses(port):
    cfg = small(**PORTS[port])
    scales, align_corners = cfg.get('scales', (0.75, 0.5)), cfg['align_corners']
    torch.manual_seed(0)
    model = MODELS.build(cfg).eval()
    for parameter in model.decode_head.parameters():
        nn.init.normal_(parameter, std=0.3)
    images, labels = batch()
    losses = model.loss(images, labels=labels)
    names = ['decode_x1', *(f'decode_x{scale}' for scale in scales), 'decode']
    assert set(losses) == {f'{name}.loss_ce' for name in names} | {'decode.acc_seg'}
    extra = int(cfg.get('size_rule') == 'floor+1')
    scores = by_hand(model, images, scales, extra, align_corners)
    wanted = {}
    for name, logits in zip(names, scores):
        how = cfg['max_labels'] if name == 'decode' else cfg['scale_labels']
        wanted[name] = cross_entropy(logits, labels, how, align_corners)
        assert losses[f'{name}.loss_ce'].item() == pytest.approx(wanted[name], rel=1e-5), name
    assert len({round(value, 6) for value in wanted.values()}) == len(names)
    total, shown = model.parse_losses(losses)
    assert total.item() == pytest.approx(sum(wanted.values()), rel=1e-5) and list(shown)[0] == 'loss'
    model.log_accuracy = False
    assert 'decode.acc_seg' not in model.loss(images, labels=labels)


def test_gradients_are_those_of_the_sum():
    torch.manual_seed(0)
    model = MODELS.build(small(**PORTS['pytorch'])).eval().double()
    images, labels = batch()
    images = images.double()
    sum(value for name, value in model.loss(images, labels=labels).items() if 'loss' in name).backward()
    ours = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    *scores, fused = by_hand(model, images, (0.75, 0.5), 0, True)
    total = F.cross_entropy(F.interpolate(fused, size=labels.shape[1:], mode='bilinear', align_corners=True), labels,
                            ignore_index=255)
    for logits in scores:
        rows, columns = (pixels(n, m, 'corner-aligned') for n, m in zip(labels.shape[1:], logits.shape[2:]))
        total = total + F.cross_entropy(logits, labels[:, rows][:, :, columns], ignore_index=255)
    total.backward()
    for (name, parameter), grad in zip(model.named_parameters(), ours):
        assert grad.any(), name
        torch.testing.assert_close(grad, parameter.grad, msg=name)


def test_scores_of_zero_give_four_times_the_logarithm_of_21():
    model = MODELS.build(small(21))
    for parameter in model.decode_head.parameters():
        nn.init.zeros_(parameter)
    images, labels = batch(21)
    total, _ = model.parse_losses(model.loss(images, labels=labels))
    assert total.item() == pytest.approx(4 * math.log(21), rel=1e-6) == pytest.approx(12.1780898, abs=1e-6)


def test_weights_are_those_of_one_network():
    with torch.device('meta'):
        several, one = MODELS.build(small()), MODELS.build(small(type='EncoderDecoder'))
    assert several.state_dict().keys() == one.state_dict().keys()


def test_auxiliary_heads_learn_alike():
    model = MODELS.build(small(auxiliary_head=dict(
        type='FCNHead', in_index=2, channels=4, num_convs=1, concat_input=False, dropout_ratio=0.0)))
    losses = model.loss(*batch()[:1], labels=batch()[1])
    assert [name for name in losses if 'loss' in name] == [
        f'{head}{size}.loss_ce' for head in ('decode', 'aux') for size in ('', '_x1', '_x0.75', '_x0.5')]


@torch.no_grad()
def test_prediction_is_the_maximum_at_the_photos_size(draw):
    """The scales are of the padded input; the padding is cut off behind the fusion."""
    torch.manual_seed(0)
    model = MODELS.build(small(
        test_cfg=dict(keep_logits=True),
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[104.] * 3, std=[50.] * 3,
                               test_cfg=dict(size=(65, 73))))).eval()
    photo, sample = draw.image(1, 40, 57), draw.sample(40, 57)
    found, = model.test_step(dict(inputs=[photo], data_samples=[sample]))
    images = torch.zeros(1, 3, 65, 73)
    images[..., :40, :57] = (photo.float() - 104) / 50
    fused = by_hand(model, images, (0.75, 0.5), 0, True)[-1]
    wanted = F.interpolate(fused, size=(65, 73), mode='bilinear', align_corners=True)[0, :, :40, :57]
    torch.testing.assert_close(found.seg_logits.data, wanted)
    assert torch.equal(found.pred_sem_seg.data[0], wanted.argmax(0).byte())
    torch.testing.assert_close(model(images), fused)


@torch.no_grad()
def test_windows_and_views(draw):
    """Each window is fused on its own; each view of test-time augmentation too."""
    torch.manual_seed(0)
    windows = dict(mode='slide', crop_size=(33, 41), stride=(16, 41), keep_logits=True)
    model = MODELS.build(small(test_cfg=windows)).eval()
    images = batch()[0][:1, :, :49, :41]
    total, count = torch.zeros(1, 5, 49, 41), torch.zeros(49, 1)
    for top in (0, 16):
        fused = by_hand(model, images[..., top:top + 33, :], (0.75, 0.5), 0, True)[-1]
        total[..., top:top + 33, :] += F.interpolate(fused, size=(33, 41), mode='bilinear', align_corners=True)
        count[top:top + 33] += 1
    torch.testing.assert_close(model.predict_logits(images)[0], (total / count)[0])
    model.test_cfg['mode'] = 'whole'
    tta = MODELS.build(dict(type='SegTTAModel', module=model, fusion='prob'))
    views = [images, images.flip(-1)]
    samples = [[draw.sample(49, 41)], [draw.sample(49, 41, flip=True, flip_direction='horizontal')]]
    sample, = tta.merge_preds(dict(inputs=x, data_samples=s) for x, s in zip(views, samples))
    straight, mirrored = (F.interpolate(by_hand(model, x, (0.75, 0.5), 0, True)[-1], size=(49, 41), mode='bilinear',
                                        align_corners=True)[0].softmax(0) for x in views)
    torch.testing.assert_close(sample.seg_logits.data, (straight + mirrored.flip(-1)) / 2)


@torch.no_grad()
def test_validation_losses_are_the_maximums(draw):
    torch.manual_seed(0)
    model = MODELS.build(small()).eval()
    images, labels = batch(n=1)
    samples, losses = model.predict_with_losses(images, [draw.sample(65, 49, labels)])
    assert losses.keys() == {'decode.loss_ce'} and samples[0].pred_sem_seg.data.shape == (1, 65, 49)
    torch.testing.assert_close(losses['decode.loss_ce'][0], model.loss(images, labels=labels)['decode.loss_ce'])


def test_half_precision():
    torch.manual_seed(0)
    model = MODELS.build(small())
    images, labels = batch()
    optim = AmpOptimWrapper(dtype='bfloat16', optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    with optim.optim_context(model):
        losses = model.loss(images, labels=labels)
    single = model.loss(images, labels=labels)
    for name in ('decode', 'decode_x1', 'decode_x0.75', 'decode_x0.5'):
        assert losses[f'{name}.loss_ce'].dtype == torch.float32
        assert losses[f'{name}.loss_ce'].item() == pytest.approx(single[f'{name}.loss_ce'].item(), rel=0.02)
    optim.update_params(model.parse_losses(losses)[0])
    assert all(p.isfinite().all() for p in model.parameters())


@DECODE_HEADS.register_module(force=True)
class OwnLossHead(DeepLabV2Head):
    def loss(self, feats, labels):
        return {'loss_own': self(feats).mean()}


@DECODE_HEADS.register_module(force=True)
class OwnScoreLossHead(DeepLabV2Head):
    def loss_of_logits(self, logits, labels):
        return {'loss_own': logits.mean()}


@pytest.mark.parametrize('more, message', [
    (dict(scales=()), r'model.scales: expected different .* got \(\)'),
    (dict(scales=(0.5, 0.5)), 'model.scales'),
    (dict(scales=(1.0, 0.5)), 'model.scales'),
    (dict(scales=(0.5, -1.0)), 'model.scales'),
    (dict(scales=(float('nan'),)), r'model.scales: .* got \(nan,\)'),
    (dict(scales=(0.5, float('inf'))), 'model.scales'),
    (dict(size_rule='ceil'), "model.size_rule must be 'floor' or"),
    (dict(scale_labels='bilinear'), "model.scale_labels must be 'full', 'corner-aligned'.* got 'bilinear'"),
    (dict(max_labels='size'), 'model.max_labels must be'),
    (dict(decode_head=dict(type='OwnLossHead')), '(?s)OwnLossHead has a loss.*Write loss_of_logits'),
])
def test_what_cannot_be(more, message):
    with torch.device('meta'), pytest.raises(ConfigError, match=message):
        MODELS.build(small(**more))


def test_a_copy_without_a_pixel():
    images, labels = batch()
    model = MODELS.build(small(scales=(0.5, 0.001))).eval()
    with pytest.raises(ConfigError, match='model.scales: at 0.001 the copy of an image of 65x49 pixels would have 0x0'):
        model.loss(images, labels=labels)
    assert MODELS.build(small(scales=(0.001,), size_rule='floor+1')).eval()(images).shape[0] == len(images)


def test_a_loss_of_scores_is_used_for_the_maximum():
    model = MODELS.build(small(decode_head=dict(type='OwnScoreLossHead')))
    assert 'decode.loss_own' in model.loss(batch()[0], labels=batch()[1])


def step(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> dict:
    """A training step; batch statistics are taken at each size."""
    losses = model(images, labels=labels, mode='loss')
    bare = getattr(model, 'module', model)
    bare.parse_losses(losses)[0].backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return dict(losses={k: v.item() for k, v in losses.items() if 'loss' in k}, weights=bare.state_dict())


def built() -> nn.Module:
    torch.manual_seed(0)
    return MODELS.build(small(type='segkit.MultiScaleEncoderDecoder')).double()


def run_process(rank: int, port: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=2)
    images, labels = batch(n=4)
    labels[:2, 10:] = 255  # void is spread unevenly
    mine = slice(2 * rank, 2 * rank + 2)
    torch.save(step(DistributedDataParallel(built()), images.double()[mine], labels[mine]), folder / f'{rank}.pth')
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(in_processes, tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    in_processes(run_process, port, tmp_path)
    first, second = (torch.load(tmp_path / f'{rank}.pth') for rank in range(2))
    images, labels = batch(n=4)
    labels[:2, 10:] = 255
    whole = step(built(), images.double(), labels)
    for name, value in whole['losses'].items():
        assert (first['losses'][name] + second['losses'][name]) / 2 == pytest.approx(value, rel=1e-6), name
    for key, value in whole['weights'].items():
        assert torch.equal(first['weights'][key], second['weights'][key])
        torch.testing.assert_close(first['weights'][key], value, rtol=1e-6, atol=1e-9, msg=key)
