"""What tools/benchmarks/dense_crf.py writes is what it measured, by the command line that it names."""
import importlib.util
import re
import shlex
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/benchmarks'))
import dense_crf  # noqa: E402

from segkit.errors import ConfigError  # noqa: E402


@pytest.fixture
def line(tmp_path, monkeypatch):
    """A command line over three small photos, whose probabilities are there."""
    rng = np.random.RandomState(0)
    for folder in ('JPEGImages', 'SegmentationClass', 'work/probabilities'):
        (tmp_path / folder).mkdir(parents=True)
    for name in 'abc':
        label = np.zeros((36, 44), np.uint8)
        label[9:25, 9:30] = 1
        cv2.imwrite(str(tmp_path / f'JPEGImages/{name}.jpg'), label[..., None] * 150 + rng.randint(0, 9, (36, 44, 3)))
        cv2.imwrite(str(tmp_path / f'SegmentationClass/{name}.png'), label)
        scores = rng.rand(3, 36, 44) + np.eye(3)[np.roll(label, 3)].transpose(2, 0, 1)
        np.save(tmp_path / f'work/probabilities/{name}.npy', (scores / scores.sum(0)).astype(np.float16))
    for key, value in dict(CROP=(12, 14), TIMED=(36, 44), SETS={'one step': dict(iter_max=1)},
                           PAGE=tmp_path / 'page.md', PICTURE=tmp_path / 'dense_crf.jpg').items():
        monkeypatch.setattr(dense_crf, key, value)
    return ['--data-root', str(tmp_path), '--weights', 'none', '--work-dir', str(tmp_path / 'work'), '--processes', '1',
            '--full', '1', '--rounds', '2', '--write']


def test_the_page_is_what_the_command_gives(line, tmp_path, capsys):
    (tmp_path / 'page.md').write_text('# Mine\n\n## Measured\nold\n')
    line = [*line, '--photos', '3']
    dense_crf.main(line)
    page = (tmp_path / 'page.md').read_text()
    start, _, section = page.partition('## Measured\n')
    assert start == '# Mine\n\n' and section in capsys.readouterr().out and 'old' not in section
    assert f'By `python tools/benchmarks/dense_crf.py {shlex.join(line)}` on ' in section
    assert 'the first 3 of val_2007' in section and '12x14 part of 3 photos' in section
    assert 'median of 2 calls each (2 rounds over 1 photos)' in section
    assert ('on 1 of the photos in full' in section) == (importlib.util.find_spec('pydensecrf') is not None)
    assert re.search(r'\*\*Photos\*\*: [0-3] of 3 have', section) and (tmp_path / 'dense_crf.jpg').is_file()


def test_numbers_that_cannot_be(line):
    with pytest.raises(ConfigError, match='holds the probabilities of 3 photos, not of --photos 2'):
        dense_crf.main([*line, '--photos', '2'])
    with pytest.raises(ConfigError, match='--full: expected 1 to 4; got 5'):
        dense_crf.main([*line, '--full', '5'])
