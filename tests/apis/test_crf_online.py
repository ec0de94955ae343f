"""The CRF in test.py, test_modes.py and predict.py, and over what test.py saved: the same classes and scores."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segkit.apis import predict, test, test_modes
from segkit.apis.arguments import crf_first
from segkit.apis.cli import run
from segkit.apis.crf import refine_folder
from segkit.apis.inference import inference_model, init_model
from segkit.config import load_config
from segkit.errors import ConfigError, DataError
from segkit.models.postprocess import DenseCRF
from segkit.registry import MODELS

VALUES = dict(pos_w=1, bi_rgb_std=20)
CRF = "model.test_cfg.crf=dict(type='DenseCRF', pos_w=1, bi_rgb_std=20)"


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


def masks(folder):
    return {path.name: np.array(Image.open(path)) for path in sorted(folder.glob('*.png'))}


def test_online_is_offline(varied, tmp_path, capsys):
    """test.py with a CRF gives the masks of crf.py over what test.py saves; with and without views."""
    config, checkpoint = varied
    for views in ([], ['--tta']):
        out = tmp_path / f'out{len(views)}'
        test.main([str(config), str(checkpoint), '--work-dir', str(out), '--out', str(out / 'online'), *views,
                   '--save-probs', str(out / 'probs'), '--cfg-options', CRF])
        assert f'probabilities of 5 photos saved in {out / "probs"}: ' in capsys.readouterr().out
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


def test_predict_says_it_and_takes_its_values(varied, tmp_path, capsys):
    config, checkpoint = varied
    line = [str(tmp_path / 'data/JPEGImages/im07.jpg'), str(config), str(checkpoint), '--out-dir', str(tmp_path / 'o')]
    predict.main(line)
    assert 'DenseCRF' not in capsys.readouterr().out and 'crf' not in json.loads((tmp_path / 'o/im07.json').read_text())
    predict.main([*line, '--crf', '--cfg-options', 'model.test_cfg.crf.bi_xy_std=49', 'model.test_cfg.crf.pos_w=1'])
    said = str(DenseCRF(bi_xy_std=49, pos_w=1))
    assert f'{said} decides the classes' in capsys.readouterr().out
    assert json.loads((tmp_path / 'o/im07.json').read_text())['crf'] == said


def test_test_takes_values_behind_the_flag(tiny_config):
    args = test.parse([str(tiny_config), 'none.pth', '--crf', '--cfg-options', 'model.test_cfg.crf.iter_max=3'])
    cfg = load_config(args.config, args.cfg_options, prepare=crf_first(args))
    assert cfg.model.test_cfg == dict(mode='whole', crf=dict(type='DenseCRF', iter_max=3))


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
