"""init_model, inference_model and show_result_pyplot."""
import cv2
import numpy as np
import pytest
import torch

from segkit.apis import inference_model, init_model, show_result_pyplot
from segkit.apis.inference import predict_images, prediction_pipeline
from segkit.checkpoint import write_atomic
from segkit.config import load_config
from segkit.errors import CheckpointError, ConfigError, DataError


@pytest.fixture
def model(trained):
    return init_model(*map(str, trained), device='cpu')


@pytest.fixture
def photos(tmp_path):
    return sorted(str(p) for p in (tmp_path / 'data/JPEGImages').iterdir())[:4]


def test_model_knows_its_classes(model):
    assert model.dataset_meta['classes'] == ('ground', 'green', 'red')
    assert model.dataset_meta['palette'][2] == [200, 0, 0]
    assert not model.training


def test_cuda_falls_back_to_the_cpu_and_says_so(trained, capsys):
    if torch.cuda.is_available():
        pytest.skip('there is a GPU here')
    model = init_model(*map(str, trained))
    assert next(model.parameters()).device.type == 'cpu'
    assert capsys.readouterr().out.count('on the CPU') == 1
    model = init_model(*map(str, trained), device=None)
    assert next(model.parameters()).device.type == 'cpu' and 'CPU' not in capsys.readouterr().out


@pytest.mark.parametrize('device, words', [('cuda:99', 'cuda:99 is not there'), ('gpu', "cuda:N or cpu, got 'gpu'"),
                                           ('meta', "cuda:N or cpu, got 'meta'"), (0.5, 'cuda:N or cpu, got 0.5')])
def test_a_device_that_is_not_there_is_refused(trained, device, words):
    with pytest.raises(ConfigError, match=words):
        init_model(*map(str, trained), device=device)


def test_prediction_is_that_of_a_test(model, photos, trained):
    """By hand: normalise, run the network, resize, take the highest score."""
    result = inference_model(model, photos[0])
    image = cv2.imread(photos[0])
    x = torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy()).float()[None]
    with torch.no_grad():
        logits = model((x - 120) / 60)
    logits = torch.nn.functional.interpolate(logits, image.shape[:2], mode='bilinear', align_corners=False)
    assert result.pred_sem_seg.data.shape == (1, *image.shape[:2])
    assert torch.equal(result.pred_sem_seg.data[0].long(), logits.argmax(1)[0])


def test_scores_are_there_at_the_image_s_size(model, photos):
    photo = cv2.imread(photos[0]) if isinstance(photos, list) else np.zeros((41, 57, 3), np.uint8)
    sample = inference_model(model, photo)
    scores = sample.seg_logits.data
    assert scores.shape == (3, *photo.shape[:2]) and scores.dtype == torch.float32
    assert torch.equal(scores.argmax(0), sample.pred_sem_seg.data[0].long())


def test_arrays_and_lists(model, photos):
    results = inference_model(model, [photos[0], cv2.imread(photos[1])])
    assert isinstance(results, list) and len(results) == 2
    for result, path in zip(results, photos):
        assert torch.equal(result.pred_sem_seg.data, inference_model(model, path).pred_sem_seg.data)


def test_batches_of_equal_size_only(model):
    rng = np.random.RandomState(0)
    images = [rng.randint(0, 255, (*size, 3)).astype(np.uint8) for size in [(40, 50)] * 3 + [(50, 40)] * 2]
    seen = []
    step = model.test_step
    model.test_step = lambda data: seen.append(len(data['inputs'])) or step(data)
    samples = list(predict_images(model, images, batch_size=2))
    assert seen == [2, 1, 2]
    assert [tuple(s.pred_sem_seg.data.shape[1:]) for s in samples] == [i.shape[:2] for i in images]


def test_unreadable_image_is_named(model, tmp_path):
    (tmp_path / 'bad.jpg').write_bytes(b'no image')
    for name in ('bad.jpg', 'absent.jpg'):
        with pytest.raises(DataError, match=name) as caught:
            inference_model(model, str(tmp_path / name))
        assert 'data_prefix' not in str(caught.value) and 'split' not in str(caught.value)
        assert 'Give the path of an image file' in str(caught.value)


@pytest.mark.parametrize('shape, dtype', [((8, 9), 'uint8'), ((8, 9, 4), 'uint8'), ((3, 8, 9), 'uint8'),
                                          ((8, 9, 3), 'float32')])
def test_array_of_another_form(model, shape, dtype):
    with pytest.raises(DataError, match='(?s)is .H, W, 3. uint8 in BGR order.*got shape .*' + dtype):
        inference_model(model, np.zeros(shape, dtype))
    with pytest.raises(DataError, match='got NoneType'):  # what cv2.imread gives for a file that is not there
        inference_model(model, None)


def test_classes_of_old_checkpoints_and_of_the_config(trained, tmp_path):
    config, path = trained
    weights = torch.load(path, weights_only=True)['state_dict']
    old = tmp_path / 'old.pth'
    write_atomic(dict(meta=dict(CLASSES=('a', 'b', 'c'), PALETTE=[[1, 2, 3]] * 3), state_dict=weights), old)
    assert init_model(config, str(old), 'cpu').dataset_meta == dict(classes=('a', 'b', 'c'), palette=[[1, 2, 3]] * 3)
    write_atomic(weights, old)
    assert init_model(config, str(old), 'cpu').dataset_meta['classes'] == ('ground', 'green', 'red')


def test_class_names_that_do_not_fit_the_model(trained, tmp_path):
    config, path = trained
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['meta']['dataset_meta']['classes'] = ['a', 'b']
    write_atomic(checkpoint, tmp_path / 'two.pth')
    with pytest.raises(CheckpointError, match='3 classes, but .*two.pth names 2'):
        init_model(config, str(tmp_path / 'two.pth'), 'cpu')


def test_weights_that_compute_something_else_here_are_told_of(trained, capsys):
    config, checkpoint = map(str, trained)
    init_model(config, checkpoint, device='cpu')
    assert 'something else' not in capsys.readouterr().out
    init_model(config, checkpoint, device='cpu', cfg_options={'model.data_preprocessor.mean': [0., 0., 0.]})
    assert "data_preprocessor.mean" in capsys.readouterr().out


def test_random_weights_are_said(tiny_config, capsys):
    init_model(load_config(tiny_config, say=lambda line: None), device='cpu')
    assert 'random weights' in capsys.readouterr().out


def test_pipeline_without_labels(tiny_config):
    cfg = load_config(tiny_config, say=lambda line: None)
    load, rest = prediction_pipeline(cfg)
    assert type(load).__name__ == 'LoadImageFromFile'
    assert [type(t).__name__ for t in rest.transforms] == ['PackSegInputs']
    cfg.val_dataloader = cfg.test_dataloader = None
    with pytest.raises(ConfigError, match='test_dataloader.dataset.pipeline'):
        prediction_pipeline(cfg)


def test_show_result(model, photos, tmp_path):
    result = inference_model(model, photos[0])
    picture = show_result_pyplot(model, photos[0], result, show=False, out_file=str(tmp_path / 'out.png'))
    assert np.array_equal(picture, cv2.imread(str(tmp_path / 'out.png'))[..., ::-1])
    photo = cv2.imread(photos[0])[..., ::-1]
    bare = show_result_pyplot(model, photo, result, show=False, with_labels=False, opacity=0.0,
                              out_file=str(tmp_path / 'bare.png'))
    assert bare.shape == photo.shape and picture.shape[1] > photo.shape[1]  # the legend
