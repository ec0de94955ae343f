"""The doctor: what it prints and writes, its statuses, and whether its advice cures."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.apis.cli import run
from segkit.apis.doctor import examine, main
from segkit.datasets import count_classes
from segkit.datasets.mini_coco import write_mini_coco
from segkit.engine.class_weights import WORDS, weights_of
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS

ROOT = Path(__file__).parents[2]


def data_of(config):
    """The data of the tiny config, in VOC's layout."""
    return Path(config).parent / 'data'


def write_mask(path, change, mode=None):
    labels = np.array(Image.open(path))
    change(labels)
    image = Image.fromarray(labels)
    (image.convert(mode) if mode else image).save(path)


def masks_of(config):
    return sorted((data_of(config) / 'SegmentationClass').iterdir())


def kinds_of(examined):
    return {group['kind']: group['count'] for group in examined.values['findings']}


def child(config, text):
    path = Path(config).parent / 'child.py'
    path.write_text(f"_base_ = ['{Path(config).name}']\n{text}\n")
    return str(path)


def test_a_config_without_faults(tiny_config, capsys):
    before = {path: path.stat().st_mtime_ns for path in data_of(tiny_config).rglob('*')}
    examined = examine(str(tiny_config), workers=1)
    assert examined.status == 0 and examined.values['findings'] == [] and 'Nothing to mend.' in examined.text
    assert {path: path.stat().st_mtime_ns for path in data_of(tiny_config).rglob('*')} == before
    assert '12/12 pairs' in capsys.readouterr().out
    assert [split['name'] for split in examined.values['splits']] == ['train', 'val']
    for word in ('train', 'val', 'grey', 'green', 'median_freq'):
        assert word in examined.text


def test_the_suggested_weights_are_those_that_a_training_counts(tiny_config):
    examined = examine(str(tiny_config), workers=1)
    dataset = DATASETS.build(dict(
        type='BaseSegDataset', data_root=str(data_of(tiny_config)), metainfo=dict(classes=('ground', 'green', 'red')),
        ann_file='ImageSets/Segmentation/train.txt', data_prefix=dict(img_path='JPEGImages',
                                                                      seg_map_path='SegmentationClass')))
    counts = count_classes(dataset, lambda done, total: None)
    for word in WORDS:
        weights = weights_of(counts, word)
        assert [one['weights'][word] for one in examined.values['classes']] == weights
        assert f'class_weight={weights}' in examined.text
    assert [one['pixels']['train'] for one in examined.values['classes']] == counts['pixels']


NUMBER, TEXT = (int, float), str
SCHEMA = dict(
    format=int, segkit=TEXT, source=TEXT, what=TEXT, limit=(int, type(None)), status=int, pairs=int,
    counts=dict(error=int, warning=int, note=int),
    splits=[dict(name=TEXT, role=TEXT, pairs=int, usable=int, labelled=bool,
                 sizes=dict(smallest=[int], median=[int], largest=[int]), photos={TEXT: int}, masks={TEXT: int},
                 valid_pixels=int, void_pixels=int, rgb_mean=[NUMBER], rgb_std=[NUMBER], stored_labels={TEXT: int},
                 labels_out_of_range={TEXT: int})],
    classes=[dict(name=TEXT, weights=dict(median_freq=NUMBER, inverse=NUMBER), pixels={TEXT: int}, masks={TEXT: int})],
    findings=[dict(kind=TEXT, severity=TEXT, what=TEXT, count=int, splits=[TEXT], remedy=TEXT,
                   files=[dict(file=TEXT, text=TEXT)])],
    advice=[dict(place=TEXT, line=TEXT, why=TEXT, options=[TEXT])])


def assert_fits(value, schema, place='file'):
    if isinstance(schema, dict) and TEXT in schema:
        for key, one in value.items():
            assert isinstance(key, str)
            assert_fits(one, schema[TEXT], f'{place}.{key}')
    elif isinstance(schema, dict):
        assert list(value) == list(schema), place
        for key, one in value.items():
            assert_fits(one, schema[key], f'{place}.{key}')
    elif isinstance(schema, list):
        assert isinstance(value, list), place
        for i, one in enumerate(value):
            assert_fits(one, schema[0], f'{place}.{i}')
    else:
        assert isinstance(value, schema), place


def test_the_json_file(tiny_config, capsys):
    write_mask(masks_of(tiny_config)[0], lambda labels: labels.__setitem__((5, slice(3, 7)), 9))
    masks_of(tiny_config)[1].unlink()
    path = Path(tiny_config).parent / 'new/found.json'
    with pytest.raises(SystemExit) as left:
        main([str(tiny_config), '--json', str(path), '--workers', '1'])
    assert left.value.code == 1 and capsys.readouterr().out.endswith(f'\nAll of it as JSON: {path}\n')
    values = json.loads(path.read_text())
    assert_fits(values, SCHEMA)
    assert values['counts'] == dict(error=2, warning=0, note=0) and values['status'] == 1 and values['pairs'] == 12
    labels = next(group for group in values['findings'] if group['kind'] == 'labels')
    assert labels['files'][0]['file'] == str(masks_of(tiny_config)[0]) and '9 (4 pixels)' in labels['files'][0]['text']
    assert values['splits'][0]['labels_out_of_range'] == {'9': 1}
    assert not list(path.parent.glob('*.part'))
    page = (ROOT / 'docs/doctor.md').read_text()
    for key in [*SCHEMA, *SCHEMA['splits'][0], *SCHEMA['classes'][0], *SCHEMA['findings'][0], *SCHEMA['advice'][0]]:
        assert f'`{key}`' in page, key


def status_of(*argv):
    """The exit status of the tool, as the shell sees it."""
    try:
        run(main, [*map(str, argv), '--workers', '1'])
    except SystemExit as left:
        return left.code
    return 0


def test_exit_status(tiny_config, capsys):
    assert status_of(tiny_config) == 0 and status_of(data_of(tiny_config)) == 0
    write_mask(masks_of(tiny_config)[0], lambda labels: labels.fill(255))
    assert status_of(tiny_config) == 1 and status_of(tiny_config, '--fail-on', 'error') == 0
    masks_of(tiny_config)[1].write_bytes(b'')
    assert status_of(tiny_config, '--fail-on', 'error') == 1
    capsys.readouterr()
    assert status_of(Path(tiny_config).parent / 'nothing.py') == 2
    for options in (['--num-classes', '3'], ['--limit', '0']):
        assert status_of(tiny_config, *options) == 2
    assert status_of(data_of(tiny_config), '--cfg-options', 'a=1') == 2
    assert status_of(data_of(tiny_config) / 'ImageSets') == 2
    for message in capsys.readouterr().err.split('error: ')[1:]:
        assert len(message.splitlines()) <= 4


def test_the_tool(tiny_config):
    done = subprocess.run([sys.executable, str(ROOT / 'tools/doctor.py'), str(data_of(tiny_config)), '--workers', '2'],
                          capture_output=True, text=True, cwd=tiny_config.parent)
    assert done.returncode == 0 and 'Nothing to mend.' in done.stdout and done.stderr == ''
    assert "PASCAL VOC's layout" in done.stdout.splitlines()[0]


def test_a_split_that_cannot_be_listed_leaves_the_others(tiny_config):
    lists = data_of(tiny_config) / 'ImageSets/Segmentation'
    (lists / 'val.txt').unlink()
    examined = examine(str(tiny_config), workers=1)
    assert kinds_of(examined) == {'split': 1} and [one['name'] for one in examined.values['splits']] == ['train']
    assert 'val.txt' in examined.text and examined.status == 1
    (lists / 'train.txt').unlink()
    with pytest.raises(DataError, match='train.txt'):
        examine(str(tiny_config), workers=1)


def test_wrappers_and_the_same_set_twice(tiny_config):
    part = "{{_base_.train_dataloader.dataset}}"
    repeated = child(tiny_config, f"train_dataloader = dict(dataset=dict(_delete_=True, type='RepeatDataset', times=3, "
                                  f"dataset={part}))")
    examined = examine(repeated, workers=1)
    assert examined.values['findings'] == [] and examined.values['splits'][0]['pairs'] == 7
    joined = child(tiny_config, f"train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', "
                                f"datasets=[{part}, {part}]))")
    twice = examine(joined, workers=1)
    assert twice.values['findings'] == [] and twice.values['splits'][0]['pairs'] == 14
    for a, b in zip(examined.values['classes'], twice.values['classes']):
        assert 2 * a['pixels']['train'] == b['pixels']['train'] and a['weights'] == b['weights']


def test_coco_as_voc(tmp_path, tiny_config):
    for split, first in (('train', 1), ('val', 6)):
        write_mini_coco(str(tmp_path / f'coco/annotations/instances_{split}.json'), str(tmp_path / f'coco/{split}/'),
                        [f'{n:012d}' for n in range(first, first + 3)], first, (48, 64))
    datasets = {split: f"dict(dataset=dict(_delete_=True, type='COCOVOCDataset', data_root='{tmp_path}/coco', "
                       f"data_prefix=dict(img_path='{split}'), ann_file='annotations/instances_{split}.json', "
                       f"min_pixels=None, cache_dir='{tmp_path}/cache', "
                       "pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]))"
                for split in ('train', 'val')}
    config = child(tiny_config, '\n'.join(f'{split}_dataloader = {text}' for split, text in datasets.items()))
    examined = examine(config, workers=1)
    assert [(one['pairs'], one['usable'], one['masks']) for one in examined.values['splits']] == [
        (3, 3, {'run lengths': 3})] * 2
    assert kinds_of(examined).keys() <= {'class never occurs', 'class not evaluated', 'twice', 'trained on'}
    photo = tmp_path / 'coco/train/000000000002.jpg'
    photo.write_bytes(photo.read_bytes()[:-30])
    assert kinds_of(examine(config, workers=1))['cut short'] == 1


def test_a_foreign_dataset_is_refused_with_the_reason(tiny_config):
    @DATASETS.register_module(force=True)
    class Foreign:
        def __len__(self):
            return 3

    config = child(tiny_config, "train_dataloader = dict(dataset=dict(_delete_=True, type='Foreign'))")
    with pytest.raises(ConfigError, match='The dataset of train is a Foreign, which does not say what files it reads'):
        examine(config, workers=1)
    DATASETS.module_dict.pop('Foreign')


def test_a_limit_says_nothing_about_what_never_occurs(tiny_config):
    for path in masks_of(tiny_config):
        write_mask(path, lambda labels: labels.__setitem__(labels == 2, 1))
    assert kinds_of(examine(str(tiny_config), workers=1)) == {'class never occurs': 1, 'class not evaluated': 1}
    examined = examine(str(tiny_config), workers=1, limit=3)
    assert kinds_of(examined) == {} and 'At most 3 pairs' in examined.text and examined.values['pairs'] == 6


def advice_of(examined, start):
    return next(one['line'] for one in examined.values['advice'] if one['line'].startswith(start))


def both(key, line):
    """Overrides that give both datasets an option of the advice."""
    return [f'+{split}_dataloader.dataset.{key}={line.split("=", 1)[1]}' for split in ('train', 'val')]


def change_all(config, change, mode=None):
    for path in masks_of(config):
        write_mask(path, change, mode)


def test_advice_cures_masks_of_0_and_255(tiny_config):
    change_all(tiny_config, lambda labels: labels.__setitem__(labels > 0, 255))
    examined = examine(str(tiny_config), workers=1)
    assert kinds_of(examined) == {'all masks 0 and 255': 2}
    line = advice_of(examined, 'label_map')
    cured = examine(str(tiny_config), both('label_map', line), workers=1)
    assert line == 'label_map={255: 1}' and 'all masks 0 and 255' not in kinds_of(cured)
    assert cured.values['classes'][1]['pixels']['train'] > 0 and cured.values['counts']['error'] == 0


def test_advice_cures_labels_out_of_range(tiny_config):
    write_mask(masks_of(tiny_config)[0], lambda labels: labels.__setitem__((5, slice(3, 7)), 9))
    write_mask(masks_of(tiny_config)[8], lambda labels: labels.__setitem__((5, slice(3, 7)), 200))
    examined = examine(str(tiny_config), workers=1)
    line = advice_of(examined, 'label_map')
    assert kinds_of(examined) == {'labels': 2} and line == 'label_map={9: 255, 200: 255}'
    assert kinds_of(examine(str(tiny_config), both('label_map', line), workers=1)) == {}


def test_advice_cures_classes_that_are_stored_from_one_on(tiny_config):
    def shift(labels):
        labels[:] = np.where(labels == 255, 0, labels + 1)
    change_all(tiny_config, shift)
    examined = examine(str(tiny_config), workers=1)
    line = advice_of(examined, 'reduce_zero_label')
    assert kinds_of(examined)['labels'] == 12
    assert kinds_of(examine(str(tiny_config), both('reduce_zero_label', line), workers=1)) == {}


@pytest.mark.parametrize('colors, table', [
    ([(0, 0, 0), (0, 200, 0), (200, 0, 0)], '(0, 0, 0): 0, (0, 200, 0): 1, (200, 0, 0): 2, (255, 255, 255): 255'),
    ([(0, 0, 0), (1, 1, 1), (2, 2, 2)], '(0, 0, 0): 0, (1, 1, 1): 1, (2, 2, 2): 2, (255, 255, 255): 255')])
def test_advice_cures_masks_of_colours(tiny_config, colors, table):
    palette = np.full((256, 3), 255, np.uint8)
    palette[:3] = colors
    for path in masks_of(tiny_config):
        Image.fromarray(palette[np.array(Image.open(path))]).save(path)
    examined = examine(str(tiny_config), workers=1)
    line = advice_of(examined, 'color_map')
    assert kinds_of(examined) == {'RGB mask': 12} and line == f'color_map={{{table}}}'
    text = '\n'.join(f"{split}_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile'), "
                     f"dict(type='LoadAnnotations', {line})]))" for split in ('train', 'val'))
    assert kinds_of(examine(child(tiny_config, text), workers=1)) == {}


def test_advice_cures_photos_that_are_turned_unlike_their_masks(tiny_config):
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in (data_of(tiny_config) / 'JPEGImages').iterdir():
        Image.open(path).save(path, exif=exif)
    examined = examine(str(tiny_config), workers=1)
    line = advice_of(examined, 'color_type')
    assert set(kinds_of(examined)) == {'EXIF orientation'}
    text = '\n'.join(f"{split}_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile', {line}), "
                     f"dict(type='LoadAnnotations')]))" for split in ('train', 'val'))
    assert set(kinds_of(examine(child(tiny_config, text), workers=1))) <= {'EXIF unclear'}


def write_folder(root, labels):
    """Photos and masks of 40x40 pixels, each of one grey and one label."""
    (root / 'images').mkdir()
    (root / 'masks').mkdir()
    for i, label in enumerate(labels):
        Image.new('RGB', (40, 40), (5 * i,) * 3).save(root / f'images/{i}.jpg')
        Image.new('L', (40, 40), label).save(root / f'masks/{i}.png')


def test_samples_to_do_without(tmp_path):
    write_folder(tmp_path, [i % 2 for i in range(40)])
    (tmp_path / 'images/7.jpg').write_bytes(b'')
    (tmp_path / 'masks/9.png').unlink()
    examined = examine(str(tmp_path), workers=1)
    assert kinds_of(examined) == {'empty': 1, 'missing mask': 1}
    assert advice_of(examined, 'bad_samples') == "bad_samples=dict(policy='skip', limit=2)"
    assert advice_of(examined, 'crop_size') == 'crop_size=(32, 32)'
    for i in range(10, 15):
        (tmp_path / f'masks/{i}.png').unlink()
    lines = [one['line'] for one in examine(str(tmp_path), workers=1).values['advice']]
    assert not any(line.startswith('bad_samples') for line in lines)  # so many are to be mended


def test_classes_of_a_folder_end_at_a_gap_in_the_labels(tmp_path):
    write_folder(tmp_path, [0, 1, 2] * 3 + [37])
    examined = examine(str(tmp_path), workers=1)
    assert kinds_of(examined) == {'label stands apart': 1} and len(examined.values['classes']) == 3
    assert 'label 37 in 1 mask, and none of 3 to 36' in examined.text
    assert kinds_of(examine(str(tmp_path), num_classes=3, workers=1)) == {'labels': 1}
