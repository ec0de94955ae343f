"""Batches made small."""
import pytest
import torch
from mmengine.structures import PixelData

from segkit.engine.small_batch import network_size, shrunk, small_size, thin
from segkit.models.data_preprocessor import SegDataPreProcessor
from segkit.structures import SegDataSample


@pytest.mark.parametrize('size, stride, small', [
    ((512, 512), 8, (129, 129)), ((769, 769), 8, (129, 129)), ((512, 1024), 8, (89, 185)), ((512, 512), 32, (129, 129)),
    ((128, 128), 8, (128, 128)), ((100, 130), 16, (100, 130)), ((16, 4096), 8, (9, 2065))])
def test_size(size, stride, small):
    assert small_size(size, stride) == small


def test_smallest_sizes_are_not_enlarged():
    assert small_size((8, 8192), 32) == (8, 4129)


class Model(torch.nn.Module):
    def __init__(self, test_cfg=None, **kwargs):
        super().__init__()
        self.data_preprocessor = SegDataPreProcessor(**kwargs)
        self.test_cfg = test_cfg


def batch(height, width, images=3, true=None):
    samples = [SegDataSample(metainfo=dict(img_shape=true or (height, width), ori_shape=(height, width),
                                           scale_factor=(1., 1.), img_path=f'{i}.jpg')) for i in range(images)]
    labels = torch.arange(height)[:, None].expand(height, width).clone() % 200
    return dict(inputs=torch.zeros(images, 3, height, width, dtype=torch.uint8),
                labels=labels.to(torch.uint8).expand(images, -1, -1).clone(), data_samples=samples)


def test_thin_keeps_the_edges_and_the_pairing_of_image_and_label():
    whole = batch(200, 100)
    whole['inputs'][:] = whole['labels'][:, None]
    small = thin(whole, 2, (0.25, 0.5), training=True)
    assert small['inputs'].shape == (2, 3, 50, 50) and small['labels'].shape == (2, 50, 50)
    assert torch.equal(small['inputs'][:, 0], small['labels'])
    assert small['labels'][0, 0, 0] == 0 and small['labels'][0, -1, 0] == 199
    assert len(small['data_samples']) == 2 and small['data_samples'][0].img_shape == (50, 50)
    assert whole['data_samples'][0].img_shape == (200, 100)  # the batch itself stays as it was


def test_padding_stays_padding():
    small = thin(batch(200, 100, true=(100, 100)), 1, (0.5, 0.5), training=True)
    assert small['data_samples'][0].img_shape == (50, 50) and small['inputs'].shape[-2:] == (100, 50)


def test_training_batch_is_padded_to_the_small_size_only_inside():
    model = Model(size=(512, 512))
    whole = batch(400, 512)
    assert network_size(model.data_preprocessor, whole, True) == (512, 512)
    with shrunk(model, whole, training=True) as small:
        assert small['inputs'].shape == (2, 3, 101, 129)
        assert model.data_preprocessor(small, training=True)['inputs'].shape == (2, 3, 129, 129)
    assert model.data_preprocessor.size == (512, 512)


def test_validation_keeps_its_labels_and_its_number_of_windows():
    model = Model(test_cfg=dict(mode='slide', crop_size=(769, 769), stride=(513, 513)))
    whole = batch(1024, 2048, images=1)
    del whole['labels']
    whole['data_samples'][0].gt_sem_seg = PixelData(data=torch.zeros(1, 1024, 2048, dtype=torch.uint8))
    from segkit.models.segmentors.sliding_window import window_starts
    with shrunk(model, whole, training=False) as small:
        height, width = small['inputs'].shape[-2:]
        assert height * width < 1.2 * 129**2
        assert small['data_samples'][0].gt_sem_seg.shape == (1024, 2048)
        assert small['data_samples'][0].ori_shape == (1024, 2048)
        for axis, (there, here) in enumerate(((1024, height), (2048, width))):
            assert len(window_starts(here, model.test_cfg['crop_size'][axis], model.test_cfg['stride'][axis])) == \
                len(window_starts(there, 769, 513))
    assert model.test_cfg == dict(mode='slide', crop_size=(769, 769), stride=(513, 513))


def test_lists_of_images_and_views_of_test_time_augmentation():
    model = Model()
    whole = dict(inputs=[torch.zeros(3, 300, 400), torch.zeros(3, 400, 300)],
                 data_samples=[SegDataSample(metainfo=dict(img_shape=s)) for s in ((300, 400), (400, 300))])
    with shrunk(model, whole, training=False) as small:
        assert [sample.img_shape for sample in small['data_samples']] == [tuple(x.shape[1:]) for x in small['inputs']]
        assert max(small['inputs'][0].shape) < 140
    views = dict(inputs=[torch.zeros(1, 3, 300, 400)], data_samples=[[SegDataSample()]])
    with shrunk(model, views, training=False) as same:
        assert same is views
