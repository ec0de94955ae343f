"""feature_maps.py: its pictures and its answers."""
import cv2
import numpy as np
import pytest

from segkit.apis import feature_maps
from segkit.apis.cli import run
from segkit.apis.inference import init_model
from segkit.visualization import heat


def test_pictures(trained_once, tmp_path, capsys):
    config, checkpoint = trained_once
    photo = config.parent / 'data/JPEGImages/im07.jpg'
    feature_maps.main([str(config), str(checkpoint), str(photo), '--out-dir', str(tmp_path), '--target', 'green', '2',
                       '--layers', 'backbone.layer3[1]', 'decode_head.bottleneck', '--topk', '5'])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(f'im07_{layer}_{kind}' for layer in ('backbone.layer3.1', 'decode_head.bottleneck')
                           for kind in ('mean.jpg', 'channels.png', 'cam_green.jpg', 'cam_red.jpg'))
    size = cv2.imread(str(photo)).shape
    for name in names:
        assert name.endswith('.png') or cv2.imread(str(tmp_path / name)).shape == size, name
    out = capsys.readouterr().out
    assert 'decode_head.bottleneck: 8x' in out and str(tmp_path / names[0]) in out
    assert 'green: ' in out and 'red: ' in out


def test_default_layers_are_those_that_there_are(trained_once, tmp_path):
    config, checkpoint = trained_once
    feature_maps.main([str(config), str(checkpoint), str(config.parent / 'data/JPEGImages/im07.jpg'), '--out-dir',
                       str(tmp_path)])
    assert sorted(path.name for path in tmp_path.glob('*mean*')) == [
        'im07_backbone.layer4_mean.jpg', 'im07_decode_head.bottleneck_mean.jpg']


def test_photo_is_the_one_the_network_sees(trained_once):
    config, checkpoint = trained_once
    model = init_model(str(config), str(checkpoint), 'cpu')
    model.data_preprocessor.test_cfg = dict(size_divisor=64)
    path = str(config.parent / 'data/JPEGImages/im07.jpg')
    inputs, photo = feature_maps.network_input(model, path)
    np.testing.assert_array_equal(photo, cv2.imread(path)[..., ::-1])
    assert inputs.shape[-2] % 64 == inputs.shape[-1] % 64 == 0 and inputs.shape[-2:] != photo.shape[:2]


def test_heat_is_where_the_values_are():
    values = np.zeros((4, 4))
    values[3, 0] = 2.0
    drawn = heat.over_photo(np.zeros((40, 40, 3), np.uint8), values, 0.0, 2.0, alpha=1.0).astype(int)
    assert drawn[38, 1, 0] > 90 and drawn[38, 1, 2] < 60, 'red at the lower left'
    assert drawn[2, 38, 2] > drawn[2, 38, 0], 'blue elsewhere'
    flat = heat.colours_of(np.ones((2, 2)), 1.0, 1.0)
    assert (flat == flat[0, 0]).all()


def test_grid_shows_the_channels_in_order():
    maps = np.zeros((3, 2, 2))
    maps[2, 0, 0] = 1.0
    first, second = (heat.channel_grid(maps, channels, 'h', across=2) for channels in ([2, 0], [0, 2]))
    half = first.shape[1] // 2
    red = [(sheet[..., 0].astype(int) - sheet[..., 2] > 80) for sheet in (first, second)]
    assert red[0][:, :half].any() and not red[0][:, half:].any()
    assert red[1][:, half:].any() and not red[1][:, :half].any()


@pytest.mark.parametrize('options, words', [
    (['--layers', 'backbone.layer9'], 'Nearest: backbone.layer'), (['--target', 'gren'], 'Nearest: green'),
    (['--topk', '0'], '--topk'), (['--cfg-options', 'max_iters=2'], 'max_iters')])
def test_mistakes(trained_once, tmp_path, capsys, options, words):
    config, checkpoint = trained_once
    photo = str(config.parent / 'data/JPEGImages/im07.jpg')
    with pytest.raises(SystemExit) as left:
        run(feature_maps.main, [str(config), str(checkpoint), photo, '--out-dir', str(tmp_path / 'o'), *options])
    error = capsys.readouterr().err
    assert left.value.code == 2 and words in error and len(error.splitlines()) <= 4
    assert not (tmp_path / 'o').exists()


def test_a_photo_that_is_not_there(trained_once, tmp_path, capsys):
    config, checkpoint = trained_once
    with pytest.raises(SystemExit) as left:
        run(feature_maps.main, [str(config), str(checkpoint), 'none.jpg', '--out-dir', str(tmp_path / 'o')])
    assert left.value.code == 2 and 'none.jpg' in capsys.readouterr().err
