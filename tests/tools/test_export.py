"""The benchmark of exports: weights that behave as learnt, photos of many sizes, and the page."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

FOLDER = Path(__file__).parents[2] / 'tools/benchmarks'
TINY = """
model = dict(
    type='EncoderDecoder', num_classes=4, norm_cfg=dict(type='SyncBN'),
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True),
    backbone=dict(type='ResNetV1c', depth=18, base_channels=4, stem_channels=4, output_stride=16),
    decode_head=dict(type='FCNHead', channels=4, num_convs=1), test_cfg=dict(mode='whole'))
test_pipeline = []
"""


@pytest.fixture
def tool(monkeypatch):
    """tools/benchmarks/export.py as a module; its name is also that of a module of segkit.apis."""
    import importlib.util
    monkeypatch.setattr(sys, 'path', [str(FOLDER), *sys.path])
    spec = importlib.util.spec_from_file_location('benchmark_of_exports', FOLDER / 'export.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_scores_of_random_weights_spread_in_each_class(tool, tmp_path):
    from segkit.registry import MODELS
    model = MODELS.build(dict(
        type='EncoderDecoder', num_classes=7, norm_cfg=dict(type='SyncBN'),
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[120.] * 3, std=[60.] * 3),
        backbone=dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, output_stride=16),
        decode_head=dict(type='ASPPHead', channels=8)))
    rng, photos = np.random.default_rng(0), [str(tmp_path / f'{i}.png') for i in range(4)]
    for photo in photos:
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((80, 60)).save(photo)
    tool.behave_as_learnt(model, photos)
    parts = [torch.from_numpy(np.array(Image.open(photo).resize((257, 257)))[..., ::-1].copy()) for photo in photos]
    batch = torch.stack(parts).permute(0, 3, 1, 2)
    with torch.no_grad():
        scores = model(model.data_preprocessor(dict(inputs=batch))['inputs'])
    assert not model.training and len(scores.argmax(1).unique()) > 3
    assert scores.transpose(0, 1).flatten(1).std(1).sub(5).abs().max() < 1


def test_photos_of_different_sizes(tool, data_pack):
    photos = tool.photos_in(data_pack, 6)
    sizes = [Image.open(photo).size for photo in photos]
    assert len(set(sizes)) == 6 and sum('COCO_sample' in photo for photo in photos) == 2


def test_the_page_says_the_worse_share(tool):
    row = dict(photo=[10, 10], agreement=1.0, inside=0.9995, difference=2e-5, lowest=-4.0, highest=9.0, found=[0, 3])
    times = dict(median_ms=20.0, batches=9, core_share=0.97)
    facts = dict(about='random weights', machine='a machine', size=[33, 65],
                 settings=dict(photos=['a.jpg'], size=[33, 65], rounds=2, number=3, threads=1, torch='2.0'),
                 files={'ONNX, any size': dict(megabytes=1.5, rows=[row, dict(row, inside=None, difference=1e-5)])},
                 latency={'torch, eager': dict(times, median_ms=31.0), 'ONNX, any size': times})
    before = 'By hand.\n\n' + tool.START + '\nEARLIER\n'
    page = tool.page(before, dict(net=facts))
    assert page.startswith('By hand.\n\n' + tool.START) and 'EARLIER' not in page
    assert tool.page(page, dict(net=facts)) == page and tool.page('', dict(net=facts)).startswith(tool.START)
    assert '| net | ONNX, any size | 1.5 MB | 2.0e-05 | -4.0 to 9.0 | 99.9750% | 2 | 20 ms |' in page
    assert '| net | (torch, eager) | | | | | | 31 ms |' in page
    assert '--photos 1 --size 33 65 --rounds 2 --number 3' in page and '97% to 97% of a core' in page
    assert (FOLDER.parents[1] / 'docs/export.md').read_text().count(tool.START) == 1


def test_a_network_and_its_files_are_measured(tool, tmp_path, monkeypatch, capsys):
    for i, size in enumerate(((80, 60), (70, 50), (66, 90))):
        for folder in (('VOC2012/JPEGImages', 'COCO_sample/val') if i else ('VOC2012/JPEGImages',)):
            path = tmp_path / folder / f'{i}.jpg'
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(noise).resize(size).save(path)
    (tmp_path / 'tiny.py').write_text(TINY)
    monkeypatch.setattr(tool, 'NETWORKS', dict(tiny=tmp_path / 'tiny.py'))
    monkeypatch.setattr(tool, 'FILES', {'torch.export, fixed': ('torch-export', True, False)})
    page = tmp_path / 'page.md'
    page.write_text('By hand.\n')
    line = ['--data-root', str(tmp_path), '--only', 'tiny', '--photos', '2', '--size', '65', '65', '--rounds', '1',
            '--number', '1', '--work-dir', str(tmp_path / 'work'), '--page', str(page)]
    tool.main(line)
    said = capsys.readouterr().out
    assert 'torch.export, fixed: median ' in said and 'torch, eager: median ' in said
    text = page.read_text()
    assert text.startswith('By hand.\n\n' + tool.START) and '| tiny | torch.export, fixed | ' in text
    facts = json.loads((tmp_path / 'work/tiny.json').read_text())
    rows = facts['files']['torch.export, fixed']['rows']
    assert facts['size'] == [65, 65] and facts['about'].startswith('random weights') and len(rows) == 2
    assert set(facts['latency']) == {'torch, eager', 'torch.export, fixed'}
    assert all(row['difference'] < 1e-2 and row['agreement'] > 0.999 and row['highest'] > 5 for row in rows)
    tool.main(line)
    assert 'tiny: kept in ' in capsys.readouterr().out and page.read_text() == text
