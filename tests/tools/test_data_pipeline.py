import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from segkit.errors import ConfigError, DataError

FOLDER = Path(__file__).parents[2] / 'tools' / 'benchmarks'


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location('data_pipeline', FOLDER / 'data_pipeline.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def voc(tmp_path):
    """Two photos in VOC layout; the second mask is one of SBD's."""
    state = np.random.RandomState(0)
    for folder in ('JPEGImages', 'SegmentationClass', 'SegmentationClassAug', 'ImageSets/Segmentation'):
        (tmp_path / folder).mkdir(parents=True)
    for name, folder in (('a', 'SegmentationClass'), ('b', 'SegmentationClassAug')):
        cv2.imwrite(str(tmp_path / 'JPEGImages' / f'{name}.jpg'), state.randint(0, 256, (90, 120, 3)).astype(np.uint8))
        cv2.imwrite(str(tmp_path / folder / f'{name}.png'), state.randint(0, 3, (90, 120)).astype(np.uint8))
    (tmp_path / 'ImageSets' / 'Segmentation' / 'train.txt').write_text('a\nb\n')
    return tmp_path


def test_pairs_come_from_both_mask_folders_and_repeat(tool, voc):
    pairs = tool.find_pairs(voc, 'train', 5)
    assert [Path(image).stem for image, _ in pairs] == list('ababa')
    assert [Path(mask).parent.name for _, mask in pairs[:2]] == ['SegmentationClass', 'SegmentationClassAug']


@pytest.mark.slow
def test_a_side_compared_with_itself_is_identical(tool, voc):
    """Both sides here are segkit's, so only the protocol is tested; the peer needs its own environment."""
    pairs = tool.find_pairs(voc, 'train', 3)
    sides = [tool.Side('segkit', sys.executable, pairs) for _ in range(2)]
    for side in sides:
        side.time_block()
    text = tool.report(*sides, samples=3)
    assert 'identical samples: 3 of 3' in text
    assert '| PhotoMetricDistortion, CPU ms/image |' in text
    assert 'ratio by CPU time: x' in text
    for side in sides:
        assert side.close() == 0


def test_a_peer_that_cannot_start_is_explained(tool, voc):
    with pytest.raises(ConfigError, match="No module named 'mmseg'"):
        tool.Side('mmseg', sys.executable, tool.find_pairs(voc, 'train', 1))


def test_missing_data_and_peer_are_explained(tool, voc, monkeypatch):
    monkeypatch.delenv('SEGKIT_PEER_PYTHON', raising=False)
    with pytest.raises(ConfigError, match='pip install .onedl-mmsegmentation'):
        tool.main(['--data-root', str(voc), '--split', 'train', '--peer'])
    with pytest.raises(DataError, match="val.txt' is missing"):
        tool.main(['--data-root', str(voc), '--split', 'val'])
    monkeypatch.delenv('SEGKIT_DATA', raising=False)
    with pytest.raises(ConfigError, match='--data-root'):
        tool.main([])
