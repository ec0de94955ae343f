"""The CRF against sums over all pairs of pixels, and against pydensecrf."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[3] / 'tools/benchmarks'))
import dense_crf  # noqa: E402

from segkit.errors import ConfigError, DataError  # noqa: E402
from segkit.models.postprocess import DenseCRF  # noqa: E402
from segkit.registry import POSTPROCESSORS  # noqa: E402

# What pydensecrf2 1.1 gives for each of CASES on scene(): q[:, ::5, ::4], in its order.
RECORDED = Path(__file__).parents[2] / 'data' / 'pydensecrf.json'
CASES = {
    'the defaults': {},
    'VGG-16': dict(pos_w=2, pos_xy_std=2, bi_xy_std=65),
    'spatial alone': dict(bi_w=0),
    'bilateral alone': dict(pos_w=0),
    'another place and colour': dict(pos_w=0, bi_xy_std=8, bi_rgb_std=20, bi_w=6),
    'two steps': dict(iter_max=2, pos_xy_std=3),
    'before': dict(normalization='before'),
    'after': dict(normalization='after'),
    'none': dict(normalization='none', pos_w=0.1, bi_w=0.05),
}


def scene(height: int = 36, width: int = 44, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (K, H, W) of blobs that lie askew over a photo (H, W, 3) of smooth noise and a bright box."""
    rng = np.random.RandomState(0)

    def smooth(n, grain):
        coarse = rng.rand(n, height // grain + 2, width // grain + 2)
        rows, columns = (np.arange(side) / grain for side in (height, width))
        return np.stack([[np.interp(columns, np.arange(one.shape[1]), line) for line in np.stack(
            [np.interp(rows, np.arange(one.shape[0]), column) for column in one.T], 1)] for one in coarse])

    photo = smooth(3, 6).transpose(1, 2, 0) * 60 + 60 + rng.rand(height, width, 3) * 4
    photo[10:25, 12:30] += [90, 40, 10]
    scores = smooth(classes, 5) * 6 + rng.rand(classes, height, width)
    scores[classes // 2, 8:22, 14:33] += 2
    powers = np.exp(scores)
    return (powers / powers.sum(0)).astype(np.float32), photo.clip(0, 255).astype(np.uint8)


def refined(probabilities: np.ndarray, photo: np.ndarray, **values) -> np.ndarray:
    return DenseCRF(**values)(torch.from_numpy(probabilities), photo).numpy()


def reference(*args, **values) -> np.ndarray:
    """What pydensecrf gives."""
    pytest.importorskip('pydensecrf.densecrf', reason='the reference is not installed: pip install pydensecrf2 '
                        '(compiles C++, Python 3.12 or older)')
    return dense_crf.reference(*args, **values)


@pytest.mark.parametrize('values', CASES.values(), ids=CASES)
def test_is_near_the_sums_over_all_pairs(values):
    probabilities, photo = scene()
    found, exact = refined(probabilities, photo, **values), dense_crf.all_pairs(probabilities, photo, **values)
    changed = (exact.argmax(0) != probabilities.argmax(0)).mean()
    assert changed > 0.02
    assert (found.argmax(0) != exact.argmax(0)).mean() < min(0.04, changed / 3)
    assert np.abs(found - exact).mean() < 0.015


def assert_same(found: np.ndarray, wanted: np.ndarray) -> None:
    """Equal classes, and probabilities (K, ...) to what rounding, which processors differ in, becomes in ten steps."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-3)
    second, first = np.sort(wanted, axis=0)[-2:]
    no_tie = first - second > 2e-3
    assert no_tie.mean() > 0.9 and np.array_equal(found.argmax(0)[no_tie], wanted.argmax(0)[no_tie])


@pytest.mark.parametrize('values', CASES.values(), ids=CASES)
def test_is_what_pydensecrf_gives(values):
    probabilities, photo = scene()
    assert_same(refined(probabilities, photo, **values), reference(probabilities, photo, **values))


@pytest.mark.parametrize('case', CASES)
def test_is_what_pydensecrf_gave(case):
    found = refined(*scene(), **CASES[case])[:, ::5, ::4]
    assert_same(found, np.array(json.loads(RECORDED.read_text())[case]).reshape(found.shape))


def test_photos_of_voc_as_pydensecrf_has_them(data_pack):
    import cv2
    for name in ('2007_000033', '2007_000175'):
        area = slice(80, 240), slice(150, 350)
        photo = np.ascontiguousarray(cv2.imread(str(data_pack / f'VOC2012/JPEGImages/{name}.jpg'))[area][..., ::-1])
        mask = cv2.imread(str(data_pack / f'VOC2012/SegmentationClass/{name}.png')).sum(2)[area]
        _, labels = np.unique(mask, return_inverse=True)
        labels = np.roll(labels.reshape(mask.shape), (6, -9), (0, 1))
        scores = np.stack([cv2.GaussianBlur((labels == k).astype(np.float32), (0, 0), 5) for k in range(21)]) + 1e-4
        probabilities = scores / scores.sum(0)
        wanted, found = reference(probabilities, photo), refined(probabilities, photo)
        assert (wanted.argmax(0) != labels).mean() > 0.01
        assert (found.argmax(0) == wanted.argmax(0)).mean() > 0.9999 and np.abs(found - wanted).mean() < 1e-5


def disc() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photo of a disc, its labels, and probabilities of a disc that is blurred, shifted and has specks."""
    rng = np.random.RandomState(1)
    rows, columns = np.mgrid[:90, :120]
    labels = (rows - 45) ** 2 + (columns - 60) ** 2 < 30 ** 2
    photo = np.where(labels[..., None], [200, 60, 40], [40, 90, 160]) + rng.randint(-4, 5, (90, 120, 3))
    distance = 30 - np.hypot(rows - 50, columns - 54)
    share = 1 / (1 + np.exp(-distance / 6))
    specks = rng.rand(90, 120) < 0.03
    share[specks] = 1 - share[specks]
    return photo.astype(np.uint8), labels, np.stack([1 - share, share]).astype(np.float32)


def test_labels_end_where_the_photo_s_colours_change():
    photo, labels, probabilities = disc()
    assert 0.85 < (probabilities.argmax(0) == labels).mean() < 0.93
    found = refined(probabilities, photo).argmax(0)
    assert (found == labels).mean() > 0.995
    edges = [np.argwhere(np.diff(found[45])).ravel(), np.argwhere(np.diff(found[:, 60])).ravel()]
    assert edges[0].tolist() == [30, 89] and edges[1].tolist() == [15, 74]


def test_each_value_has_its_effect():
    photo, labels, probabilities = disc()

    def hits(**values):
        return (refined(probabilities, photo, **values).argmax(0) == labels).mean()

    def specks(found):
        return (sum((found[1:-1, 1:-1] != found[1 + y:89 + y, 1 + x:119 + x]).astype(int)
                    for y, x in ((0, 1), (1, 0), (0, -1), (-1, 0))) == 4).sum()

    left = [specks(refined(probabilities, photo, bi_w=0, pos_w=w).argmax(0)) for w in (1, 3, 10)]
    assert specks(probabilities.argmax(0)) > left[0] > left[1] > left[2] == 0
    assert hits(bi_w=0) < 0.97 < hits()
    assert hits(bi_rgb_std=3) > 0.99 > hits(bi_rgb_std=300)
    assert hits(bi_xy_std=1, bi_rgb_std=67) < 0.97  # exchanged
    assert hits(bi_xy_std=2) < hits(bi_xy_std=67)
    assert hits(iter_max=1) < hits(iter_max=10)
    softer, harder = (refined(probabilities, photo, pos_w=w, bi_w=0).max(0).mean() for w in (0.5, 5))
    assert softer < harder
    narrow, wide = (refined(probabilities, photo, bi_w=0, pos_xy_std=xy) for xy in (1, 6))
    assert specks(narrow.argmax(0)) != specks(wide.argmax(0)) and np.abs(narrow - wide).max() > 0.1


@pytest.mark.parametrize('classes', [2, 8, 9])
def test_any_number_of_classes(classes):
    probabilities, photo = scene(20, 24, classes)
    given = torch.from_numpy(probabilities)
    before = given.clone()
    found = DenseCRF()(given, torch.from_numpy(photo))
    assert found.shape == given.shape and found.dtype == torch.float32 and torch.equal(given, before)
    torch.testing.assert_close(found.sum(0), torch.ones(20, 24))
    assert np.abs(found.numpy() - dense_crf.all_pairs(probabilities, photo)).mean() < 0.03
    short = DenseCRF(iter_max=2)  # each step enlarges differences of rounding, which processors make
    turned = short(given.flip(0), photo).flip(0)  # classes are alike
    torch.testing.assert_close(turned, short(given, photo), atol=1e-4, rtol=0)
    halves = DenseCRF()(given.half(), photo)
    assert halves.dtype == torch.float32 and (halves - found).abs().mean() < 1e-3


def test_certain_pixels_can_still_change():
    """A probability of 0 counts as 1e-5, so that no logarithm is infinite."""
    photo, labels, probabilities = disc()
    certain = np.eye(2, dtype=np.float32)[probabilities.argmax(0)].transpose(2, 0, 1)
    found = refined(certain, photo, bi_w=20)
    assert np.isfinite(found).all() and (found.argmax(0) == labels).mean() > (certain.argmax(0) == labels).mean()


@pytest.mark.parametrize('photo, message', [
    (np.zeros((20, 24, 3), np.float32), 'uint8 RGB; got float32.*\n.*before it is normalised'),
    (np.zeros((20, 24), np.uint8), r'got uint8 of shape \(20, 24\)'),
    (np.zeros((3, 20, 24), np.uint8), r'got uint8 of shape \(3, 20, 24\)'),
    (np.zeros((24, 20, 3), np.uint8), r'\(5, 20, 24\) \(K, H, W\) do not fit a photo of 24x20'),
])
def test_photos_that_are_none(photo, message):
    with pytest.raises(DataError, match=message):
        refined(scene(20, 24)[0], photo)


@pytest.mark.parametrize('change', [lambda p: p * 20 - 3, lambda p: p * np.nan, lambda p: p[:3],
                                    lambda p: np.concatenate([p, p[:1] * 0 - 1, p[:1] * 0 + 1])])
def test_scores_are_no_probabilities(change):
    probabilities, photo = scene(20, 24)
    with pytest.raises(DataError, match='(?s)expected probabilities.*softmax'):
        refined(change(probabilities).astype(np.float32), photo)


@pytest.mark.parametrize('values, message', [
    (dict(iter_max=0), 'DenseCRF.iter_max: expected a whole number of at least 1; got 0'),
    (dict(iter_max=2.5), 'iter_max'),
    (dict(pos_w=-1), 'DenseCRF.pos_w: expected a number of at least 0; got -1'),
    (dict(bi_xy_std=0), 'DenseCRF.bi_xy_std: expected a number above 0; got 0'),
    (dict(bi_rgb_std=float('nan')), 'bi_rgb_std'),
    (dict(bi_w=float('inf')), 'bi_w'),
    (dict(bi_w='4'), "bi_w: .* got '4'"),
    (dict(pos_w=0, bi_w=0), 'nothing would change'),
    (dict(normalization='both'), "one of symmetric, before, after, none; got 'both'"),
    (dict(bi_xy=67), 'bi_xy_std'),
])
def test_values_that_cannot_be(values, message):
    with pytest.raises(ConfigError, match=message):
        POSTPROCESSORS.build(dict(type='DenseCRF', **values))


def test_a_deviation_that_is_too_small_for_the_photo():
    photo = np.random.RandomState(0).randint(0, 256, (20, 24, 3)).astype(np.uint8)
    with pytest.raises(ConfigError, match='(?s)DenseCRF.bi_rgb_std=0.001 is too small for a photo of 20x24.*is 3.'):
        refined(scene(20, 24)[0], photo, bi_rgb_std=0.001)


def test_exchanged_values_are_told_of(capfd):
    from mmengine.logging import MMLogger
    logger = MMLogger.get_instance('exchanged')
    DenseCRF(bi_xy_std=67, bi_rgb_std=3)
    DenseCRF(bi_w=0, bi_xy_std=1, bi_rgb_std=67)
    said = capfd.readouterr()
    assert 'exchanged, as in' not in said.out + said.err
    DenseCRF(bi_xy_std=1, bi_rgb_std=67)
    said = capfd.readouterr()
    assert logger is MMLogger.get_current_instance()
    assert 'bi_xy_std=1 pixels and bi_rgb_std=67 colour steps look exchanged' in said.out + said.err
