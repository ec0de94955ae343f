from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.apis import browse_dataset
from segkit.config import load_config
from segkit.datasets.scenes import generate
from segkit.engine.data_loading import build_data_loader
from segkit.errors import ConfigError
from segkit.registry import MODELS

CONFIG = sorted(Path(__file__).parents[2].joinpath('configs/demo').glob('deeplabv3_*.py'))[0]


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'scenes'
    generate(str(root), 6, 3)
    return root


@pytest.mark.parametrize('split, number, pages', [('train', 18, 2), ('val', 18, 1), ('val', 2, 1)])
def test_pages_are_written(scenes, tmp_path, capsys, split, number, pages):
    browse_dataset.main([str(CONFIG), '--split', split, '--number', str(number), '--output-dir', str(tmp_path / 'out'),
                         '--not-show', '--cfg-options', f'data_root={scenes}'])
    files = sorted((tmp_path / 'out').iterdir())
    assert [file.name for file in files] == [f'{split}_{k:03d}.jpg' for k in range(1, pages + 1)]
    assert str(files[-1]) in capsys.readouterr().out
    assert cv2.imread(str(files[0])).size > 100_000


def test_colors_are_those_of_the_file_and_labels_lie_over_them(scenes):
    cfg = load_config(CONFIG, [f'data_root={scenes}'], say=lambda line: None)
    for swap in (True, False):
        cfg.model.data_preprocessor.bgr_to_rgb = swap
        loader = build_data_loader({**cfg.val_dataloader, 'num_workers': 0}, 0, False)
        samples = browse_dataset._samples(loader, MODELS.build(cfg.model.data_preprocessor), False)
        for k, (image, label) in enumerate(samples):
            name = f'scene_{6 + k:05d}'
            expected = cv2.imread(str(scenes / f'JPEGImages/{name}.jpg'))[..., ::-1]
            np.testing.assert_array_equal(image, expected)
            np.testing.assert_array_equal(label, np.array(Image.open(scenes / f'SegmentationClass/{name}.png')))
        assert k == 2


def padded_samples(scenes, *resize):
    """The photo and the samples of a validation that pads to 200x210."""
    cfg = load_config(CONFIG, [f'data_root={scenes}'], say=lambda line: None)
    cfg.model.data_preprocessor.test_cfg = dict(size=(200, 210))
    cfg.val_dataloader.dataset.pipeline[1:1] = resize
    assert [step['type'] for step in cfg.val_dataloader.dataset.pipeline][-2:] == ['LoadAnnotations', 'PackSegInputs']
    loader = build_data_loader({**cfg.val_dataloader, 'num_workers': 0}, 0, False)
    return list(browse_dataset._samples(loader, MODELS.build(cfg.model.data_preprocessor), False))


def test_labels_lie_where_the_photo_lies_in_the_padding(scenes):
    samples = padded_samples(scenes)
    assert len(samples) == 3
    for k, (image, label) in enumerate(samples):
        name = f'scene_{6 + k:05d}'
        photo = cv2.imread(str(scenes / f'JPEGImages/{name}.jpg'))[..., ::-1]
        h, w = photo.shape[:2]
        assert image.shape == (200, 210, 3) and label.shape == (200, 210) and h < 200 and w < 210
        np.testing.assert_array_equal(image[:h, :w], photo)
        np.testing.assert_array_equal(label[:h, :w], np.array(Image.open(scenes / f'SegmentationClass/{name}.png')))
        assert (label[h:] == 255).all() and (label[:, w:] == 255).all()


def test_labels_follow_a_photo_that_is_resized_before_it_is_padded(scenes):
    samples = padded_samples(scenes, dict(type='Resize', scale=(80, 70), keep_ratio=False))
    for k, (image, label) in enumerate(samples):
        true = Image.open(scenes / f'SegmentationClass/scene_{6 + k:05d}.png')
        expected = np.array(true.resize((80, 70), Image.Resampling.NEAREST))
        assert image.shape == (200, 210, 3) and label.shape == (200, 210) and len(np.unique(expected)) > 1
        assert (label[:70, :80] == expected).mean() > 0.99  # a pixel between two may go to either
        assert (label[70:] == 255).all() and (label[:, 80:] == 255).all()


def test_samples_without_labels_are_shown_plain(scenes, tmp_path):
    cfg = load_config(CONFIG, [f'data_root={scenes}'], say=lambda line: None)
    steps = cfg.val_dataloader.dataset.pipeline
    cfg.val_dataloader.dataset.pipeline = [step for step in steps if step['type'] != 'LoadAnnotations']
    assert [page.name for page in browse_dataset.write_pages(cfg, 'val', 2, tmp_path)] == ['val_001.jpg']


@pytest.mark.parametrize('options, word', [
    (['--number', '0'], '--number'), (['--split', 'val', '--cfg-options', 'val_dataloader=None'], 'val_dataloader')])
def test_mistakes(scenes, tmp_path, options, word):
    with pytest.raises(ConfigError, match=word):
        browse_dataset.main([str(CONFIG), '--output-dir', str(tmp_path / 'out'), *options])
    assert not (tmp_path / 'out').exists()
