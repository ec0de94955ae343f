"""tools/model_converters/deeplabv3_mobilenet_v2.py: every key used, the same scores, the figures on real photos."""
import csv
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segkit.apis.inference import init_model
from segkit.apis.test import main as run_test
from segkit.checkpoint import load_file
from segkit.errors import CheckpointError

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/model_converters/deeplabv3_mobilenet_v2.py'
CONFIG = ROOT / 'configs/mobilenet_v2/mobilenet-v2-d8_deeplabv3-pool_1xb16-30k_voc12-513x513.py'
# Output channels, expansion, stride, dilation of features.1 to .17: MobileNetV2, table 2, at output stride 8.
BLOCKS = ((16, 1, 1, 1), (24, 6, 2, 1), (24, 6, 1, 1), (32, 6, 2, 1), (32, 6, 1, 1), (32, 6, 1, 1), (64, 6, 1, 1),
          (64, 6, 1, 2), (64, 6, 1, 2), (64, 6, 1, 2), (96, 6, 1, 2), (96, 6, 1, 2), (96, 6, 1, 2), (160, 6, 1, 2),
          (160, 6, 1, 4), (160, 6, 1, 4), (320, 6, 1, 4))


def random_weights() -> dict[str, torch.Tensor]:
    """A file in the source's layout, with batch norms that do not only scale and shift."""
    draw = torch.Generator().manual_seed(0)
    weights: dict[str, torch.Tensor] = {}

    def conv(name, out, into, size):
        weights[f'{name}.weight'] = torch.randn(out, into, size, size, generator=draw) / (into * size * size) ** 0.5

    def norm(name, width):
        weights[f'{name}.weight'] = torch.rand(width, generator=draw) + 0.8
        weights[f'{name}.bias'] = torch.randn(width, generator=draw) * 0.1
        weights[f'{name}.running_mean'] = torch.randn(width, generator=draw) * 0.1
        weights[f'{name}.running_var'] = torch.rand(width, generator=draw) + 0.5
        weights[f'{name}.num_batches_tracked'] = torch.tensor(0)

    conv('backbone.features.0.0', 32, 3, 3)
    norm('backbone.features.0.1', 32)
    width = 32
    for i, (out, expansion, _, _) in enumerate(BLOCKS, start=1):
        place, wide, last = f'backbone.features.{i}.conv', width * expansion, 1 if expansion == 1 else 2
        if expansion != 1:
            conv(f'{place}.0.0', wide, width, 1)
            norm(f'{place}.0.1', wide)
        conv(f'{place}.{last - 1}.0', wide, 1, 3)
        norm(f'{place}.{last - 1}.1', wide)
        conv(f'{place}.{last}', out, wide, 1)
        norm(f'{place}.{last + 1}', out)
        width = out
    for name, out, into in (('aspp0', 256, 320), ('image_pooling', 256, 320), ('concat_projection', 256, 512)):
        conv(f'head.{name}.0', out, into, 1)
        norm(f'head.{name}.1', out)
    conv('head.logits', 21, 256, 1)
    weights['head.logits.bias'] = torch.randn(21, generator=draw)
    return weights


def plain_scores(weights: dict[str, torch.Tensor], photo: np.ndarray) -> torch.Tensor:
    """The network as the weights' description says, in functions alone: BGR photo (h, w, 3) to (1, 21, h, w)."""
    def norm(x, name):
        w, b, mean, var = (weights[f'{name}.{key}'] for key in ('weight', 'bias', 'running_mean', 'running_var'))
        return F.batch_norm(x, mean, var, w, b, eps=1e-5)

    def conv(x, name, **kwargs):
        return F.conv2d(x, weights[f'{name}.weight'], weights.get(f'{name}.bias'), **kwargs)

    height, width = photo.shape[:2]
    rgb = torch.from_numpy(photo[..., ::-1].copy()).permute(2, 0, 1)[None].float()
    x = F.pad(rgb, (0, 513 - width, 0, 513 - height), value=127.5) / 127.5 - 1
    x = F.relu6(norm(conv(x, 'backbone.features.0.0', stride=2, padding=1), 'backbone.features.0.1'))
    for i, (_, expansion, stride, rate) in enumerate(BLOCKS, start=1):
        place, before = f'backbone.features.{i}.conv', x
        if expansion != 1:
            x = F.relu6(norm(conv(x, f'{place}.0.0'), f'{place}.0.1'))
        last = 1 if expansion == 1 else 2
        x = conv(x, f'{place}.{last - 1}.0', stride=stride, padding=rate, dilation=rate, groups=x.shape[1])
        x = F.relu6(norm(x, f'{place}.{last - 1}.1'))
        x = norm(conv(x, f'{place}.{last}'), f'{place}.{last + 1}')
        # features.7 and .14 would halve the map at stride 32; they have no shortcut, their widths differ anyway.
        x = x + before if stride == 1 and x.shape[1] == before.shape[1] else x
    pooled = F.relu(norm(conv(x.mean((2, 3), keepdim=True), 'head.image_pooling.0'), 'head.image_pooling.1'))
    branch = F.relu(norm(conv(x, 'head.aspp0.0'), 'head.aspp0.1'))
    x = torch.cat([pooled.expand_as(branch), branch], dim=1)
    x = F.relu(norm(conv(x, 'head.concat_projection.0'), 'head.concat_projection.1'))
    x = F.interpolate(conv(x, 'head.logits'), (513, 513), mode='bilinear', align_corners=True)
    return x[..., :height, :width]


def convert(source: Path, target: Path) -> None:
    runpy.run_path(str(TOOL))['main']([str(source), str(target)])


def scores_of(model, photo: np.ndarray) -> torch.Tensor:
    data = model.data_preprocessor(dict(inputs=[torch.from_numpy(photo).permute(2, 0, 1)]))
    with torch.no_grad():
        return model.predict_logits(**{key: data[key] for key in ('inputs', 'data_samples')})[0][None]


@pytest.fixture(scope='module')
def random_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('mnv2') / 'random.pth'
    torch.save(random_weights(), path)
    return path


@pytest.fixture(scope='module')
def ours(random_file) -> Path:
    convert(random_file, random_file.with_name('ours.pth'))
    return random_file.with_name('ours.pth')


def test_scores_are_those_of_the_description(random_file, ours):
    photo = np.random.RandomState(0).randint(0, 256, (131, 203, 3), dtype=np.uint8)
    model = init_model(None, str(ours), 'cpu')  # the checkpoint alone: its config is in it
    expected = plain_scores(load_file(random_file), photo)
    got = scores_of(model, photo)
    assert got.shape == expected.shape == (1, 21, 131, 203)
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_checkpoint_carries_what_others_carry(ours):
    meta = load_file(ours)['meta']
    assert meta['dataset_meta']['classes'][15] == 'person' and meta['dataset_meta']['palette'][15] == [192, 128, 128]
    assert json.loads(meta['config_json'])['model']['decode_head']['pool_first'] is True
    assert meta['preprocessing']['mean'] == meta['preprocessing']['std'] == [127.5] * 3


def test_what_became_of_each_key_is_said(random_file, tmp_path, capsys):
    convert(random_file, tmp_path / 'again.pth')
    said = capsys.readouterr().out
    assert len([line for line in said.splitlines() if line.startswith(('backbone.', 'head.'))]) == 109
    assert 'head.logits                        decode_head.conv_seg                     21x256x1x1, 21' in said
    assert '326 tensors, each key of' in said and 'folded' not in said


def test_modules_are_mapped_one_to_one():
    names = runpy.run_path(str(TOOL))['module_map']()
    assert len(names) == len(set(names.values())) == 109


@pytest.mark.parametrize('change, words', [
    (lambda w: w.update({'backbone.features.18.0.weight': torch.zeros(1)}), 'backbone.features.18.0.weight'),
    (lambda w: w.pop('head.logits.bias'), '1 missing: decode_head.conv_seg.bias'),
    (lambda w: w.update({'head.aspp0.0.weight': torch.zeros(256, 320, 3, 3)}), '256x320x3x3'),
])
def test_other_files_are_refused(random_file, tmp_path, change, words):
    weights = load_file(random_file)
    change(weights)
    torch.save(weights, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError) as error:
        convert(tmp_path / 'other.pth', tmp_path / 'ours.pth')
    assert words in str(error.value) and len(str(error.value).splitlines()) <= 4
    assert not (tmp_path / 'ours.pth').exists()


@pytest.mark.slow
def test_the_real_weights_on_16_photos(data_pack, tmp_path, capsys):
    """Counts of 2,693,198 pixels, as they were when an independent evaluation agreed on 160 photos (83.6, 96.8 %).

    Another set of convolution kernels (without oneDNN) moved none of them.
    """
    source, target = data_pack / 'weights/deeplabv3_mnv2_pascal_trainval.pth', tmp_path / 'mnv2.pth'
    convert(source, target)
    assert 'batch norms are folded' in capsys.readouterr().out
    run_test([str(CONFIG), str(target), '--work-dir', str(tmp_path), '--cfg-options',
              f'data_root={data_pack}/VOC2012', 'test_dataloader.dataset.indices=16',
              'test_dataloader.dataset.ann_file=ImageSets/Segmentation/val_2007.txt',
              'test_dataloader.num_workers=0'])
    with open(tmp_path / 'test/confusion_matrix.csv', newline='') as file:
        rows = [row[1:] for row in csv.reader(file)][1:]
    counts = np.array(rows, dtype=np.int64)
    expected = np.array(json.loads((ROOT / 'tests/data/mnv2_voc_16_photos.json').read_text()))
    assert (counts.sum(axis=1) == expected.sum(axis=1)).all()  # labelled pixels of each class
    assert np.abs(counts - expected).sum() <= 2 * 50
    scores = json.loads((tmp_path / 'test/metrics.json').read_text())
    assert scores['mIoU'] == pytest.approx(74.72, abs=0.1) and scores['aAcc'] == pytest.approx(96.81, abs=0.01)
