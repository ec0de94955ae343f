import cv2
import numpy as np
import pytest

from segkit.datasets.transforms import RandomResize, Resize, ResizeShortestEdge, ResizeToMultiple
from segkit.errors import ConfigError


def sample(height, width, seed=0):
    state = np.random.RandomState(seed)
    return dict(img=state.randint(0, 256, (height, width, 3)).astype(np.uint8),
                gt_seg_map=state.randint(0, 21, (height, width)).astype(np.uint8), seg_fields=['gt_seg_map'])


@pytest.mark.parametrize('size, scale, expected', [
    ((375, 500), (2048, 512), (512, 683)),  # short edge 375 to 512: 500 * 512 / 375 = 682.67
    ((500, 375), (2048, 512), (683, 512)),  # scale is a pair of long and short edge, not of width and height
    ((100, 900), (2048, 512), (228, 2048)),  # the long edge decides
    ((333, 500), (1024, 256), (256, 384)),
    ((281, 500), (500, 500), (281, 500)),
])
def test_keep_ratio_sizes(size, scale, expected):
    found = Resize(scale=scale, keep_ratio=True)(sample(*size))
    assert found['img'].shape[:2] == found['gt_seg_map'].shape == found['img_shape'] == expected
    assert found['scale_factor'] == (expected[1] / size[1], expected[0] / size[0])
    assert found['scale'] == scale and found['keep_ratio'] is True


def test_scale_is_width_then_height_without_keep_ratio():
    found = Resize(scale=(60, 20))(sample(40, 50))
    assert found['img'].shape == (20, 60, 3) and found['gt_seg_map'].shape == (20, 60)
    assert found['scale_factor'] == (60 / 50, 20 / 40)
    assert Resize(scale=64)(sample(40, 50))['img_shape'] == (64, 64)


def test_scale_factor_rounds_half_up():
    assert Resize(scale_factor=0.5, keep_ratio=True)(sample(375, 501))['img_shape'] == (188, 251)
    assert Resize(scale_factor=(0.5, 2.0))(sample(10, 20))['img_shape'] == (20, 10)


def test_image_is_bilinear_and_mask_nearest():
    given = sample(37, 53)
    found = Resize(scale=(97, 71))({**given})
    assert np.array_equal(found['img'], cv2.resize(given['img'], (97, 71), interpolation=cv2.INTER_LINEAR))
    rows = np.minimum(np.arange(71) * 37 // 71, 36)
    columns = np.minimum(np.arange(97) * 53 // 97, 52)
    assert np.array_equal(found['gt_seg_map'], given['gt_seg_map'][rows][:, columns])


def test_random_scale_draws_one_ratio_for_both_edges():
    transform = RandomResize(scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True)
    np.random.seed(4)
    ratio = np.random.random_sample() * 1.5 + 0.5
    np.random.seed(4)
    found = transform(sample(37, 50))
    assert found['scale'] == (int(2048 * ratio), int(512 * ratio))
    assert found['img_shape'][0] == int(37 * (int(512 * ratio) / 37) + 0.5)


def test_random_scale_between_two_pairs():
    transform = RandomResize(scale=[(30, 80), (50, 60)])
    np.random.seed(0)
    sizes = np.array([transform(sample(10, 10))['img_shape'] for _ in range(300)])
    assert sizes[:, 0].min() == 60 and sizes[:, 0].max() == 80  # heights
    assert sizes[:, 1].min() == 30 and sizes[:, 1].max() == 50  # widths


def test_an_edge_has_at_least_one_pixel():
    assert Resize(scale=(10, 10), keep_ratio=True)(sample(1, 90))['img_shape'] == (1, 10)
    tiny = RandomResize(scale=(10, 10), ratio_range=(0.01, 0.02), keep_ratio=True)
    assert tiny(sample(40, 50))['img_shape'] == (1, 1)


def test_a_list_from_a_config_file_serves_as_scale():
    assert Resize(scale=[60, 20])(sample(40, 50))['img_shape'] == (20, 60)
    RandomResize(scale=[2048, 512], ratio_range=[0.5, 2.0])


@pytest.mark.parametrize('make', [
    lambda: Resize(), lambda: Resize(scale=(0, 10)), lambda: Resize(scale=(1, 2, 3)),
    lambda: RandomResize(scale=(2048, 512)), lambda: RandomResize(scale=(2048, 512), ratio_range=(2.0, 0.5)),
    lambda: RandomResize(scale=[(1, 2)]), lambda: Resize(scale=9, interpolation='bilnear'),
    lambda: Resize(scale=9, backend='cv3'), lambda: RandomResize(scale=(9, 9), ratio_range=(1, 2), keep_ration=True),
])
def test_sizes_that_cannot_be_used_are_refused(make):
    with pytest.raises(ConfigError, match='Resize'):
        make()


def test_pillow_takes_8_bit_arrays_alone():
    labels = dict(img=np.zeros((4, 4, 3), np.uint8), gt_seg_map=np.full((4, 4), 900, np.int32),
                  seg_fields=['gt_seg_map'])
    with pytest.raises(ConfigError, match="backend='pillow' .* gt_seg_map is int32.\nTake backend='cv2'"):
        Resize(scale=(2, 2), backend='pillow')(dict(labels))
    assert (Resize(scale=(2, 2))(dict(labels))['gt_seg_map'] == 900).all()


@pytest.mark.parametrize('size, expected', [((100, 200), (50, 100)), ((200, 100), (100, 50)),  # by the short edge
                                            ((10, 90), (13, 117))])  # the long edge would be 450, then 13.3x120
def test_shortest_edge_and_its_limit(size, expected):
    found = ResizeShortestEdge(scale=50, max_size=120)(dict(img=np.zeros((*size, 3), np.uint8)))
    assert found['img'].shape[:2] == found['img_shape'] == expected


def test_to_multiple_enlarges_both_sides_and_the_labels():
    results = dict(img=np.zeros((65, 32, 3), np.uint8), gt_seg_map=np.full((65, 32), 7, np.uint8),
                   seg_fields=['gt_seg_map'])
    found = ResizeToMultiple(size_divisor=32)(results)
    assert found['img'].shape == (96, 32, 3) and found['gt_seg_map'].shape == found['img_shape'] == (96, 32)


@pytest.mark.parametrize('build', [lambda: ResizeShortestEdge(scale=0, max_size=9), lambda: ResizeToMultiple(0),
                                   lambda: ResizeShortestEdge(scale=9, max_size=-1), lambda: ResizeToMultiple(2.5),
                                   lambda: ResizeToMultiple(interpolation='cubist')])
def test_wrong_lengths_are_refused(build):
    with pytest.raises(ConfigError):
        build()
