"""A CRF over saved probabilities, in folders and by the tool."""
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

from segkit.apis.crf import refine_folder, table
from segkit.datasets import parallel
from segkit.errors import ConfigError, DataError
from segkit.models.postprocess import DenseCRF

TOOL = Path(__file__).parents[2] / 'tools/analysis/crf.py'
VALUES = dict(pos_w=1, bi_rgb_std=20)


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


@pytest.mark.parametrize('change, message', [
    (lambda found: found.transpose(1, 2, 0), r'p0.npy: .*is \(H, W, K\) of its photo.\nSave them transposed'),
    (lambda found: 9 * found, '(?s)p0.npy with .*p0.png:.*softmax'),
])
def test_out_is_not_made_where_the_first_file_cannot_be_used(saved, change, message):
    np.save(saved / 'probs/p0.npy', change(np.load(saved / 'probs/p0.npy')))
    with pytest.raises(DataError, match=message):
        refine(saved, processes=1)
    assert not (saved / 'out').exists()


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
