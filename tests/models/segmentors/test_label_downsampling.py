"""Which pixels of a label map are kept; the lists were made with scipy 1.17.1 and Pillow, as the comments say."""
import pytest
import torch
import torch.nn.functional as F

from segkit.models.segmentors.label_downsampling import downsample_labels, source_indices

# scipy.ndimage.zoom(numpy.arange(321), m / 321, order=0) for the score sizes of DeepLab-ResNet-Pytorch
SCIPY = {
    41: list(range(0, 321, 8)),
    31: [0, 11, 21, 32, 43, 53, 64, 75, 85, 96, 107, 117, 128, 139, 149, 160, 171, 181, 192, 203, 213, 224, 235, 245,
         256, 267, 277, 288, 299, 309, 320],
    21: list(range(0, 321, 16)),
}
# PIL.Image.fromarray(numpy.arange(321, dtype='int32')[None]).resize((m, 1), PIL.Image.NEAREST)
PILLOW = {
    41: [3, 11, 19, 27, 35, 43, 50, 58, 66, 74, 82, 90, 97, 105, 113, 121, 129, 137, 144, 152, 160, 168, 176, 183, 191,
         199, 207, 215, 223, 230, 238, 246, 254, 262, 270, 277, 285, 293, 301, 309, 317],
    31: [5, 15, 25, 36, 46, 56, 67, 77, 88, 98, 108, 119, 129, 139, 150, 160, 170, 181, 191, 201, 212, 222, 232, 243,
         253, 264, 274, 284, 295, 305, 315],
    21: [7, 22, 38, 53, 68, 84, 99, 114, 129, 145, 160, 175, 191, 206, 221, 236, 252, 267, 282, 298, 313],
}


@pytest.mark.parametrize('size', [41, 31, 21])
def test_the_pixels_of_scipy_and_of_pillow(size):
    assert source_indices(321, size, 'corner-aligned').tolist() == SCIPY[size]
    assert source_indices(321, size, 'nearest-exact').tolist() == PILLOW[size]
    assert source_indices(321, size, 'nearest').tolist() == [i * 321 // size for i in range(size)]


@pytest.mark.parametrize('length, wanted', [(183, 42), (97, 13), (12, 12), (9, 2), (5, 1), (1, 1)])
def test_the_formula_over_whole_numbers(length, wanted):
    """floor(i (n - 1) / (m - 1) + 1/2), also where scipy steps past the edge (183 to 42)."""
    steps = max(wanted - 1, 1)
    expected = [(2 * i * (length - 1) + steps) // (2 * steps) for i in range(wanted)]
    assert source_indices(length, wanted, 'corner-aligned').tolist() == expected


def test_corner_aligned_is_where_aligned_scores_lie():
    """Scores that name their own pixel, resized with aligned corners, name the pixels that are kept."""
    ramp = torch.arange(321.)[None, None, None]
    places = F.interpolate(ramp, size=(1, 41), mode='bilinear', align_corners=True).flatten()
    torch.testing.assert_close(places, source_indices(321, 41, 'corner-aligned').float(), rtol=0, atol=1e-3)


@pytest.mark.parametrize('flavour', ['corner-aligned', 'nearest-exact', 'nearest'])
def test_rows_and_columns_are_not_mixed_up(flavour):
    labels = torch.randint(0, 256, (2, 33, 18))
    small = downsample_labels(labels, (5, 7), flavour)
    rows, columns = source_indices(33, 5, flavour), source_indices(18, 7, flavour)
    assert small.shape == (2, 5, 7) and small.dtype == labels.dtype
    for n in range(2):
        for y in range(5):
            for x in range(7):
                assert small[n, y, x] == labels[n, rows[y], columns[x]]


def test_void_is_not_blended():
    labels = torch.tensor([0, 255]).repeat(17)[:33].expand(1, 33, 33)
    for flavour in ('corner-aligned', 'nearest-exact', 'nearest'):
        assert set(downsample_labels(labels, (5, 5), flavour).unique().tolist()) <= {0, 255}
