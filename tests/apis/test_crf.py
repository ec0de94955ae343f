"""A CRF over saved probabilities, in test.py and in predict.py: the same classes each way."""
import inspect
import json
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
from segkit.apis.crf import read_probabilities, refine_folder, table
from segkit.apis.inference import inference_model, init_model
from segkit.config import load_config
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
    np.save(saved / 'probs/p0.npy', swapped)  # newer than its mask
    refine(saved, processes=1)
    assert not np.array_equal(masks(saved / 'out')['p0.png'], whole['p0.png'])


def test_masks_of_other_values_are_not_mixed(saved):
    refine(saved, processes=1)
    with pytest.raises(ConfigError, match=r'(?s)holds masks of another run.*crf=DenseCRF\(.*pos_w=3.*now.*pos_w=1'):
        refine(saved, values=VALUES, processes=1)


def test_masks_of_something_else_are_left(saved):
    (saved / 'out').mkdir()
    (saved / 'out/p1.png').write_bytes(b'mine')
    with pytest.raises(ConfigError, match='(?s)not of a run of crf.py, such as .*p1.png.*another folder'):
        refine(saved, processes=1)
    assert [path.name for path in (saved / 'out').iterdir()] == ['p1.png']


def test_an_npz_file_of_one_array(saved):
    found = np.load(saved / 'probs/p0.npy')
    np.savez_compressed(saved / 'one.npz', probs=found)
    np.savez(saved / 'two.npz', a=found, b=found)
    assert np.array_equal(read_probabilities(str(saved / 'one.npz')), found.astype(np.float32))
    with pytest.raises(DataError, match='two.npz: expected one array; it holds a, b'):
        read_probabilities(str(saved / 'two.npz'))


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


def test_the_tool(saved):
    done = call(saved / 'probs', saved / 'photos', saved / 'out', '--masks', saved / 'masks', '--pos-w', '1',
                '--bi-rgb-std', '20', '--processes', '2')
    assert done.returncode == 0, done.stderr
    wanted = refine(saved, 'wanted', masks=str(saved / 'masks'), values=VALUES, processes=1)
    assert f'with CRF    {wanted["with"]["mIoU"]:8.2f}' in done.stdout and '4/4 photos' in done.stdout
    wrong = call(saved / 'probs', saved / 'photos', saved / 'out2', '--bi-xy', '20')
    assert wrong.returncode == 2 and '--bi-xy' in wrong.stderr
    help_text = ' '.join(call('--help').stdout.split())
    for name in inspect.signature(DenseCRF).parameters:
        assert f'--{name.replace("_", "-")} ' in help_text
    usual = [one.default for one in inspect.signature(DenseCRF).parameters.values()]
    assert [f'(default: {value})' for value in usual] == [
        part for part in help_text.replace(' (', '\n(').replace(')', ')\n').splitlines()
        if part.startswith('(default: ')][1:8]


def test_online_is_offline(varied, tmp_path):
    """test.py with a CRF gives the masks of crf.py over what test.py saves; with and without views."""
    config, checkpoint = varied
    for views in ([], ['--tta']):
        out = tmp_path / f'out{len(views)}'
        test.main([str(config), str(checkpoint), '--work-dir', str(out), '--out', str(out / 'online'), *views,
                   '--save-probs', str(out / 'probs'), '--cfg-options', CRF])
        refine_folder(str(out / 'probs'), str(tmp_path / 'data/JPEGImages'), str(out / 'offline'), values=VALUES,
                      processes=1)
        online, offline = masks(out / 'online'), masks(out / 'offline')
        assert len(online) == 5 and online.keys() == offline.keys()
        for name, mask in online.items():
            probabilities = np.load(out / f'probs/{Path(name).stem}.npy')
            assert (mask == offline[name]).mean() > 0.99  # float16 in the files
            assert probabilities.shape == (3, *mask.shape) and (mask != probabilities.argmax(0)).any()
        assert 'post-processing: DenseCRF(iter_max=10, pos_w=1' in (
            out / ('test_tta' if views else 'test') / 'test.log').read_text()


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
