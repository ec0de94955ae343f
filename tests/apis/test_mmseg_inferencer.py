"""MMSegInferencer."""
import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from segkit.apis import MMSegInferencer, inference_model, init_model
from segkit.apis.mmseg_inferencer import ALIASES, _dataset_of
from segkit.errors import ConfigError, DataError


@pytest.fixture
def inferencer(trained):
    return MMSegInferencer(str(trained[0]), str(trained[1]), device='cpu')


def test_one_image_and_several(inferencer, tmp_path):
    photo = str(tmp_path / 'data/JPEGImages/im00.jpg')
    one = inferencer(photo)['predictions']
    assert one.shape == cv2.imread(photo).shape[:2]
    several = inferencer([photo, cv2.imread(photo)], batch_size=2, return_vis=True)
    assert all(np.array_equal(one, mask) for mask in several['predictions'])
    assert several['visualization'][0].dtype == np.uint8
    sample = inferencer(photo, return_datasamples=True)
    assert np.array_equal(sample.pred_sem_seg.data[0].numpy(), one)
    assert sample.seg_logits.data.shape == (3, *one.shape)
    assert 'seg_logits' not in next(inferencer.stream([photo]))[1]


def test_folder_is_written_under_the_images_names(inferencer, tmp_path):
    result = inferencer(str(tmp_path / 'data/JPEGImages'), out_dir=str(tmp_path / 'out'))
    names = [f'im{i:02d}.png' for i in range(12)]
    assert sorted(p.name for p in (tmp_path / 'out/vis').iterdir()) == names
    assert sorted(p.name for p in (tmp_path / 'out/pred').iterdir()) == names
    mask = Image.open(tmp_path / 'out/pred/im03.png')
    assert np.array_equal(np.array(mask), result['predictions'][3])
    assert mask.getpalette()[3:6] == [0, 200, 0]


def test_only_what_is_asked_for_is_written(inferencer, tmp_path):
    inferencer(str(tmp_path / 'data/JPEGImages/im00.jpg'), out_dir=str(tmp_path / 'out'), img_out_dir='')
    assert [p.name for p in (tmp_path / 'out').iterdir()] == ['pred']


def test_classes_and_palette_of_one_s_own(trained):
    model = init_model(*map(str, trained), device='cpu')
    own = MMSegInferencer(model, classes=('x', 'y', 'z'), palette=[[9, 9, 9]] * 3)
    assert own.visualizer.classes == ('x', 'y', 'z')
    assert own.visualizer.colours[0].tolist() == [9, 9, 9]
    assert isinstance(inference_model(model, np.zeros((8, 8, 3), np.uint8)).pred_sem_seg.data.sum().item(), int)
    with pytest.raises(ConfigError, match='3 classes, got 21 classes'):
        MMSegInferencer(model, dataset_name='PascalVOCDataset')


def test_bare_config_name_is_found_in_the_checkout(monkeypatch):
    asked = []
    monkeypatch.setattr('segkit.apis.mmseg_inferencer.init_model',
                        lambda *args, **kwargs: asked.append(args[0]) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        MMSegInferencer(model='deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512')
    assert asked[0].is_file() and asked[0].parts[-3:-1] == ('configs', 'deeplabv3')
    with pytest.raises(ConfigError, match='(?s)no config of that name.*Nearest: deeplabv3_r50-d8_4xb4-20k_voc12aug-51'):
        MMSegInferencer(model='deeplabv3_r50-d8_4xb4-20k_voc12aug-513x513')


def test_sources_that_are_not_there(inferencer, tmp_path):
    with pytest.raises(DataError, match='No such image or folder: nothing.jpg'):
        inferencer('nothing.jpg')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DataError, match='empty holds no image'):
        inferencer(str(tmp_path / 'empty'))


def test_name_is_registered():
    from segkit.registry import INFERENCERS
    assert INFERENCERS.get('MMSegInferencer') is MMSegInferencer


def test_a_device_that_is_asked_for_has_to_be_there(trained, capsys):
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match='cuda:0 is not there'):
            MMSegInferencer(*map(str, trained), device='cuda:0')
    MMSegInferencer(*map(str, trained))
    assert 'not available' not in capsys.readouterr().out


def test_images_of_one_name_do_not_overwrite_each_other(inferencer, tmp_path):
    photo = str(tmp_path / 'data/JPEGImages/im00.jpg')
    other = str(tmp_path / 'data/JPEGImages/im01.jpg')
    inferencer([photo, photo, other], out_dir=str(tmp_path / 'out'), img_out_dir='')
    assert sorted(p.name for p in (tmp_path / 'out/pred').iterdir()) == ['im00_0.png', 'im00_1.png', 'im01.png']


def test_short_names_of_data_sets_and_the_list_of_models():
    for alias in ALIASES:
        assert len(_dataset_of(alias).METAINFO['classes']) > 1
    assert _dataset_of('VOC') is _dataset_of('PascalVOCDataset')
    assert 'deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512' in MMSegInferencer.list_models()
