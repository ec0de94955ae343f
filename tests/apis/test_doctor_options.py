"""What the doctor prints to paste, pasted: each line loads, and the data that it was printed for are read as meant."""
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.apis.doctor import examine
from segkit.apis.doctor_options import as_typed, of_datasets, of_losses
from segkit.config import load_config
from segkit.config.overrides import parse

ROOT = Path(__file__).parents[2]
OWN = """
_base_ = ['{root}/configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py']
model = dict(num_classes={number})
{split}_dataloader = dict(dataset=dict(
    _delete_=True, type='FolderDataset', data_root='{data}', metainfo=dict(classes={classes}),
    pipeline=_base_.{split}_dataloader.dataset.pipeline))
"""


def pasted(examined):
    """The lines to paste as a shell reads them, comments off; each is options for one command."""
    block = next(block for block in examined.text.split('\n\n') if block.startswith('To paste'))
    lines = [shlex.split(line, comments=True) for line in block.splitlines()[1:]]
    lines = [line for line in lines if line]
    assert all(line[0] == '--cfg-options' for line in lines)
    return [line[1:] for line in lines]


def loaded(config, options):
    """The config with them, each seen to be there."""
    cfg = load_config(str(config), options, say=lambda line: None)
    for key, value in parse(options).items():
        if key != 'crop_size':
            node = cfg
            for step in key.split('.'):
                node = node[int(step)] if step.isdigit() else node[step]
            assert node == value, key
    return cfg


def test_what_is_printed_for_a_config_loads_and_cures_it(tiny_config):
    for path in (tiny_config.parent / 'data/SegmentationClass').iterdir():
        labels = np.array(Image.open(path))
        labels[labels > 0] = 255
        Image.fromarray(labels).save(path)
    examined = examine(str(tiny_config), workers=1)
    lines = pasted(examined)
    assert lines == [one['options'] for one in examined.values['advice']]
    assert lines[0] == [f'{split}_dataloader.dataset.label_map={{255: 1}}' for split in ('train', 'val', 'test')]
    for options in lines:
        loaded(tiny_config, options)
    cured = examine(str(tiny_config), lines[0], workers=1)
    assert cured.values['counts']['error'] == 0
    lines = pasted(cured)
    assert len(lines) == 3
    losses = [loaded(tiny_config, options).model.decode_head.loss_decode for options in lines]
    assert losses[0] == dict(type='CrossEntropyLoss', class_weight='median_freq')
    assert [loss.class_weight for loss in losses[1:]] == [
        [one['weights'][word] for one in cured.values['classes']] for word in ('median_freq', 'inverse')]


def test_what_is_printed_for_a_folder_loads_in_a_config_that_reads_it(tmp_path):
    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
    for i in range(40):
        Image.new('RGB', (100, 70), (5 * i,) * 3).save(tmp_path / f'images/{i}.jpg')
        Image.fromarray(np.full((70, 100), i % 2, np.uint8)).save(tmp_path / f'masks/{i}.png')
    (tmp_path / 'images/7.jpg').write_bytes(b'')
    Image.fromarray(np.full((70, 100), 9, np.uint8)).save(tmp_path / 'masks/8.png')
    lines = pasted(examine(str(tmp_path), num_classes=2, workers=1))
    config = tmp_path / 'own.py'
    config.write_text(OWN.format(root=ROOT, number=2, split='train', data=tmp_path, classes=['0', '1']))
    dataset = 'train_dataloader.dataset'
    assert lines[:2] == [[f'{dataset}.label_map={{9: 255}}'],
                         [f"{dataset}.bad_samples={{'policy': 'skip', 'limit': 2}}"]]
    for options in lines:
        cfg = loaded(config, options)
    assert lines[-1] == ['crop_size=(64, 64)'] and cfg.train_dataloader.dataset.pipeline[3].crop_size == (64, 64)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_masks_and_photos_are_read_where_a_folders_advice_says(tmp_path, split):
    for folder in ('images', 'masks'):
        (tmp_path / folder / split).mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in range(4):
        Image.new('RGB', (100, 70), (5 * i,) * 3).save(tmp_path / f'images/{split}/{i}.jpg', exif=exif)
        Image.fromarray(np.tile(np.uint8([[[0] * 3], [[1] * 3]]), (35, 100, 1))).save(
            tmp_path / f'masks/{split}/{i}.png')
    lines = pasted(examine(str(tmp_path), num_classes=2, workers=1))
    config = tmp_path / 'own.py'
    config.write_text(OWN.format(root=ROOT, number=2, split=split, data=tmp_path, classes=['0', '1']))
    pipeline = loaded(config, [*lines[0], *lines[1]])[f'{split}_dataloader'].dataset.pipeline
    steps = {step['type']: step for step in pipeline}
    assert steps['LoadAnnotations'].color_map == {(0, 0, 0): 0, (1, 1, 1): 1}
    assert steps['LoadImageFromFile'].color_type == 'color_ignore_orientation'


def test_datasets_in_wrappers_and_several_losses():
    part = dict(type='FolderDataset', label_map={3: 0})
    cfg = dict(train_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[
                   dict(type='FolderDataset'), dict(type='RepeatDataset', times=2, dataset=part)])),
               val_dataloader=dict(dataset=part), test_dataloader=dict(dataset=part),
               model=dict(decode_head=dict(type='ASPPHead', loss_decode=[
                   dict(type='CrossEntropyLoss'), dict(type='LovaszLoss')])))
    assert of_datasets(cfg, 'label_map', {9: 255}, ['train']) == (
        'train_dataloader.dataset.datasets.0.label_map={9: 255}',
        'train_dataloader.dataset.datasets.1.dataset.label_map={3: 0, 9: 255}')
    assert of_datasets(cfg, 'reduce_zero_label', True, ['val']) == (
        'val_dataloader.dataset.reduce_zero_label=True', 'test_dataloader.dataset.reduce_zero_label=True')
    assert of_losses(cfg, 'class_weight', 'inverse')[0] == 'model.decode_head.loss_decode.0.class_weight=inverse'
    words = ["a={'b': 'c d'}", 'e=$HOME', "f='\"!"]
    assert shlex.split(as_typed(words)) == ['--cfg-options', *words]


@pytest.mark.parametrize('as_config', [True, False])
def test_colours_that_are_nobodys_are_asked_for_and_not_thrown_away(tiny_config, as_config):
    folder = tiny_config.parent / 'data/SegmentationClass'
    palette = np.full((256, 3), 255, np.uint8)
    palette[:4] = (0, 0, 0), (0, 200, 0), (200, 0, 0), (0, 64, 128)
    for path in folder.iterdir():
        labels = np.array(Image.open(path))
        labels[10, :5] = 3
        Image.fromarray(palette[labels]).save(path)
    examined = examine(str(tiny_config) if as_config else str(tiny_config.parent / 'data'), workers=1,
                       num_classes=None if as_config else 3)
    assert "      # (0, 64, 128): which class? VOC's palette has it for 20.\n" in examined.text + '\n'
    known = {(0, 0, 0): 0, (0, 200, 0): 1, (200, 0, 0): 2} if as_config else {(0, 0, 0): 0}
    assert ('      # (0, 200, 0): which class?\n' in examined.text) != as_config
    assert pasted(examined)[0][0] == f'train_dataloader.dataset.pipeline.1.color_map={known | {(255,) * 3: 255}}'
    if as_config:
        kinds = {one['kind'] for one in examine(str(tiny_config), pasted(examined)[0], workers=1).values['findings']}
        assert kinds == {'colours'}  # told of, as the training would; nothing becomes void unasked


def test_no_weights_where_only_one_class_occurs(tiny_config):
    for path in (tiny_config.parent / 'data/SegmentationClass').iterdir():
        Image.fromarray(np.zeros_like(np.array(Image.open(path)))).save(path)
    examined = examine(str(tiny_config), workers=1)
    assert examined.values['advice'] == [] and 'class_weight' not in examined.text
