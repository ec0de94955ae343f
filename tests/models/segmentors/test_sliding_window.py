import pytest
import torch

from segkit.models.segmentors.sliding_window import slide, window_starts


@pytest.mark.parametrize('length, window, stride, wanted', [
    (10, 4, 3, [0, 3, 6]), (11, 4, 3, [0, 3, 6, 7]), (4, 4, 3, [0]), (3, 4, 3, [0]), (769, 769, 513, [0]),
    (1024, 769, 513, [0, 255]), (2048, 769, 513, [0, 513, 1026, 1279])])
def test_window_starts(length, window, stride, wanted):
    assert window_starts(length, window, stride) == wanted


@pytest.mark.parametrize('size', [(10, 13), (3, 20), (4, 5), (31, 9)])
def test_every_pixel_is_seen_and_means_are_means(size):
    images = torch.rand(2, 3, *size)
    windows = []

    def score(window):
        windows.append(window.shape[-2:])
        return window.sum(1, keepdim=True).expand(-1, 2, -1, -1)

    out = slide(score, images, (4, 5), (3, 2), num_channels=2)
    # Each window says the same of a pixel, so the mean over the windows says it too.
    torch.testing.assert_close(out, score(images))
    assert all(h <= 4 and w <= 5 for h, w in windows[:-1])


def test_overlaps_are_averaged_by_hand():
    calls = iter([1., 3.])
    out = slide(lambda x: torch.full((1, 1, *x.shape[-2:]), next(calls)), torch.zeros(1, 3, 1, 5), (1, 3), (1, 2), 1)
    assert out.flatten().tolist() == [1., 1., 2., 3., 3.]
