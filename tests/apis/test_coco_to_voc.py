"""The converter of COCO's instances: the same labels as on the fly, and runs that are stopped or repeated."""
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.apis.cli import run
from segkit.apis.coco_to_voc import convert
from segkit.apis.converters import steps
from segkit.datasets.mini_coco import write_mini_coco
from segkit.errors import ConfigError, DataError
from segkit.palette import color_map
from segkit.registry import DATASETS

ROOT = Path(__file__).parents[2]
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture
def coco(tmp_path):
    """A COCO folder of two generated splits."""
    root = tmp_path / 'coco'
    for split, first in (('train', 1), ('val', 6)):
        write_mini_coco(str(root / f'annotations/instances_{split}.json'), str(root / f'{split}/'),
                        [f'{n:012d}' for n in range(first, first + 3)], first, (48, 64))
    return root


def both(source, out, split, cache, **own):
    """The dataset over the annotations, and that over what the converter wrote."""
    fly = DATASETS.build(dict(type='COCOVOCDataset', data_root=str(source), data_prefix=dict(img_path=split),
                              ann_file=f'annotations/instances_{split}.json', cache_dir=cache, pipeline=LOAD, **own))
    written = DATASETS.build(dict(
        type='PascalVOCDataset', data_root=str(out), ann_file=f'ImageSets/Segmentation/{split}.txt', pipeline=LOAD,
        data_prefix=dict(img_path=split, seg_map_path='SegmentationClass')))
    return fly, written


def assert_equal(fly, written):
    assert len(fly) == len(written)
    for i in range(len(fly)):
        a, b = fly[i], written[i]
        assert Path(a['img_path']).name == Path(b['img_path']).name
        assert a['gt_seg_map'].dtype == b['gt_seg_map'].dtype and np.array_equal(a['gt_seg_map'], b['gt_seg_map'])


@pytest.mark.parametrize('rule', ['gluoncv', 'torchvision'])
def test_real_photos_equal_those_on_the_fly(data_pack, tmp_path, rule):
    source, out, cache = data_pack / 'COCO_sample', tmp_path / 'voc', str(tmp_path / 'cache')
    sizes = convert(str(source), str(out), rule=rule, cache_dir=cache, processes=2)
    for split in ('train2017', 'val2017'):
        fly, written = both(source, out, split, cache, rule=rule)
        assert sizes[split] == len(fly)
        assert_equal(fly, written)
    mask = Image.open(next((out / 'SegmentationClass').iterdir()))
    assert mask.mode == 'P' and mask.getpalette()[:63] == sum(color_map(21), [])
    assert mask.getpalette()[-3:] == color_map(256)[255]


def test_a_second_run_mends_what_was_changed_and_leaves_the_rest(coco, tmp_path, capsys):
    out, cache = tmp_path / 'voc', str(tmp_path / 'cache')
    convert(str(coco), str(out), cache_dir=cache, processes=1)
    assert 'train: 3 masks written, 0 were there\n' in capsys.readouterr().out
    masks = sorted((out / 'SegmentationClass').iterdir())
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in masks}
    assert len(masks) == 6
    masks[0].unlink()
    masks[1].write_bytes(before[masks[1]][0][:-20])
    Image.open(masks[2]).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(masks[2])
    convert(str(coco), str(out), cache_dir=cache, processes=1)
    said = capsys.readouterr().out
    assert 'train: 3 masks written, 0 were there; 2 of the written ones were there with other labels' in said
    assert 'val: 0 masks written, 3 were there\n' in said
    assert {path: path.read_bytes() for path in masks} == {path: content for path, (content, _) in before.items()}
    assert all(path.stat().st_mtime_ns == before[path][1] for path in masks[3:])
    assert sorted(path.name for path in out.iterdir()) == ['ImageSets', 'SegmentationClass', 'rule.txt', 'train', 'val']
    assert not list(out.rglob('*.part'))


def test_a_run_that_is_stopped_leaves_no_list_and_goes_on(coco, tmp_path, monkeypatch):
    out, cache = tmp_path / 'voc', str(tmp_path / 'cache')
    write = steps.write_palette_png

    def stop_at_the_third(path, labels, palette):
        if len(list((out / 'SegmentationClass').iterdir())) == 2:
            raise KeyboardInterrupt
        write(path, labels, palette)

    with monkeypatch.context() as patch:
        patch.setattr(steps, 'write_palette_png', stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            convert(str(coco), str(out), cache_dir=cache, processes=1)
    assert not (out / 'ImageSets').exists()
    convert(str(coco), str(out), cache_dir=cache, processes=1)
    for split in ('train', 'val'):
        assert_equal(*both(coco, out, split, cache))


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_nothing_is_written_into_the_folder_that_is_read_from(coco, tmp_path):
    before, own = content(tmp_path), dict(cache_dir=str(tmp_path / 'cache'), processes=1)
    (tmp_path / 'link').symlink_to(coco)
    for out in (coco, coco / 'voc', coco / 'train', tmp_path / 'link', tmp_path / 'link/voc/deep', coco / '../coco/'):
        with pytest.raises(ConfigError, match='(is the folder that|which) is read from'):
            convert(str(coco), str(out), ['val'], **own)
    assert content(tmp_path) == before and not (tmp_path / 'cache').exists()
    convert(str(coco), str(tmp_path / 'coco_voc'), ['val'], **own)  # the name alone begins alike
    assert_equal(*both(coco, tmp_path / 'coco_voc', 'val', own['cache_dir']))


def test_a_folder_holds_masks_of_one_rule(coco, tmp_path):
    out, own = tmp_path / 'voc', dict(cache_dir=str(tmp_path / 'cache'), processes=1)
    convert(str(coco), str(out), ['val'], 'torchvision', None, **own)
    before = content(tmp_path)
    assert before[out / 'rule.txt'] == b'torchvision\n'
    for split in ('val', 'train'):
        with pytest.raises(ConfigError, match='were made with --rule torchvision .*not with gluoncv'):
            convert(str(coco), str(out), [split], 'gluoncv', **own)
    assert content(tmp_path) == before and not (out / 'train').exists()
    convert(str(coco), str(out), ['train'], 'torchvision', None, **own)
    for mask in (out / 'SegmentationClass').iterdir():
        mask.unlink()
    convert(str(coco), str(out), rule='gluoncv', **own)
    assert (out / 'rule.txt').read_text() == 'gluoncv\n'
    assert_equal(*both(coco, out, 'val', own['cache_dir'], rule='gluoncv'))


def test_everything_is_looked_at_before_anything_is_written(coco, tmp_path):
    out, own = tmp_path / 'voc', dict(cache_dir=str(tmp_path / 'cache'), processes=1)
    photo = coco / 'val/000000000007.jpg'
    content = photo.read_bytes()
    photo.write_bytes(content[:-30])
    with pytest.raises(DataError, match='000000000007.jpg is cut short'):
        convert(str(coco), str(out), **own)
    photo.write_bytes(content)
    for splits, reason in ((['train', 'test'], 'instances_test.json'), (['more'], 'no folder .*more')):
        if 'more' in splits:
            write_mini_coco(str(coco / 'annotations/instances_more.json'), str(coco / 'x/'), ['a'], 1, (48, 64))
        with pytest.raises(DataError, match=reason):
            convert(str(coco), str(out), splits, **own)
    with pytest.raises(DataError, match='Name the folder with annotations'):
        convert(str(coco / 'train'), str(out), **own)
    with pytest.raises(DataError, match='holds no instances_<split>.json'):
        (tmp_path / 'empty/annotations').mkdir(parents=True)
        convert(str(tmp_path / 'empty'), str(out), **own)
    with pytest.raises(ConfigError, match='processes'):
        convert(str(coco), str(out), ['train'], cache_dir=own['cache_dir'], processes=0)
    assert not out.exists()
    (out / 'train').mkdir(parents=True)
    with pytest.raises(DataError, match='Move it away'):
        convert(str(coco), str(out), ['train'], **own)
    write_mini_coco(str(coco / 'annotations/instances_more.json'), str(coco / 'more/'), ['000000000001'], 1, (48, 64))
    with pytest.raises(DataError, match='Two photos are called 000000000001'):
        convert(str(coco), str(out), ['train', 'more'], **own)


def test_the_command_says_what_to_put_into_a_config(coco, tmp_path, capsys):
    main = runpy.run_path(str(ROOT / 'tools/dataset_converters/coco_to_voc.py'))['main']
    typed = [str(tmp_path / 'voc'), '--splits', 'val', '--cache-dir', str(tmp_path / 'cache'), '--nproc', '2']
    run(main, [str(coco), *typed])
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith('Painting the masks of ') and ' - INFO - ' not in said
    assert len(DATASETS.build(eval(said[said.index('dict(type'):], dict(dict=dict)))) == 3
    with pytest.raises(SystemExit) as left:
        run(main, [str(tmp_path), *typed])
    said = capsys.readouterr().err
    assert left.value.code == 2 and said.startswith('error: ') and 'Traceback' not in said
