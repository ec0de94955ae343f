import numpy as np
import pytest
import torch

from segkit.errors import ConfigError, DataError
from segkit.registry import MODELS

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def build(**cfg):
    return MODELS.build(dict(type='SegDataPreProcessor', mean=MEAN, std=STD, bgr_to_rgb=True, **cfg))


def normalised(image):
    """By hand, in NumPy: BGR bytes (3, h, w) to normalised RGB."""
    rgb = image.numpy()[::-1].astype(np.float32)
    return (rgb - np.float32(MEAN)[:, None, None]) / np.float32(STD)[:, None, None]


def batch(draw, as_list, with_labels=True):
    """Two photos of 40x64 and 48x50 pixels, padded as the collate does it, or as a list."""
    images = [draw.image(10, 40, 64), draw.image(11, 48, 50)]
    labels = [draw.labels(12, 1, 40, 64, 5), draw.labels(13, 1, 48, 50, 5)]
    if as_list:
        samples = [draw.sample(*label.shape[1:], label) for label in labels]
        return dict(inputs=images, data_samples=samples), images, labels
    inputs = torch.zeros(2, 3, 48, 64, dtype=torch.uint8)
    stacked = torch.full((2, 48, 64), 255, dtype=torch.uint8)
    for i, (image, label) in enumerate(zip(images, labels)):
        inputs[i, :, :image.shape[1], :image.shape[2]] = image
        stacked[i, :label.shape[1], :label.shape[2]] = label[0]
    samples = [draw.sample(40, 64), draw.sample(48, 50)]
    return dict(inputs=inputs, data_samples=samples, **(dict(labels=stacked) if with_labels else {})), images, labels


@pytest.mark.parametrize('as_list', [False, True])
@pytest.mark.parametrize('size', [None, (48, 64), (60, 70)])
def test_training_batch(draw, mmseg_numbers, as_list, size):
    data, images, labels = batch(draw, as_list)
    out = build(size=size, pad_val=0.5)(data, training=True)
    height, width = size or (48, 64)
    assert out['inputs'].shape == (2, 3, height, width) and out['inputs'].dtype == torch.float32
    assert out['labels'].shape == (2, height, width) and out['labels'].dtype == torch.int64
    for image, label, x, y in zip(images, labels, out['inputs'].numpy(), out['labels']):
        h, w = image.shape[1:]
        assert np.array_equal(x[:, :h, :w], normalised(image))  # equal, not only close
        assert (x[:, h:] == 0.5).all() and (x[:, :, w:] == 0.5).all()
        assert torch.equal(y[:h, :w], label[0])
        assert (y[h:] == 255).all() and (y[:, w:] == 255).all()


def test_values_are_mmsegmentations(draw, mmseg_numbers):
    data, _, _ = batch(draw, as_list=False)
    x = build(size=(48, 64))(data, training=True)['inputs']
    out = [*x[1, 0, 10, :3].tolist(), *x[1, 2, 10, 48:52].tolist(), *x[0, 1, 39:41, 5].tolist()]
    assert out == pytest.approx([value for row in mmseg_numbers['pp']['x'] for value in row], abs=1e-6)


def test_the_bytes_given_are_not_changed(draw):
    data, _, _ = batch(draw, as_list=False)
    before, labels = data['inputs'].clone(), data['labels'].clone()
    out = build(seg_pad_val=7)(data, training=True)
    assert torch.equal(data['inputs'], before) and torch.equal(data['labels'], labels)
    assert (out['labels'][0, 40:] == 7).all() and (out['labels'][1, :, 50:] == 7).all()
    # Nor are floats and int64 labels, which need no conversion.
    data.update(inputs=before.float(), labels=labels.long())
    build(seg_pad_val=7)(data, training=True)
    assert torch.equal(data['inputs'], before.float()) and torch.equal(data['labels'], labels.long())


def test_evaluation_pads_only_by_test_cfg(draw):
    data, images, _ = batch(draw, as_list=False, with_labels=False)
    out = build(size=(60, 70))(data)
    assert out['inputs'].shape == (2, 3, 48, 64) and out['labels'] is None
    assert out['data_samples'] is data['data_samples']
    assert build(test_cfg=dict(size_divisor=32))(data)['inputs'].shape == (2, 3, 64, 64)
    out = build(test_cfg=dict(size=(50, 70)))(data)['inputs']
    assert out.shape == (2, 3, 50, 70)
    assert np.array_equal(out[0, :, :40, :64].numpy(), normalised(images[0])) and not out[0, :, 40:].any()


def test_images_alone(draw):
    images = [draw.image(1, 5, 6), draw.image(2, 7, 4)]
    out = build()(dict(inputs=images))
    assert out['inputs'].shape == (2, 3, 7, 6)
    assert [s.img_shape for s in out['data_samples']] == [(5, 6), (7, 4)] == [s.ori_shape for s in out['data_samples']]
    tensor = build()(dict(inputs=torch.stack([images[0]])))
    assert tensor['data_samples'] is None and np.array_equal(tensor['inputs'][0].numpy(), normalised(images[0]))


def test_size_divisor_in_training(draw):
    assert build(size_divisor=32)(batch(draw, False)[0], training=True)['inputs'].shape == (2, 3, 64, 64)


def test_without_normalising_or_swapping(draw):
    preprocessor = MODELS.build(dict(type='SegDataPreProcessor'))
    image = draw.image(1, 4, 5)
    assert torch.equal(preprocessor(dict(inputs=image[None]))['inputs'][0], image.float())
    assert not preprocessor.state_dict() and not build().state_dict()


def test_training_without_labels_is_an_error(draw):
    with pytest.raises(DataError, match='LoadAnnotations'):
        build()(batch(draw, as_list=False, with_labels=False)[0], training=True)


@pytest.mark.parametrize('cfg, message', [
    (dict(std=None), 'mean and std'), (dict(mean=[1., 2.]), 'mean and std'), (dict(rgb_to_bgr=True), 'rgb_to_bgr'),
    (dict(batch_augments=[]), 'batch_augments'), (dict(size=(4, 4), size_divisor=2), 'size_divisor'),
    (dict(size=512), r'data_preprocessor.size must be \(height, width\)'), (dict(size=(64,)), 'size must be'),
    (dict(test_cfg=dict(size=64)), 'test_cfg.size must be'),
    (dict(test_cfg=dict(sise=3)), 'test_cfg'), (dict(test_cfg=dict(size=(3, 3), size_divisor=3)), 'test_cfg')])
def test_refusals(cfg, message):
    with pytest.raises(ConfigError, match=message):
        MODELS.build({**dict(type='SegDataPreProcessor', mean=MEAN, std=STD, bgr_to_rgb=True), **cfg})


@pytest.mark.parametrize('options', [
    dict(mean=MEAN, std=STD, bgr_to_rgb=True), dict(mean=MEAN[::-1], std=STD[::-1]), dict(bgr_to_rgb=True)])
def test_restored_colours_are_those_of_the_file(draw, options):
    data, images, _ = batch(draw, as_list=False)
    preprocessor = MODELS.build(dict(type='SegDataPreProcessor', size=(60, 70), **options))
    shown = preprocessor.restore(preprocessor(data, training=True)['inputs'])
    assert shown.shape == (2, 60, 70, 3) and shown.dtype == torch.uint8
    for one, image in zip(shown, images):
        h, w = image.shape[1:]
        np.testing.assert_array_equal(one[:h, :w], image.flip(0).permute(1, 2, 0))
        padding = [124, 116, 104] if 'mean' in options else [0, 0, 0]
        assert one[h, 0].tolist() == one[0, w].tolist() == one[-1, -1].tolist() == padding
