"""predict.py: overlay, index mask and shares of each photo."""
import json

import numpy as np
import pytest
from PIL import Image

from segkit.apis import predict
from segkit.apis.cli import run
from segkit.errors import DataError


def test_unknown_device(trained, tmp_path, capsys):
    config, checkpoint = trained
    with pytest.raises(SystemExit) as left:
        run(predict.main, [str(tmp_path / 'data/JPEGImages'), str(config), str(checkpoint), '--out-dir',
                           str(tmp_path / 'o'), '--device', 'gpu'])
    assert left.value.code == 2
    assert capsys.readouterr().err == "error: device (--device): expected cuda:N or cpu, got 'gpu'.\n"


def test_a_gpu_that_is_asked_for_has_to_be_there(trained, tmp_path, capsys):
    config, checkpoint = trained
    line = [str(tmp_path / 'data/JPEGImages/im00.jpg'), str(config), str(checkpoint), '--out-dir', str(tmp_path / 'o')]
    with pytest.raises(SystemExit) as left:
        run(predict.main, [*line, '--device', 'cuda:99'])
    assert left.value.code == 2 and 'cuda:99 is not there; this machine shows ' in capsys.readouterr().err
    assert not (tmp_path / 'o').exists()
    run(predict.main, line)  # takes what there is
    said = capsys.readouterr()
    assert 'not available' not in said.out + said.err and '1 of 1 images predicted' in said.out


def test_an_address_of_the_web_is_refused_as_typed(trained, tmp_path, capsys):
    config, checkpoint = trained
    with pytest.raises(SystemExit):
        run(predict.main, ['http://example.org/a.jpg', str(config), str(checkpoint), '--out-dir', str(tmp_path / 'o')])
    assert 'http://example.org/a.jpg: images are read from files' in capsys.readouterr().err


@pytest.mark.parametrize('order', [(1, 2, 0), (0, 2, 1), (1, 0, 2), (2, 1, 0)])
def test_wrong_order_is_said(trained, tmp_path, capsys, order):
    config, checkpoint = trained
    three = [str(tmp_path / 'data/JPEGImages/im00.jpg'), str(config), str(checkpoint)]
    with pytest.raises(SystemExit) as left:
        run(predict.main, [*(three[i] for i in order), '--out-dir', str(tmp_path / 'o')])
    assert left.value.code == 2
    assert 'The order is: predict.py IMAGE|FOLDER CONFIG CHECKPOINT.\nGot ' in capsys.readouterr().err


def test_folder(trained, tmp_path, capsys):
    config, checkpoint = trained
    capsys.readouterr()
    predict.main([str(tmp_path / 'data/JPEGImages'), str(config), str(checkpoint), '--out-dir', str(tmp_path / 'out')])
    out = capsys.readouterr().out
    assert '12/12 im11.jpg: ' in out and '12 of 12 images predicted' in out
    assert len(list((tmp_path / 'out').iterdir())) == 36
    facts = json.loads((tmp_path / 'out/im05.json').read_text())
    mask = Image.open(tmp_path / 'out/im05_mask.png')
    photo = Image.open(tmp_path / 'data/JPEGImages/im05.jpg')
    assert mask.mode == 'P' and mask.size == photo.size
    assert facts['size'] == dict(height=photo.size[1], width=photo.size[0])
    values, counts = np.unique(np.array(mask), return_counts=True)
    names = ['ground', 'green', 'red']
    assert facts['share'] == pytest.approx({names[v]: c / counts.sum() for v, c in zip(values, counts)}, abs=1e-6)
    assert Image.open(tmp_path / 'out/im05_overlay.jpg').size[0] > photo.size[0]  # the legend


def test_shares_are_sorted_and_without_what_does_not_occur():
    mask = np.array([[2, 2, 2, 0]])
    assert list(predict.shares_of(mask, ['a', 'b', 'c']).items()) == [('c', 0.75), ('a', 0.25)]


def test_unreadable_image_is_named_and_the_others_are_predicted(trained, tmp_path, capsys):
    config, checkpoint = trained
    photos = tmp_path / 'photos'
    photos.mkdir()
    (photos / 'a.jpg').write_bytes(b'nothing')
    (photos / 'b.jpg').write_bytes((tmp_path / 'data/JPEGImages/im00.jpg').read_bytes())
    with pytest.raises(DataError, match='1 of 2 images could not be read.*\n.*a.jpg'):
        predict.main([str(photos), str(config), str(checkpoint), '--out-dir', str(tmp_path / 'out')])
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == ['b.json', 'b_mask.png', 'b_overlay.jpg']


def test_same_name_with_two_endings(trained, tmp_path):
    config, checkpoint = trained
    photos = tmp_path / 'photos'
    photos.mkdir()
    Image.new('RGB', (40, 40)).save(photos / 'a.jpg')
    Image.new('RGB', (50, 40)).save(photos / 'a.png')
    predict.main([str(photos), str(config), str(checkpoint), '--out-dir', str(tmp_path / 'out'), '--opacity', '0.2'])
    assert Image.open(tmp_path / 'out/a.png_mask.png').size == (50, 40)
    assert Image.open(tmp_path / 'out/a.jpg_mask.png').size == (40, 40)


def test_no_source_is_an_error(trained, tmp_path):
    config, checkpoint = trained
    with pytest.raises(DataError, match='No such image or folder'):
        predict.main([str(tmp_path / 'none'), str(config), str(checkpoint), '--out-dir', str(tmp_path / 'out')])
    with pytest.raises(SystemExit):
        predict.main(['--out-dir', 'x'])


def test_opacity_out_of_range(capsys):
    with pytest.raises(SystemExit):
        predict.main(['a', 'b', 'c', '--out-dir', 'x', '--opacity', '2'])
    assert 'expected 0 to 1' in capsys.readouterr().err
