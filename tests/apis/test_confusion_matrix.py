"""confusion_matrix.py: counted from files as brute force counts, written and said."""
import csv

import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.apis import confusion_matrix
from segkit.apis import test as test_tool
from segkit.apis.cli import run
from segkit.errors import ConfigError, DataError
from segkit.evaluation import Report

CLASSES = ['ground', 'green', 'red']


def read_csv(path):
    rows = list(csv.reader(open(path)))
    assert rows[0] == ['true / predicted', *CLASSES] and [row[0] for row in rows[1:]] == CLASSES
    return np.array([row[1:] for row in rows[1:]], int)


def labels(tmp_path):
    files = sorted((tmp_path / 'data/SegmentationClass').glob('*.png'))
    return {path.stem: np.array(Image.open(path)) for path in files if int(path.stem[2:]) >= 7}


def write_predictions(tmp_path, shift=0):
    """Random predictions of the five validation images, and the matrix counted pixel by pixel."""
    rng, confusion = np.random.default_rng(0), np.zeros((3, 3), int)
    (tmp_path / 'predictions').mkdir()
    for name, label in labels(tmp_path).items():
        predicted = rng.choice(3, label.shape, p=[0.5, 0.1, 0.4])
        cv2.imwrite(str(tmp_path / f'predictions/{name}.png'), predicted + shift)
        for true, guess in zip(label.ravel(), predicted.ravel()):
            if true != 255:
                confusion[true, guess] += 1
    return confusion


def test_files_are_counted_and_pairs_are_said(tiny_config, tmp_path, capsys):
    expected = write_predictions(tmp_path)
    confusion_matrix.main([str(tiny_config), str(tmp_path / 'predictions'), str(tmp_path / 'out'), '--most', '2'])
    np.testing.assert_array_equal(read_csv(tmp_path / 'out/confusion_matrix.csv'), expected)
    out = capsys.readouterr().out
    wrong = expected - np.diag(np.diag(expected))
    true, guess = np.unravel_index(wrong.argmax(), wrong.shape)
    row = [cell.strip() for line in out.splitlines() if f'{wrong.max():,}' in line for cell in line.split('|')]
    assert row[1:6] == [CLASSES[true], CLASSES[guess], f'{wrong.max():,}',
                        f'{wrong.max() / expected[true].sum():.1%}', f'{wrong.max() / wrong.sum():.1%}']
    assert 'the 2 most frequent confusions' in out and 'per cent' in out
    for name in ('confusion_matrix.png', 'confusion_matrix_normalized.png'):
        assert cv2.imread(str(tmp_path / 'out' / name)).size > 10_000


def test_a_checkpoint_and_its_written_predictions_give_one_matrix(trained_once, tmp_path):
    config, checkpoint = trained_once
    test_tool.main([str(config), str(checkpoint), '--work-dir', str(tmp_path / 'run'), '--out', str(tmp_path / 'p')])
    confusion_matrix.main([str(config), str(tmp_path / 'p'), str(tmp_path / 'a')])
    confusion_matrix.main([str(config), str(checkpoint), str(tmp_path / 'b')])
    one, other = (read_csv(tmp_path / name / 'confusion_matrix.csv') for name in 'ab')
    np.testing.assert_array_equal(one, other)
    assert one.sum() == sum((label != 255).sum() for label in labels(config.parent).values())


def test_reduce_zero_label_is_undone(tiny_config, tmp_path):
    expected = write_predictions(tmp_path, shift=1)
    for path in (tmp_path / 'data/SegmentationClass').glob('*.png'):
        mask = np.array(Image.open(path)).astype(int) + 1
        cv2.imwrite(str(path), np.where(mask == 256, 0, mask))
    options = ['--cfg-options', 'test_dataloader.dataset.reduce_zero_label=True']
    confusion_matrix.main([str(tiny_config), str(tmp_path / 'predictions'), str(tmp_path / 'out'), *options])
    np.testing.assert_array_equal(read_csv(tmp_path / 'out/confusion_matrix.csv'), expected)
    cv2.imwrite(str(tmp_path / 'predictions/im07.png'), np.zeros(labels(tmp_path)['im07'].shape))
    with pytest.raises(DataError, match='im07.png: 0 is no class'):
        confusion_matrix.main([str(tiny_config), str(tmp_path / 'predictions'), str(tmp_path / 'out'), *options])


def test_pairs_of_a_report():
    report = Report(np.array([[90, 6, 4], [0, 5, 5], [20, 0, 0]]), tuple('abc'), 1)
    pairs = report.confused_pairs(3)
    assert [(p.true, p.predicted, p.pixels) for p in pairs] == [('c', 'a', 20), ('a', 'b', 6), ('b', 'c', 5)]
    assert pairs[1].of_class == pytest.approx(0.06) and pairs[1].of_errors == pytest.approx(6 / 35)
    assert len(report.confused_pairs(10)) == 4
    perfect = Report(np.diag([3, 4]), ('a', 'b'), 1)
    assert not perfect.confused_pairs() and 'no pixel' in confusion_matrix.pairs_text(perfect, 5)


def test_missing_and_wrong_predictions(tiny_config, tmp_path, capsys):
    write_predictions(tmp_path)
    arguments = [str(tiny_config), str(tmp_path / 'predictions'), str(tmp_path / 'out')]
    (tmp_path / 'predictions/im09.png').rename(tmp_path / 'predictions/other.png')
    with pytest.raises(DataError, match=r'1 of 5 predictions are missing, the first is im09\.png'):
        confusion_matrix.main(arguments)
    cv2.imwrite(str(tmp_path / 'predictions/im09.png'), np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match='im09.jpg: prediction is 4x4'):
        confusion_matrix.main(arguments)
    assert '1 other PNG files' in capsys.readouterr().out
    cv2.imwrite(str(tmp_path / 'predictions/im09.png'), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match='holds colours'):
        confusion_matrix.main(arguments)
    assert not (tmp_path / 'out').exists()


def test_mistakes(tiny_config, tmp_path, capsys):
    with pytest.raises(ConfigError, match='is a folder that is read from'):
        confusion_matrix.main([str(tiny_config), 'x', str(tmp_path / 'data/SegmentationClass')])
    with pytest.raises(ConfigError, match='has no test_dataloader'):
        confusion_matrix.main([str(tiny_config), 'x', str(tmp_path / 'o'), '--cfg-options', 'test_dataloader=None'])
    with pytest.raises(SystemExit) as left:
        run(confusion_matrix.main, [str(tiny_config), str(tmp_path / 'none.pth'), str(tmp_path / 'o')])
    assert left.value.code == 2 and 'none.pth' in capsys.readouterr().err
