import numpy as np
import torch

from segkit.datasets.transforms import PackSegInputs


def results(dtype=np.uint8):
    img = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    return dict(img=img, gt_seg_map=img[..., 0].astype(dtype), img_path='a.jpg', img_shape=(4, 5), ori_shape=(8, 10),
                scale_factor=(0.5, 0.5), flip=True, flip_direction='horizontal', other=1)


def test_channels_come_first():
    given = results()
    packed = PackSegInputs()(given)
    assert packed['inputs'].dtype is torch.uint8 and packed['inputs'].is_contiguous()
    assert torch.equal(packed['inputs'], torch.from_numpy(given['img'].transpose(2, 0, 1).copy()))


def test_labels_keep_their_dtype_and_get_one_channel():
    for dtype, expected in ((np.uint8, torch.uint8), (np.int32, torch.int32)):
        data = PackSegInputs()(results(dtype))['data_samples'].gt_sem_seg.data
        assert data.shape == (1, 4, 5) and data.dtype is expected
        assert data[0, 1, 2] == results()['gt_seg_map'][1, 2]


def test_packed_tensors_do_not_change_with_the_arrays():
    given = results()
    packed = PackSegInputs()({**given, 'img': given['img'][1:3, 1:4], 'gt_seg_map': given['gt_seg_map'][1:3, 1:4]})
    before = packed['inputs'].clone(), packed['data_samples'].gt_sem_seg.data.clone()
    given['img'][:], given['gt_seg_map'][:] = 0, 0
    assert torch.equal(packed['inputs'], before[0])
    assert torch.equal(packed['data_samples'].gt_sem_seg.data, before[1])


def test_metainfo_has_the_wanted_keys_that_exist():
    sample = PackSegInputs()(results())['data_samples']
    assert sample.metainfo == dict(img_path='a.jpg', img_shape=(4, 5), ori_shape=(8, 10), scale_factor=(0.5, 0.5),
                                   flip=True, flip_direction='horizontal')
    assert PackSegInputs(meta_keys=('other',))(results())['data_samples'].metainfo == dict(other=1)


def test_grey_and_float_images_and_a_missing_mask():
    packed = PackSegInputs()(dict(img=np.ones((4, 5), np.float32)))
    assert packed['inputs'].shape == (1, 4, 5) and packed['inputs'].dtype is torch.float32
    assert 'gt_sem_seg' not in packed['data_samples']
    five = np.random.RandomState(0).rand(4, 5, 5).astype(np.float32)
    assert np.array_equal(PackSegInputs()(dict(img=five))['inputs'].numpy(), five.transpose(2, 0, 1))
