"""A CRF over saved probabilities, in test.py and in predict.py: the same classes each way."""
import importlib.util
import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segkit.apis import predict, test, test_modes
from segkit.apis.cli import run
from segkit.apis.crf import refine_folder, table
from segkit.apis.inference import inference_model, init_model
from segkit.config import load_config
from segkit.datasets import parallel
from segkit.errors import ConfigError, DataError
from segkit.models.postprocess import DenseCRF
from segkit.registry import MODELS

TOOL = Path(__file__).parents[2] / 'tools/analysis/crf.py'
VALUES = dict(pos_w=1, bi_rgb_std=20)
CRF = "model.test_cfg.crf=dict(type='DenseCRF', pos_w=1, bi_rgb_std=20)"


@pytest.fixture
def saved(tmp_path):
    """Folders of four photos, their probabilities and their true masks."""
    rng = np.random.RandomState(0)
    for folder in ('photos', 'probs', 'masks'):
        (tmp_path / folder).mkdir()
    for i in range(4):
        label = np.zeros((30 + i, 40), np.uint8)
        label[8:20, 10:28] = 1 + i % 2
        photo = np.array([[60, 60, 60], [200, 80, 40], [40, 90, 210]])[label] + rng.randint(0, 9, (*label.shape, 3))
        cv2.imwrite(str(tmp_path / f'photos/p{i}.png'), photo)
        scores = 2.0 * np.eye(3)[np.roll(label, (3, -2), (0, 1))].transpose(2, 0, 1) + rng.rand(3, *label.shape)
        powers = np.exp(scores)
        np.save(tmp_path / f'probs/p{i}.npy', (powers / powers.sum(0)).astype(np.float16))
        label[0] = 255
        cv2.imwrite(str(tmp_path / f'masks/p{i}.png'), label)
    return tmp_path


@pytest.fixture
def varied(tiny_config, tmp_path):
    """(config file, checkpoint) of random weights whose classes differ within a photo."""
    torch.manual_seed(0)
    model = MODELS.build(load_config(str(tiny_config)).model).eval()
    last = model.decode_head.conv_seg
    with torch.no_grad():
        nn.init.normal_(last.weight)
        nn.init.zeros_(last.bias)
        photo = torch.from_numpy(cv2.imread(str(tmp_path / 'data/JPEGImages/im07.jpg')).transpose(2, 0, 1).copy())
        scores = model(model.data_preprocessor(dict(inputs=[photo]))['inputs'])[0]
        last.weight *= 2 / scores.std(dim=(1, 2)).mean()
        last.bias -= scores.mean(dim=(1, 2)) * 2 / scores.std(dim=(1, 2)).mean()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'varied.pth')
    return tiny_config, tmp_path / 'varied.pth'


def refine(root, out='out', **more):
    return refine_folder(*(str(root / name) for name in ('probs', 'photos', out)), **more)


def masks(folder):
    return {path.name: np.array(Image.open(path)) for path in sorted(folder.glob('*.png'))}


def test_masks_and_scores(saved, capsys):
    scores = refine(saved, masks=str(saved / 'masks'), processes=1)
    found, confusion = masks(saved / 'out'), np.zeros((2, 3, 3), int)
    for name, refined in found.items():
        probabilities = np.load(saved / f'probs/{Path(name).stem}.npy').astype(np.float32)
        photo = np.array(Image.open(saved / f'photos/{name}'))
        assert np.array_equal(refined, DenseCRF()(torch.from_numpy(probabilities), photo).argmax(0).numpy())
        label = np.array(Image.open(saved / f'masks/{name}'))
        for counts, one in zip(confusion, (probabilities.argmax(0), refined)):
            np.add.at(counts, (label[label != 255], one[label != 255]), 1)
    assert len(found) == 4 and Image.open(saved / 'out/p0.png').mode == 'P'
    for counts, row in zip(confusion, scores.values()):
        hits = np.diag(counts)
        assert row['mIoU'] == pytest.approx(100 * (hits / (counts.sum(0) + counts.sum(1) - hits)).mean())
        assert row['aAcc'] == pytest.approx(100 * hits.sum() / counts.sum())
        assert row['mAcc'] == pytest.approx(100 * (hits / counts.sum(1)).mean())
    assert scores['with']['mIoU'] > scores['without']['mIoU'] + 5
    said = json.loads((saved / 'out/crf.json').read_text())
    rows = [line.split(',') for line in (saved / 'out/photos.csv').read_text().splitlines()]
    assert rows[0] == ['photo', 'without', 'with'] and [row[0] for row in rows[1:]] == list(found)
    last = np.array(Image.open(saved / 'masks/p3.png'))
    assert float(rows[4][2]) == pytest.approx(100 * (found['p3.png'] == last)[last != 255].mean(), abs=1e-3)
    assert said['crf'] == str(DenseCRF()) and said['with'] == scores['with'] and said['photos'] == 4
    assert [line.split()[0] for line in table(scores)] == ['mIoU', 'without', 'with'] and table({}) == []
    assert '4 masks written' in capsys.readouterr().out


def test_several_processes_are_one(saved):
    scores = [refine(saved, f'out{n}', masks=str(saved / 'masks'), values=VALUES, processes=n) for n in (1, 2)]
    assert scores[0] == scores[1]
    one, two = (masks(saved / f'out{n}') for n in (1, 2))
    assert one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def test_a_second_run_goes_on(saved, capsys):
    wanted = refine(saved, masks=str(saved / 'masks'), processes=1)
    whole = masks(saved / 'out')
    (saved / 'out/p1.png').unlink()
    times = {path.name: path.stat().st_mtime_ns for path in (saved / 'out').glob('*.png')}
    assert refine(saved, masks=str(saved / 'masks'), processes=1) == wanted
    assert '1 masks written to' in (said := capsys.readouterr().out) and ', 3 were there' in said
    assert all((saved / 'out' / name).stat().st_mtime_ns == time for name, time in times.items())
    assert np.array_equal(masks(saved / 'out')['p1.png'], whole['p1.png'])
    swapped = np.load(saved / 'probs/p0.npy')[[1, 0, 2]]
    np.save(saved / 'probs/p0.npy', swapped)
    cv2.imwrite(str(saved / 'photos/p2.png'), cv2.imread(str(saved / 'photos/p2.png'))[::-1])
    for path in ('probs/p0.npy', 'photos/p2.png'):
        os.utime(saved / path, (1, 1))  # older than their masks, as a copy that keeps times is
    (saved / 'probs/p3.npy').rename(saved / 'p3.npy')  # what a run leaves out stays as it is
    refine(saved, processes=1)
    assert (said := capsys.readouterr().out).startswith('2 masks are made anew') and ', 1 were there' in said
    anew = masks(saved / 'out')
    assert [np.array_equal(anew[name], whole[name]) for name in sorted(whole)] == [False, True, False, True]
    (saved / 'p3.npy').rename(saved / 'probs/p3.npy')
    refine(saved, processes=1)
    assert '0 masks written to' in capsys.readouterr().out


def test_masks_of_other_values_are_not_mixed(saved):
    refine(saved, processes=1)
    with pytest.raises(ConfigError, match=r'(?s)holds masks of another run.*crf=DenseCRF\(.*pos_w=3.*now.*pos_w=1'):
        refine(saved, values=VALUES, processes=1)


def test_masks_of_other_photos_are_not_mixed(saved):
    refine(saved, processes=1)
    shutil.copytree(saved / 'photos', saved / 'others')
    with pytest.raises(ConfigError, match='(?s)holds masks of other photos.*p0.png is of .*photos/p0.png.*now: .*oth'):
        refine_folder(str(saved / 'probs'), str(saved / 'others'), str(saved / 'out'), processes=1)


def test_a_run_that_was_stopped_leaves_no_old_mask(saved, monkeypatch):
    refine(saved, processes=1)
    cv2.imwrite(str(saved / 'photos/p3.png'), np.zeros((33, 40, 3), np.uint8))
    with monkeypatch.context() as patch:
        patch.setattr('segkit.apis.crf.map_in_order', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            refine(saved, processes=1)
    refine(saved, processes=1)
    refine(saved, 'wanted', processes=1)
    assert np.array_equal(masks(saved / 'out')['p3.png'], masks(saved / 'wanted')['p3.png'])


@pytest.mark.parametrize('cores, system', [(1, 'linux'), (2, 'darwin')])
def test_the_caller_s_threads_stay(saved, monkeypatch, cores, system):
    monkeypatch.setattr(parallel, 'usable_cores', lambda: cores)
    monkeypatch.setattr(parallel.sys, 'platform', system)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        refine(saved, values=dict(iter_max=1))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_two_classes_by_a_threshold(saved):
    for path in (saved / 'probs').iterdir():
        found = np.load(path)
        np.save(path, np.stack([found[0], found[1:].sum(0)]))
    for path in (saved / 'masks').iterdir():
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.where(label == 2, 1, label))
    low, half, none = (refine(saved, name, masks=str(saved / 'masks'), processes=1, threshold=threshold)
                       for name, threshold in (('low', 0.3), ('half', 0.5), ('none', None)))
    assert half == none and low['without'] != half['without']
    for path in sorted((saved / 'probs').iterdir()):
        found, photo = np.load(path).astype(np.float32), np.array(Image.open(saved / f'photos/{path.stem}.png'))
        wanted = DenseCRF()(torch.from_numpy(found), photo)[1].numpy() > 0.3
        assert np.array_equal(masks(saved / 'low')[f'{path.stem}.png'], wanted)
    assert json.loads((saved / 'low/crf.json').read_text())['threshold'] == 0.3
    with pytest.raises(ConfigError, match='(?s)masks of another run.*threshold=0.3'):
        refine(saved, 'low', processes=1)


@pytest.mark.parametrize('threshold, message', [(0.3, '(?s)--threshold 0.3 is for a binary head; .*p0.npy has 3 cla'),
                                                (30, 'expected a probability, 0 to 1; got 30')])
def test_thresholds_that_cannot_be(saved, threshold, message):
    with pytest.raises(ConfigError, match=message):
        refine(saved, threshold=threshold)
    assert not (saved / 'out').exists()


def test_masks_whose_zero_is_void(saved):
    wanted = refine(saved, 'wanted', masks=str(saved / 'masks'), processes=1)
    for path in (saved / 'masks').iterdir():
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.where(label == 255, 0, label + 1))
    found = refine(saved, masks=str(saved / 'masks'), processes=1, reduce_zero_label=True)
    assert found == wanted and json.loads((saved / 'out/crf.json').read_text())['reduce_zero_label'] is True


def test_masks_of_something_else_are_left(saved):
    (saved / 'out').mkdir()
    (saved / 'out/p1.png').write_bytes(b'mine')
    with pytest.raises(ConfigError, match='(?s)not of a run of crf.py, such as .*p1.png.*another folder'):
        refine(saved, processes=1)
    assert [path.name for path in (saved / 'out').iterdir()] == ['p1.png']


def break_file(root):
    (root / 'probs/p2.npy').write_bytes(b'nothing')


@pytest.mark.parametrize('harm, message', [
    (break_file, 'p2.npy cannot be read as an array'),
    (lambda root: np.save(root / 'probs/p2.npy', np.zeros((3, 4), np.float32)), r'p2.npy: expected probabilities'),
    (lambda root: np.save(root / 'probs/p2.npy', np.full((3, 32, 40), 2.0)), r'(?s)p2.npy with .*p2.png.*softmax'),
    (lambda root: np.save(root / 'probs/p2.npy', np.full((4, 9, 40), .25)), r'(?s)p2.npy with .*do not fit a photo of'),
    (lambda root: (root / 'photos/p2.png').unlink(), r'p2.npy: expected one photo p2.\* in .*found photos: none'),
    (lambda root: cv2.imwrite(str(root / 'photos/p2.jpg'), np.zeros((32, 40, 3))), r'found photos: p2.jpg, p2.png'),
    (lambda root: np.savez(root / 'probs/p2.npz', np.zeros(3)), 'found two files of probabilities'),
    (lambda root: (root / 'masks/p2.png').unlink(), '(?s)p2.npy has no true mask .*p2.png.*--masks'),
    (lambda root: cv2.imwrite(str(root / 'masks/p2.png'), np.full((32, 40), 3, np.uint8)), 'p2.png: label 3; expec'),
    (lambda root: cv2.imwrite(str(root / 'masks/p2.png'), np.zeros((9, 9), np.uint8)), r'the mask is \(9, 9\)'),
])
def test_files_that_do_not_fit(saved, harm, message):
    harm(saved)
    with pytest.raises(DataError, match=message):
        refine(saved, masks=str(saved / 'masks'), processes=1)


def test_folders_that_cannot_be(saved):
    (saved / 'empty').mkdir()
    with pytest.raises(DataError, match='There is no folder'):
        refine_folder(str(saved / 'none'), str(saved / 'photos'), str(saved / 'out'))
    with pytest.raises(DataError, match='(?s)holds no probabilities.*--save-probs'):
        refine_folder(str(saved / 'empty'), str(saved / 'photos'), str(saved / 'out'))
    with pytest.raises(ConfigError, match='OUT .* is a folder that is read from'):
        refine(saved, 'masks', masks=str(saved / 'masks'))


def call(*line):
    return subprocess.run([sys.executable, str(TOOL), *map(str, line)], capture_output=True, text=True)


def test_the_tool(saved, capsys):
    done = call(saved / 'probs', saved / 'photos', saved / 'out', '--masks', saved / 'masks', '--pos-w', '1',
                '--bi-rgb-std', '20', '--processes', '2')
    assert done.returncode == 0, done.stderr
    wanted = refine(saved, 'wanted', masks=str(saved / 'masks'), values=VALUES, processes=1)
    assert f'with CRF    {wanted["with"]["mIoU"]:8.2f}' in done.stdout and '4/4 photos' in done.stdout
    specification = importlib.util.spec_from_file_location('crf_tool', TOOL)
    tool = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tool)
    with pytest.raises(SystemExit):
        tool.parse_args(['probs', 'out', '--bi-xy', '20'])
    assert '--bi-xy' in capsys.readouterr().err
    folders = [(args.probabilities, args.photos, args.out) for args in map(tool.parse_args, (
        ['p', 'q', '--pos-w', '1'], ['p', '--pos-w', '1', 'q'], ['p', '--pos-w', '1', 'photos', 'q']))]
    assert folders == [('p', None, 'q'), ('p', None, 'q'), ('p', 'photos', 'q')]
    with pytest.raises(SystemExit):
        tool.parse_args(['--help'])
    help_text = ' '.join(capsys.readouterr().out.split())
    for name in inspect.signature(DenseCRF).parameters:
        assert f'--{name.replace("_", "-")} ' in help_text
    usual = [one.default for one in inspect.signature(DenseCRF).parameters.values()]
    assert [f'(default: {value})' for value in usual] == [
        part for part in help_text.replace(' (', '\n(').replace(')', ')\n').splitlines()
        if part.startswith('(default: ')][2:9]


def test_online_is_offline(varied, tmp_path):
    """test.py with a CRF gives the masks of crf.py over what test.py saves; with and without views."""
    config, checkpoint = varied
    for views in ([], ['--tta']):
        out = tmp_path / f'out{len(views)}'
        test.main([str(config), str(checkpoint), '--work-dir', str(out), '--out', str(out / 'online'), *views,
                   '--save-probs', str(out / 'probs'), '--cfg-options', CRF])
        scores = refine_folder(str(out / 'probs'), None, str(out / 'offline'), values=VALUES, processes=1)
        online, offline = masks(out / 'online'), masks(out / 'offline')
        assert len(online) == 5 and online.keys() == offline.keys()
        for name, mask in online.items():
            probabilities = np.load(out / f'probs/{Path(name).stem}.npy')
            assert (mask == offline[name]).mean() > 0.99  # float16 in the files
            assert probabilities.shape == (3, *mask.shape) and (mask != probabilities.argmax(0)).any()
        metrics = json.loads((out / ('test_tta' if views else 'test') / 'metrics.json').read_text())
        assert scores['with']['mIoU'] == pytest.approx(metrics['mIoU'], abs=0.5)
        assert 'post-processing: DenseCRF(iter_max=10, pos_w=1' in (
            out / ('test_tta' if views else 'test') / 'test.log').read_text()


@pytest.fixture
def cities(tiny_config, tmp_path):
    """What test.py saved of a binary network with a low threshold on photos in folders of cities, and its scores.

    The stored labels are 7 for class 1, 0 for void and others for class 0.
    """
    root = tmp_path / 'cities'
    for i, city in enumerate(('aa', 'aa', 'bb')):
        for folder in ('leftImg8bit', 'gtFine'):
            (root / folder / city).mkdir(parents=True, exist_ok=True)
        name = f'{city}_{i}'
        photo = cv2.imread(str(tmp_path / f'data/JPEGImages/im{i:02d}.jpg'))
        cv2.imwrite(str(root / f'leftImg8bit/{city}/{name}_leftImg8bit.png'), photo)
        label = cv2.imread(str(tmp_path / f'data/SegmentationClass/im{i:02d}.png'))[..., 0]
        stored = np.select([label == 255, label == 1], [0, 7], 3).astype(np.uint8)
        cv2.imwrite(str(root / f'gtFine/{city}/{name}_gtFine_labelIds.png'), stored)
    data = dict(type='BaseSegDataset', data_root=str(root), img_suffix='_leftImg8bit.png',
                seg_map_suffix='_gtFine_labelIds.png', label_map={0: 255, 3: 0, 7: 1},
                data_prefix=dict(img_path='leftImg8bit', seg_map_path='gtFine'),
                metainfo=dict(classes=('other', 'green'), palette=[[0, 0, 0], [0, 200, 0]]),
                pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')])
    config = tmp_path / 'cities.py'
    config.write_text(f'_base_ = "tiny.py"\nmodel = dict(num_classes=2, decode_head=dict(out_channels=1, loss_decode='
                      f'dict(type="CrossEntropyLoss", use_sigmoid=True)))\ntest_dataloader = dict(batch_size=1, '
                      f'num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False), dataset={data!r})\n'
                      'test_evaluator = dict(type="IoUMetric")\ntest_cfg = dict(type="TestLoop")\n')
    torch.manual_seed(0)
    model = MODELS.build(load_config(str(config)).model)
    nn.init.normal_(model.decode_head.conv_seg.weight, std=2)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'cities.pth')
    test.main([str(config), str(tmp_path / 'cities.pth'), '--work-dir', str(tmp_path / 'run'), '--save-probs',
               str(tmp_path / 'probs')])
    return tmp_path, json.loads((tmp_path / 'run/test/metrics.json').read_text())


def test_scores_without_are_those_of_test_py(cities, capsys):
    """Photos, masks, labels and threshold are as in the test; also once the files were moved."""
    tmp_path, metrics = cities
    one = np.load(tmp_path / 'probs/aa_0_leftImg8bit.npy')[1].astype(np.float32)
    between = ((one > 0.3) & (one < 0.5)).mean()
    assert between > 0.05  # the threshold matters
    probabilities = str(tmp_path / 'probs')
    found = refine_folder(probabilities, None, str(tmp_path / 'out'), processes=1)
    for key in ('mIoU', 'aAcc', 'mAcc'):
        assert found['without'][key] == pytest.approx(metrics[key], abs=0.1)  # float16 in the files
    photo = cv2.imread(str(tmp_path / 'cities/leftImg8bit/aa/aa_0_leftImg8bit.png'))[..., ::-1].copy()
    given = torch.from_numpy(np.load(tmp_path / 'probs/aa_0_leftImg8bit.npy').astype(np.float32))
    refined = DenseCRF()(given, photo)[1].numpy() > 0.3
    assert np.array_equal(masks(tmp_path / 'out')['aa_0_leftImg8bit.png'], refined)
    said = json.loads((tmp_path / 'out/crf.json').read_text())
    assert said['threshold'] == 0.3 and said['index'].endswith('probs/index.json') and said['ignore_index'] == 255
    (tmp_path / 'cities').rename(tmp_path / 'moved')
    with pytest.raises(DataError, match='(?s)aa_0_leftImg8bit.npy: its photo .*not there any more.*PHOTOS OUT'):
        refine_folder(probabilities, None, str(tmp_path / 'out2'))
    with pytest.raises(DataError, match='(?s)aa_0_leftImg8bit.npy: its photo .*is not below .*gtFine'):
        refine_folder(probabilities, str(tmp_path / 'moved/gtFine'), str(tmp_path / 'out2'))
    capsys.readouterr()
    assert refine_folder(probabilities, str(tmp_path / 'moved'), str(tmp_path / 'out2'), processes=1) == {}
    assert 'not scored, 3 of 3 masks are not there: aa_0_leftImg8bit.npy had' in capsys.readouterr().out
    again = refine_folder(probabilities, str(tmp_path / 'moved/leftImg8bit'), str(tmp_path / 'out2'),
                          str(tmp_path / 'moved/gtFine'), processes=1)
    assert again == found
    with pytest.raises(ConfigError, match='(?s)--reduce-zero-label: .*index.json says'):
        refine_folder(probabilities, str(tmp_path / 'moved'), str(tmp_path / 'out3'), reduce_zero_label=True)


def test_the_flag_is_the_usual_one(varied, tmp_path):
    config, checkpoint = varied
    outs = []
    for name, line in (('flag', ['--crf']), ('config', ['--cfg-options', "model.test_cfg.crf=dict(type='DenseCRF')"])):
        predict.main([str(tmp_path / 'data/JPEGImages/im07.jpg'), str(config), str(checkpoint), '--out-dir',
                      str(tmp_path / name), *line])
        outs.append(np.array(Image.open(tmp_path / name / 'im07_mask.png')))
    model = init_model(str(config), str(checkpoint), cfg_options={'model.test_cfg.crf': dict(type='DenseCRF')})
    photo = cv2.imread(str(tmp_path / 'data/JPEGImages/im07.jpg'))
    sample = inference_model(model, photo)  # an array has no file
    wanted = DenseCRF()(sample.seg_logits.data.softmax(0), photo[..., ::-1].copy()).argmax(0).numpy()
    assert (wanted != sample.seg_logits.data.argmax(0).numpy()).any()
    for mask in (*outs, sample.pred_sem_seg.data[0].numpy()):
        assert np.array_equal(mask, wanted)
    predict.main([str(tmp_path / 'data/JPEGImages/im07.jpg'), str(config), str(checkpoint), '--out-dir',
                  str(tmp_path / 'own'), '--crf', '--cfg-options', CRF])  # the config's own one stays
    assert not np.array_equal(np.array(Image.open(tmp_path / 'own/im07_mask.png')), wanted)


def test_modes_use_it_too(varied, tmp_path):
    config, checkpoint = varied
    test_modes.main([str(config), str(checkpoint), '--out-dir', str(tmp_path / 'modes'), '--cfg-options', CRF])
    facts = json.loads((tmp_path / 'modes/test_modes.json').read_text())
    for views, mode in (([], facts['modes'][0]), (['--tta'], facts['modes'][-1])):
        out = tmp_path / f'run{len(views)}'
        test.main([str(config), str(checkpoint), '--work-dir', str(out), *views, '--cfg-options', CRF])
        scores = json.loads((out / ('test_tta' if views else 'test') / 'metrics.json').read_text())
        assert mode['mIoU'] == pytest.approx(scores['mIoU'], abs=1e-9)


@pytest.mark.parametrize('line, message', [
    ('model.test_cfg.crf=dict(type="DenseCRF", bi_xy=67)', 'model.test_cfg.crf.bi_xy'),
    ('model.test_cfg.crf=dict(type="DenceCRF")', "'DenceCRF' is not a registered post-processing step"),
    ('model.test_cfg.crf=dict(iter_max=3)', "model.test_cfg.crf needs the key 'type'"),
    ('model.test_cfg.crf=dict(type="DenseCRF", pos_w="a")', 'model.test_cfg.crf.pos_w: expected a number'),
    ('model.test_cfg.crff=dict(type="DenseCRF")', 'model.test_cfg.crff'),
])
def test_slips_are_refused_before_anything_is_built(tiny_config, line, message):
    with pytest.raises(ConfigError, match=message):
        load_config(str(tiny_config), [line])


def test_a_slip_ends_the_tool(tiny_config, capsys):
    with pytest.raises(SystemExit) as left:
        run(test.main, [str(tiny_config), 'none.pth', '--cfg-options',
                        'model.test_cfg.crf=dict(type="DenseCRF", bi_x=1)'])
    assert left.value.code == 2 and 'model.test_cfg.crf.bi_x' in capsys.readouterr().err
