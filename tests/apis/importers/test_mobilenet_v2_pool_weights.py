"""import_weights.py mobilenet-v2-pool: every key used, the same scores, the figures on real photos."""
import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / 'tools/benchmarks'))
from importer_cases import mobilenet  # noqa: E402

from segkit.apis.import_weights import main as import_weights  # noqa: E402
from segkit.apis.inference import init_model  # noqa: E402
from segkit.apis.test import main as run_test  # noqa: E402
from segkit.checkpoint import load_file  # noqa: E402
from segkit.errors import CheckpointError  # noqa: E402

CONFIG = ROOT / 'configs/mobilenet_v2/mobilenet-v2-d8_deeplabv3-pool_1xb16-30k_voc12-513x513.py'


def plain_scores(weights: dict[str, torch.Tensor], photo: np.ndarray) -> torch.Tensor:
    """The network as the weights' description says, in functions alone: BGR photo (h, w, 3) to (1, 21, h, w)."""
    height, width = photo.shape[:2]
    rgb = torch.from_numpy(photo[..., ::-1].copy()).permute(2, 0, 1)[None].float()
    image = F.pad(rgb, (0, 513 - width, 0, 513 - height), value=127.5) / 127.5 - 1
    return mobilenet.reference(weights)(image)['decode_head'][..., :height, :width]


def convert(source: Path, target: Path) -> None:
    import_weights(['mobilenet-v2-pool', str(source), str(target)])


def scores_of(model, photo: np.ndarray) -> torch.Tensor:
    data = model.data_preprocessor(dict(inputs=[torch.from_numpy(photo).permute(2, 0, 1)]))
    with torch.no_grad():
        return model.predict_logits(**{key: data[key] for key in ('inputs', 'data_samples')})[0][None]


@pytest.fixture(scope='module')
def random_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('mnv2') / 'random.pth'
    mobilenet.write(path)
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


def test_what_became_of_the_keys_is_said(random_file, tmp_path, capsys):
    convert(random_file, tmp_path / 'again.pth')
    said = capsys.readouterr().out
    assert 'head.logits.*                      decode_head.conv_seg.*                  2 tensors, 5,397 numbers' in said
    assert '326 tensors, each key of' in said and 'folded' not in said


@pytest.mark.parametrize('change, words', [
    (lambda w: w.update({'backbone.features.18.0.weight': torch.zeros(1)}), 'backbone.features.18.0.weight'),
    (lambda w: w.pop('head.logits.bias'), '1 of ours are not in it: decode_head.conv_seg.bias'),
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
    assert 'keep them frozen if they were folded' in capsys.readouterr().out
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
