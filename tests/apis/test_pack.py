"""The converter as people run it, and whole runs out of packs: trained, tested, browsed, counted."""
import copy
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from segkit.apis import browse_dataset, train
from segkit.apis import test as test_tool
from segkit.apis.cli import run
from segkit.apis.inference import dataset_meta_of_config
from segkit.apis.pack import pack_splits
from segkit.config import load_config
from segkit.engine import SegRunner
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/dataset_converters/pack.py'


def loaded(path, overrides=None):
    return load_config(path, overrides, say=lambda line: None)


@pytest.fixture
def packed_config(tiny_config, tmp_path):
    """The tiny config's images packed, and a config that inherits it and reads the packs."""
    pack_splits(loaded(tiny_config), str(tmp_path / 'packs'), processes=1)
    path = tmp_path / 'packed.py'
    path.write_text(f"_base_ = ['{tiny_config.name}']\n" + ''.join(
        f"{split}_dataloader = dict(dataset=dict(_delete_=True, type='PackedDataset', data_root='{tmp_path}/packs',\n"
        f"    ann_file='{split}.lmdb', pipeline=_base_.{split}_dataloader.dataset.pipeline))\n"
        for split in ('train', 'val')))
    return path


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


def test_a_run_from_packs_is_the_run_from_the_folder(tiny_config, packed_config, tmp_path):
    runs = ((tiny_config, 'folder', 0), (packed_config, 'packed', 0), (packed_config, 'packed_2', 2))
    for config, folder, workers in runs:
        report = [] if workers else ['default_hooks.report=dict(type="RunReportHook")']
        train.main([str(config), '--work-dir', str(tmp_path / folder), '--seed', '5', '--cfg-options', *report,
                    f'train_dataloader.num_workers={workers}', 'train_cfg.max_iters=4', 'train_cfg.val_interval=4'])
    one, *others = (weights(tmp_path / folder / 'iter_4.pth') for _, folder, _ in runs)
    assert len(one) > 60 and all(torch.equal(one[key], other[key]) for other in others for key in one)
    # Losses and scores as they were written down, without how long each step took.
    tables = []
    for folder in ('folder', 'packed'):
        rows = [line.split(',') for line in (tmp_path / folder / 'metrics.csv').read_text().splitlines()]
        kept = [i for i, name in enumerate(rows[0]) if 'time' not in name]
        tables.append([[row[i] for i in kept] for row in rows])
    assert tables[0] == tables[1] and len(tables[0]) > 2
    for picture in ('worst.jpg', 'val_predictions.jpg', 'train_samples.jpg'):
        assert (tmp_path / 'packed' / picture).read_bytes() == (tmp_path / 'folder' / picture).read_bytes()


def test_predictions_have_the_names_of_the_photos(tiny_config, packed_config, tmp_path, capsys):
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--cfg-options', 'train_cfg.max_iters=2'])
    capsys.readouterr()
    scores = []
    for config, out in ((tiny_config, 'folder'), (packed_config, 'packed')):
        test_tool.main([str(config), str(tmp_path / 'run/iter_2.pth'), '--work-dir', str(tmp_path / out), '--out',
                        str(tmp_path / out / 'png'), '--show-dir', str(tmp_path / out / 'shown')])
        scores.append(json.loads((tmp_path / out / 'test/metrics.json').read_text())['mIoU'])
    said = capsys.readouterr().out
    assert scores[0] == scores[1] and 'val.lmdb' in said
    names = [{path.name for path in (tmp_path / out / 'png').iterdir()} for out in ('folder', 'packed')]
    assert names[0] == names[1] == {f'im{i:02d}.png' for i in range(7, 12)}
    assert len(list((tmp_path / 'packed/shown').rglob('*im07*'))) == 1


def test_browsing_class_weights_and_subsets(tiny_config, packed_config, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    for config, out in ((tiny_config, 'folder'), (packed_config, 'packed')):
        browse_dataset.main([str(config), '--output-dir', str(tmp_path / out), '--number', '4', '--cfg-options',
                             'train_dataloader.dataset.indices=3'])
    assert (tmp_path / 'packed/train_001.jpg').read_bytes() == (tmp_path / 'folder/train_001.jpg').read_bytes()
    found = []
    for config in (tiny_config, packed_config):
        cfg = loaded(config, ['+model.decode_head.loss_decode.type=CrossEntropyLoss',
                              '+model.decode_head.loss_decode.class_weight=median_freq'])
        cfg.work_dir = str(tmp_path / 'run')
        found.append(SegRunner.from_cfg(cfg).model.decode_head.loss_decode[0].class_weight)
    assert torch.equal(*found)


def test_a_pack_of_other_classes_stops_before_anything_is_built(tiny_config, packed_config, tmp_path):
    cfg = loaded(packed_config, ['num_classes=4'])
    cfg.work_dir = str(tmp_path / 'run')
    with pytest.raises(ConfigError, match='model.num_classes is 4, but the dataset of train_dataloader has 3 classes'):
        SegRunner.from_cfg(cfg)
    cfg = loaded(packed_config)
    cfg.work_dir = str(tmp_path / 'run')
    cfg.val_dataloader = loaded(tiny_config).val_dataloader
    cfg.val_dataloader.dataset.metainfo.classes = ('ground', 'red', 'green')
    with pytest.raises(ConfigError, match='the same classes in another order; class 1 is .green. in train_dataloader'):
        SegRunner.from_cfg(cfg)
    assert dataset_meta_of_config(loaded(packed_config))['classes'] == ('ground', 'green', 'red')


def test_keys_of_a_folder_are_refused_by_the_config(packed_config):
    with pytest.raises(ConfigError, match="PackedDataset takes no 'data_prefix'"):
        loaded(packed_config, ['+train_dataloader.dataset.data_prefix.img_path=x'])
    with pytest.raises(ConfigError, match='train_dataloader.dataset.ann_file'):
        loaded(packed_config, ['train_dataloader.dataset.ann_fil=x'])
    cfg = loaded(packed_config, ['data_root=elsewhere', 'crop_size=(16, 16)'])
    assert cfg.val_dataloader.dataset.data_root == 'elsewhere'
    assert cfg.train_dataloader.dataset.pipeline[2].crop_size == (16, 16)


@pytest.mark.slow
def test_the_command(tiny_config, tmp_path, capsys):
    out = tmp_path / 'packs'
    made = subprocess.run([sys.executable, str(TOOL), str(tiny_config), str(out), '--nproc', '2'],
                          capture_output=True, text=True, cwd=ROOT)
    assert made.returncode == 0, made.stderr
    lines = [line.split(': ', 1)[1] for line in made.stdout.splitlines() if ' samples: dict(' in line]
    sizes = [len(DATASETS.build(eval(line, dict(dict=dict)))) for line in lines]
    assert sizes == [7, 5] and sorted(path.name for path in out.iterdir()) == ['train.lmdb', 'val.lmdb']
    damaged = (out / 'val.lmdb').read_bytes()
    photo = (tmp_path / 'data/JPEGImages/im08.jpg').read_bytes()
    (out / 'val.lmdb').write_bytes(damaged.replace(photo, photo[:100] + b'?' + photo[101:]))
    main = runpy.run_path(str(TOOL))['main']
    with pytest.raises(SystemExit) as left:
        run(main, ['--verify', str(out / 'train.lmdb'), str(out / 'val.lmdb'), '--nproc', '1'])
    said = capsys.readouterr()
    assert left.value.code == 2
    assert 'train.lmdb: whole; 7 samples of BaseSegDataset, 3 classes, with masks' in said.out
    assert '#1/image/JPEGImages/im08.jpg: its checksum is' in said.err
    assert said.err.startswith('error: 1 of the records of') and len(said.err.splitlines()) <= 4
    for wrong in ([], [str(tiny_config)], ['--verify'], [str(tiny_config), str(out), '--verify', 'x.lmdb']):
        with pytest.raises(SystemExit) as left:
            run(main, wrong)
        assert left.value.code == 2 and 'Traceback' not in capsys.readouterr().err


def test_a_second_run_leaves_what_is_whole_and_replaces_nothing_unasked(tiny_config, tmp_path, capsys):
    cfg, out = loaded(tiny_config), str(tmp_path / 'packs')
    own = dict(splits=['train'], processes=1)
    pack_splits(cfg, out, **own)
    path = tmp_path / 'packs/train.lmdb'
    before, time = path.read_bytes(), path.stat().st_mtime_ns
    assert pack_splits(cfg, out, **own) == dict(train=7) and 'holds these files already' in capsys.readouterr().out
    assert path.stat().st_mtime_ns == time

    def refused(reason, cfg=cfg, what='is not the pack that would be written'):
        with pytest.raises(ConfigError, match=f'train.lmdb is there, and {what}: .*{reason}'):
            pack_splits(cfg, out, **own)

    path.write_bytes(before[:5000])
    refused('is cut short', what='is damaged')
    photo = (tmp_path / 'data/JPEGImages/im03.jpg').read_bytes()
    path.write_bytes(before.replace(photo, photo[:100] + b'?' + photo[101:]))
    refused('#3/image/JPEGImages/im03.jpg: its checksum is', what='is damaged')
    path.write_bytes(before)
    fewer, other = copy.deepcopy(cfg), copy.deepcopy(cfg)
    fewer.train_dataloader.dataset.indices = 4
    refused('it has 7 samples, the config 4', fewer)
    fewer.train_dataloader.dataset.indices = [1, 2]
    refused('sample 0 is JPEGImages/im00.jpg in it and JPEGImages/im01.jpg in the config', fewer)
    other.train_dataloader.dataset.metainfo.classes = ('ground', 'red', 'green')
    refused('its classes differ, first 1: green, not red.\n--overwrite', other)
    other.train_dataloader.dataset.metainfo.classes = [f'c{i}' for i in range(13)]
    other.train_dataloader.dataset.metainfo.palette = None
    refused(r'its classes are ground, green, red; those of the config c0, .*, c7, ... \(13 in all\).\n', other)
    (tmp_path / 'data/JPEGImages/im03.jpg').write_bytes(photo[:-2] + b'more\xff\xd9')
    refused('im03.jpg has changed since it was packed')
    assert path.read_bytes() == before
    pack_splits(cfg, out, overwrite=True, **own)
    assert path.read_bytes() != before and pack_splits(cfg, out, **own) == dict(train=7)


def test_a_folder_in_the_place_of_a_pack_is_told_before_anything_is_packed(tiny_config, tmp_path):
    (tmp_path / 'packs/val.lmdb').mkdir(parents=True)
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match='val.lmdb is a folder, and the pack of val would be a file there'):
            pack_splits(loaded(tiny_config), str(tmp_path / 'packs'), overwrite=overwrite, processes=1)
    assert [path.name for path in (tmp_path / 'packs').iterdir()] == ['val.lmdb']


def test_what_cannot_be_packed(tiny_config, tmp_path):
    cfg, out = loaded(tiny_config), str(tmp_path / 'packs')
    with pytest.raises(ConfigError, match='no test_dataloader'):
        cfg.pop('test_dataloader', None)
        pack_splits(cfg, out, ['test'])
    with pytest.raises(ConfigError, match='is a folder that is read from'):
        pack_splits(cfg, str(tmp_path / 'data/JPEGImages'), ['train'])
    joined = copy.deepcopy(cfg)
    joined.train_dataloader.dataset = dict(type='ConcatDataset', ignore_keys=['label_map'], datasets=[
        cfg.train_dataloader.dataset, {**cfg.train_dataloader.dataset, 'label_map': {1: 2}}])
    with pytest.raises(ConfigError, match='joins datasets of different label_map'):
        pack_splits(joined, out, ['train'])
    photo = tmp_path / 'data/JPEGImages/im09.jpg'
    photo.write_bytes(photo.read_bytes()[:-100])
    with pytest.raises(DataError, match='im09.jpg is cut short'):
        pack_splits(cfg, out)
    assert not Path(out).exists()  # val is looked at before train is written


def test_samples_that_say_more_than_a_pack_keeps(tmp_path, tiny_config):
    from segkit.datasets import BaseSegDataset

    @DATASETS.register_module(force=True)
    class Weighted(BaseSegDataset):
        def load_data_list(self):
            return [{**info, 'weight': 2.0} for info in super().load_data_list()]

    cfg = Config(dict(train_dataloader=dict(dataset={**loaded(tiny_config).train_dataloader.dataset,
                                                     'type': 'Weighted'})))
    try:
        with pytest.raises(ConfigError, match="samples of Weighted say 'weight' of themselves"):
            pack_splits(cfg, str(tmp_path / 'packs'), ['train'])
    finally:
        DATASETS.module_dict.pop('Weighted')
