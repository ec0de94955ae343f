"""Samples out of a pack: those of the folder, bit by bit, whoever reads them; and packs that do not fit a config."""
import copy
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset
from mmengine.fileio import get
from PIL import Image
from torch.utils.data import DataLoader

from segkit.datasets import SeededDataset, check_dataset, class_counts_key, count_classes
from segkit.datasets.draw_sampler import Draw
from segkit.datasets.mini_coco import write_mini_coco
from segkit.datasets.scenes import generate
from segkit.engine.data_loading import build_data_loader
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS
from segkit.structures import SkippedSample

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
AUGMENT = [*LOAD, dict(type='RandomResize', scale=(160, 160), ratio_range=(0.5, 2.0), keep_ratio=True),
           dict(type='RandomCrop', crop_size=(64, 80), cat_max_ratio=0.75), dict(type='RandomFlip', prob=0.5),
           dict(type='PhotoMetricDistortion'), dict(type='PackSegInputs')]


def build(path, **own):
    return DATASETS.build({**dict(type='PackedDataset', ann_file=str(path), pipeline=LOAD), **own})


def batches(dataset, workers, number, training=True):
    """Some batches, as a run draws them with seed 3."""
    sampler = dict(type='InfiniteSampler' if training else 'DefaultSampler', shuffle=training)
    loader = build_data_loader(dict(batch_size=2 if training else 1, num_workers=workers, sampler=sampler,
                                    dataset=dataset), 3, training)
    found = iter(loader)
    return [next(found) for _ in range(number)]


def assert_same_batches(one, other):
    for a, b in zip(one, other, strict=True):
        assert set(a) == set(b)
        images = zip(a['inputs'], b['inputs'], strict=True)  # lists where sizes differ
        assert all(x.dtype == y.dtype and torch.equal(x, y) for x, y in images)
        if 'labels' in a:
            assert a['labels'].dtype == b['labels'].dtype and torch.equal(a['labels'], b['labels'])
        for x, y in zip(a['data_samples'], b['data_samples'], strict=True):
            for key, value in x.metainfo.items():
                theirs = y.metainfo[key]
                if key in ('img_path', 'seg_map_path'):
                    assert Path(value).name == Path(theirs).name and theirs.endswith('/'.join(value.split('/')[-2:]))
                else:
                    assert str(value) == str(theirs)
            if 'gt_sem_seg' in x:
                assert torch.equal(x.gt_sem_seg.data, y.gt_sem_seg.data)


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('scenes')
    generate(str(root), 8, 1, (90, 130))
    return dict(type='SceneDataset', data_root=str(root), ann_file='ImageSets/Segmentation/train.txt',
                data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'), pipeline=LOAD)


@pytest.mark.parametrize('workers', [0, 2])
def test_augmented_batches_are_those_of_the_folder(pack, scenes, workers):
    path = pack(scenes)
    folder = batches({**scenes, 'pipeline': AUGMENT}, 0, 6)
    packed = batches(dict(type='PackedDataset', ann_file=str(path), pipeline=AUGMENT), workers, 6)
    assert_same_batches(folder, packed)
    assert len({batch['inputs'].numpy().tobytes() for batch in folder}) == 6


@pytest.mark.parametrize('workers', [0, 2])
def test_real_photos_are_those_of_the_folder(pack, data_pack, workers):
    voc = dict(type='PascalVOCDataset', data_root=str(data_pack / 'VOC2012'), indices=24, pipeline=AUGMENT,
               ann_file='ImageSets/Segmentation/train_aug.txt',
               data_prefix=dict(img_path='JPEGImages', seg_map_path=['SegmentationClass', 'SegmentationClassAug']))
    path = pack(voc)
    packed = dict(type='PackedDataset', ann_file=str(path), packed_from='PascalVOCDataset', pipeline=AUGMENT)
    assert_same_batches(batches(voc, 0, 12), batches(packed, workers, 12))
    whole = [*LOAD, dict(type='PackSegInputs')]
    voc, packed = {**voc, 'pipeline': whole}, {**packed, 'pipeline': whole}
    assert_same_batches(batches(voc, 0, 24, training=False), batches(packed, workers, 24, training=False))


@pytest.mark.slow
def test_loader_processes_that_are_started_anew(pack, scenes):
    """Such a process gets the dataset in a message, and opens the pack itself."""
    dataset = build(pack(scenes))
    loader = DataLoader(dataset, batch_size=None, num_workers=1, multiprocessing_context='spawn')
    for i, sample in enumerate(loader):
        assert np.array_equal(sample['img'], dataset[i]['img'])
        assert np.array_equal(sample['gt_seg_map'], dataset[i]['gt_seg_map'])
    assert i == 7


def same_samples(config, path, **own):
    folder, packed = DATASETS.build({**config, 'pipeline': LOAD}), build(path, **own)
    assert len(folder) == len(packed) > 0
    for i in range(len(folder)):
        a, b = folder[i], packed[i]
        assert a['gt_seg_map'].dtype == b['gt_seg_map'].dtype and np.array_equal(a['gt_seg_map'], b['gt_seg_map'])
        assert np.array_equal(a['img'], b['img'])
        assert {k: a[k] for k in a if k not in ('img', 'gt_seg_map') and not k.endswith('path')} == {
            k: b[k] for k in b if k not in ('img', 'gt_seg_map') and not k.endswith('path')}
    assert {k: folder.metainfo[k] for k in folder.metainfo} == packed.metainfo
    return folder, packed


@pytest.mark.parametrize('rules', [
    dict(label_map={1: 2, 2: 0, 3: 255}, metainfo=dict(classes=('a', 'b', 'c'))),
    dict(reduce_zero_label=True, metainfo=dict(classes=('a', 'b', 'c'), palette=[[1, 2, 3], [4, 5, 6], [7, 8, 9]])),
    dict(ignore_index=3, metainfo=dict(classes=('a', 'b', 'c'))),
    dict(type='PascalVOCDataset', metainfo=dict(classes=('bicycle', 'background', 'bird')))])
def test_label_rules_are_packed_too(pack, voc_config, rules):
    config = {**voc_config, 'type': 'BaseSegDataset', **rules}
    folder, packed = same_samples(config, pack(config))
    assert len({sample['gt_seg_map'][0, 0] for sample in (packed[i] for i in range(3))}) == 3
    assert (packed.ignore_index, packed.label_map) == (folder.ignore_index, folder.label_map)


def test_masks_of_coco_s_annotations(pack, tmp_path):
    write_mini_coco(str(tmp_path / 'annotations/instances_mini.json'), str(tmp_path / 'mini/'),
                    [f'{n:012d}' for n in range(1, 4)], 1, (48, 64))
    config = dict(type='COCOVOCDataset', data_root=str(tmp_path), ann_file='annotations/instances_mini.json',
                  data_prefix=dict(img_path='mini'), cache_dir=str(tmp_path / 'cache'), processes=1)
    path = pack(config)
    folder, packed = DATASETS.build({**config, 'pipeline': LOAD}), build(path)
    for i in range(3):
        assert np.array_equal(folder[i]['gt_seg_map'], packed[i]['gt_seg_map'])
    assert packed[2]['img_path'].endswith('/mini/000000000003.jpg') and check_dataset(packed).startswith('3 pairs')


def test_other_formats_and_masks_in_colours(pack, tmp_path):
    rng = np.random.RandomState(0)
    for i, suffix in enumerate(('bmp', 'webp', 'tif', 'png', 'jpg')):
        (tmp_path / 'img').mkdir(exist_ok=True)
        (tmp_path / 'seg').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f'img/{i}.{suffix}'), rng.randint(0, 255, (9, 14, 3)).astype(np.uint8))
        Image.fromarray(np.tile(np.array([[9, 0, 0], [0, 9, 0]], np.uint8), (9, 7, 1))).save(tmp_path / f'seg/{i}.png')
    Image.fromarray(rng.randint(0, 255, (9, 14, 4)).astype(np.uint8), 'CMYK').save(tmp_path / 'img/4.jpg')
    load = [LOAD[0], dict(type='LoadAnnotations', color_map={(9, 0, 0): 0, (0, 9, 0): 1})]
    config = dict(type='FolderDataset', data_root=str(tmp_path), metainfo=dict(classes=('a', 'b')), pipeline=load,
                  data_prefix=dict(img_path='img', seg_map_path='seg'))
    path = pack(config)
    folder, packed = DATASETS.build(config), build(path, pipeline=load)
    for i in range(5):
        assert np.array_equal(folder[i]['img'], packed[i]['img'])
        assert np.array_equal(folder[i]['gt_seg_map'], packed[i]['gt_seg_map'])
    assert check_dataset(packed).startswith('5 pairs')
    with pytest.raises(DataError, match='RGB image; expected one class index'):
        check_dataset(build(path))


def test_a_photo_that_is_turned_is_found_before_the_first_step(pack, voc_config, voc_tree):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (16, 12)).save(voc_tree / 'JPEGImages/b.jpg', exif=exif)
    as_stored = [dict(type='LoadImageFromFile', color_type='color_ignore_orientation'), LOAD[1]]
    path = pack({**voc_config, 'pipeline': as_stored})
    assert check_dataset(build(path, pipeline=as_stored)).startswith('3 pairs')
    with pytest.raises(DataError, match='EXIF orientation that its mask ignores'):
        check_dataset(build(path))


def test_without_masks(pack, voc_config):
    config = {**voc_config, 'data_prefix': dict(img_path='JPEGImages')}
    path = pack(config)
    packed = build(path, pipeline=LOAD[:1])
    assert np.array_equal(packed[1]['img'], DATASETS.build({**config, 'pipeline': LOAD[:1]})[1]['img'])
    assert 'seg_map_path' not in packed.get_data_info(0) and not packed.wants_labels
    with pytest.raises(ConfigError, match='has no masks, and the pipeline reads some'):
        build(path)


def test_joined_datasets_subsets_and_several_packs(pack, voc_config, voc_tree):
    val = {**voc_config, 'ann_file': 'ImageSets/Segmentation/val.txt'}
    one = pack(dict(type='ConcatDataset', datasets=[voc_config, val]))
    both = ConcatDataset([DATASETS.build({**cfg, 'pipeline': LOAD}) for cfg in (voc_config, val)])
    two = [str(pack(voc_config, 'first')), str(pack(val, 'second'))]
    for packed in (build(one), DATASETS.build(dict(type='PackedDataset', ann_file=two, pipeline=LOAD))):
        assert [packed[i]['gt_seg_map'][0, 0] for i in range(4)] == [1, 2, 3, 4] == [
            both[i]['gt_seg_map'][0, 0] for i in range(4)]
    assert [sample['gt_seg_map'][0, 0] for sample in map(build(one, indices=[3, 0]).__getitem__, range(2))] == [4, 1]
    again = pack(dict(type='PackedDataset', ann_file=str(one), indices=[1, 3]), 'again')  # a pack of a pack
    assert build(again, packed_from='PascalVOCDataset')[1]['img_path'].endswith('#1/image/JPEGImages/d.jpg')


def test_what_the_config_says_wins_over_the_pack(pack, voc_config):
    path = pack(voc_config)
    labels = [build(path, label_map={1: 5, 3: 255})[i]['gt_seg_map'][0, 0] for i in range(3)]
    assert labels == [5, 2, 255]
    assert build(path, ignore_index=2)[1]['ignore_index'] == 2
    chosen = build(path, metainfo=dict(classes=('bird', 'aeroplane')))
    assert [chosen[i]['gt_seg_map'][0, 0] for i in range(3)] == [1, 255, 0]
    assert chosen.metainfo['palette'] == [[128, 128, 0], [128, 0, 0]]


def test_a_pack_of_other_data_is_refused_by_name(pack, voc_config, voc_tree):
    path = pack(voc_config)
    with pytest.raises(ConfigError, match=f"has 'road', which {path} does not have .packed from PascalVOCDataset"):
        build(path, metainfo=dict(classes=('road', 'background')))
    with pytest.raises(ConfigError, match=f'{path} was packed from PascalVOCDataset, expected CityscapesDataset'):
        build(path, packed_from='CityscapesDataset')
    other = pack({**voc_config, 'metainfo': dict(classes=('background', 'aeroplane'))}, 'other')
    with pytest.raises(ConfigError, match='packs of different classes'):
        build(path, ann_file=[str(path), str(other)])
    for wrong in ('train.txt', '', [], 's3://bucket/train.lmdb'):
        with pytest.raises(ConfigError, match='expected the path of a pack'):
            build(path, ann_file=wrong)
    with pytest.raises(DataError, match=r'none.lmdb cannot be read: No such file.*ann_file.*\n.*pack.py'):
        build(path, ann_file='none.lmdb', data_root=str(voc_tree))
    with pytest.raises(ConfigError, match='indices=9 asks for more samples than the 3'):
        build(path, indices=9)


def alter(path, content):
    """Change a record, wherever the file has it."""
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    path.write_bytes(path.read_bytes().replace(content, changed))


def test_an_altered_record_ends_the_run_or_is_skipped(pack, scenes):
    path, root = pack(scenes), Path(scenes['data_root'])
    name = (root / scenes['ann_file']).read_text().split()[2]
    alter(path, (root / f'SegmentationClass/{name}.png').read_bytes())
    with pytest.raises(DataError) as caught:
        build(path)[2]
    place = f'packed://{path}#2/mask/SegmentationClass/{name}.png'
    assert str(caught.value).startswith(f"'{place}' is damaged: its checksum is ")
    assert len(str(caught.value).splitlines()) == 2 and build(path)[3]['img'].ndim == 3
    skipped = build(path, bad_samples='skip')[2]
    assert isinstance(skipped, SkippedSample) and skipped.file == place
    drawn = SeededDataset(build(path, bad_samples='skip'))[Draw(2, 7)]
    assert [one.file for one in drawn['skipped']] == [place] and drawn['sample_idx'] != 2


def test_files_that_cannot_be_packed_keep_their_place(pack, scenes, tmp_path):
    """Another sample is drawn in their place, the one that the folder would have drawn."""
    config = copy.deepcopy(scenes)
    shutil.copytree(config['data_root'], tmp_path / 'copy')
    config.update(data_root=str(tmp_path / 'copy'), bad_samples='skip')
    names = (tmp_path / 'copy' / config['ann_file']).read_text().split()
    photo = tmp_path / f'copy/JPEGImages/{names[1]}.jpg'
    mask = tmp_path / f'copy/SegmentationClass/{names[4]}.png'
    photo.write_bytes(photo.read_bytes()[:-200])
    mask.unlink()
    with pytest.raises(DataError, match='is cut short'):
        pack({**config, 'bad_samples': 'error', 'ann_file': 'ImageSets/Segmentation/train.txt', 'indices': [0, 1]})
    path = pack(config)
    packed, folder = build(path, bad_samples='skip'), DATASETS.build(config)
    assert len(packed) == len(folder) == 8
    for i in range(8):
        a, b = (SeededDataset(one)[Draw(i, 100 + i)] for one in (folder, packed))
        assert np.array_equal(a['img'], b['img']) and len(a.get('skipped', ())) == len(b.get('skipped', ()))
    reason = packed[1].reason
    assert 'could not be used when it was packed' in reason and f'{names[1]}.jpg' in reason and 'cut short' in reason
    found = {}
    assert '2 files are to be skipped' in check_dataset(packed, found=found) and len(found) == 2
    with pytest.raises(DataError, match='could not be used when it was packed'):
        check_dataset(build(path))
    assert pack(config) == path  # the same files, as bad as before
    shutil.copy(f'{scenes["data_root"]}/SegmentationClass/{names[4]}.png', mask)
    with pytest.raises(ConfigError, match=f'{names[4]}.png has changed since it was packed'):
        pack(config)


def test_a_pack_that_was_replaced_is_not_read_as_the_old_one(pack, voc_config):
    path = pack(voc_config)
    old = build(path)
    pack({**voc_config, 'indices': [2, 1, 0]}, overwrite=True)
    new = build(path)
    assert new[0]['gt_seg_map'][0, 0] == 3
    with pytest.raises(DataError, match='is another one than when the run began'):
        old[0]


def test_class_counts_and_their_key(pack, voc_config, voc_tree):
    packed = build(pack(voc_config))
    count = dict(report=lambda done, total: None)
    assert count_classes(packed, **count) == count_classes(DATASETS.build({**voc_config, 'pipeline': LOAD}), **count)
    before = class_counts_key(packed)
    assert before is not None and class_counts_key(build(packed.ann_file)) == before
    Image.fromarray(np.full((12, 16), 7, np.uint8)).save(voc_tree / 'SegmentationClass/a.png')
    assert class_counts_key(build(pack(voc_config, overwrite=True))) != before


def test_reports_get_the_photo_by_the_sample_s_path(pack, voc_config, voc_tree):
    """Mosaics and drawings read it again, by the path in a sample's metas."""
    path = build(pack(voc_config))[1]['img_path']
    assert get(path) == (voc_tree / 'JPEGImages/b.jpg').read_bytes()
    for wrong, reason in ((path.replace('#1/', '#9/'), 'has only 3 samples'),
                          (path.replace('#1/image', '#x/image'), 'is no address'),
                          (path.replace('#1/image', '#1/text'), 'is no address')):
        with pytest.raises(DataError, match=reason):
            get(wrong)
