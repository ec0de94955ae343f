"""Image and labels move together, whatever their size and whatever the transforms drew.

Each pixel of the image carries where it comes from: channel 0 its row, channel 1 its column. So do two label maps
beside ``gt_seg_map``, whose labels are a function of the place. After a transform the three can be compared pixel by
pixel, with each other and with a reference that loops over places, written here.
"""
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.datasets.transforms import Pad, RandomCrop, RandomFlip, RandomResize, RandomRotate, Resize

MARK = 200  # of image pixels that come from outside; rows and columns are below 81
VOID = 255
geometry = settings(deadline=None, derandomize=True, max_examples=150, database=None)
sizes = st.tuples(st.integers(1, 80), st.integers(1, 80)) | st.sampled_from(
    [(1, 1), (1, 80), (80, 1), (2, 79), (79, 3), (17, 17), (64, 32)])
seeds = st.integers(0, 2**32 - 1)
pairs = st.tuples(st.integers(1, 120), st.integers(1, 120))
directions = st.sampled_from(['horizontal', 'vertical', 'diagonal'])


def sample(size, seed=0, labels=(0, 1, 2, 7, 255), grain=4):
    """Results as they are behind LoadAnnotations; the labels are patches of ``grain`` pixels."""
    height, width = size
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    coarse = np.random.RandomState(seed % 2**32).choice(labels, (height // grain + 1, width // grain + 1))
    mask = np.kron(coarse, np.ones((grain, grain), int))[:height, :width].astype(np.uint8)
    image = np.dstack([rows, columns, np.zeros_like(rows)])
    return dict(img=image, gt_seg_map=mask, rows=rows.copy(), columns=columns.copy(), img_shape=size, ori_shape=size,
                seg_fields=['gt_seg_map', 'rows', 'columns'])


def run(transform, results, seed):
    """The transform's results; what it was given stays as it is."""
    given_arrays = {key: value.copy() for key, value in results.items() if isinstance(value, np.ndarray)}
    np.random.seed(seed)
    out = transform({**results, 'seg_fields': list(results['seg_fields'])})
    for key, array in given_arrays.items():
        assert np.array_equal(results[key], array), f'{key} was changed in place'
    return out


def check_exact(out, whole):
    """Every pixel of image and labels comes from the same place, or from outside in both; returns the outside."""
    mask, rows, columns = (out[key] for key in ('gt_seg_map', 'rows', 'columns'))
    image = out['img']
    assert image.shape[:2] == mask.shape == rows.shape == columns.shape == tuple(out['img_shape'])
    assert image.dtype == mask.dtype == np.uint8
    outside = image[..., 2] == MARK
    assert np.array_equal(outside, rows == VOID) and np.array_equal(outside, columns == VOID)
    assert (mask[outside] == VOID).all() and (image[outside] == MARK).all()
    inside = ~outside
    assert np.array_equal(image[..., 0][inside], rows[inside])
    assert np.array_equal(image[..., 1][inside], columns[inside])
    assert np.array_equal(mask[inside], whole['gt_seg_map'][rows[inside], columns[inside]])
    return outside


def same_again(transform, results, out, seed):
    """A seed repeats."""
    again = run(transform, results, seed)
    assert all(np.array_equal(out[key], again[key]) for key in ('img', 'gt_seg_map'))


@geometry
@given(sizes, st.lists(directions, min_size=1, max_size=3, unique=True), st.floats(0, 1), seeds)
def test_flip(size, names, prob, seed):
    whole = sample(size, seed)
    transform = RandomFlip(prob=prob, direction=names)
    out = run(transform, whole, seed)
    assert not check_exact(out, whole).any()
    rows, columns = np.mgrid[:size[0], :size[1]]
    assert out['flip'] == (out['flip_direction'] is not None) and out['flip_direction'] in [None, *names]
    if out['flip_direction'] in ('vertical', 'diagonal'):
        rows = size[0] - 1 - rows
    if out['flip_direction'] in ('horizontal', 'diagonal'):
        columns = size[1] - 1 - columns
    assert np.array_equal(out['rows'], rows) and np.array_equal(out['columns'], columns)
    assert not (prob == 0 and out['flip']) and not (prob == 1 and not out['flip'])
    same_again(transform, whole, out, seed)


@geometry
@given(sizes, directions, seeds)
def test_flip_swaps_labels_only_where_it_mirrors(size, direction, seed):
    whole = sample(size, seed)
    del whole['rows'], whole['columns']
    whole['seg_fields'] = ['gt_seg_map']
    out = run(RandomFlip(prob=1., direction=direction, swap_seg_labels=[(1, 2)]), whole, seed)
    back = run(RandomFlip(prob=1., direction=direction), out, seed)['gt_seg_map']
    expected = [[{1: 2, 2: 1}.get(label, label) for label in row] for row in whole['gt_seg_map'].tolist()]
    assert back.tolist() == expected
    assert np.array_equal(run(RandomFlip(prob=0., swap_seg_labels=[(1, 2)]), whole, seed)['gt_seg_map'],
                          whole['gt_seg_map'])


@geometry
@given(sizes, st.tuples(st.integers(1, 100), st.integers(1, 100)), seeds)
def test_crop_is_a_window(size, crop, seed):
    whole = sample(size, seed)
    transform = RandomCrop(crop_size=crop)
    out = run(transform, whole, seed)
    assert not check_exact(out, whole).any()
    height, width = (min(have, want) for have, want in zip(size, crop))
    top, left = int(out['rows'][0, 0]), int(out['columns'][0, 0])
    assert np.array_equal(out['rows'], np.mgrid[top:top + height, left:left + width][0])
    assert np.array_equal(out['columns'], np.mgrid[top:top + height, left:left + width][1])
    same_again(transform, whole, out, seed)


@geometry
@given(sizes, st.tuples(st.integers(1, 40), st.integers(1, 40)), st.floats(0.05, 0.99), seeds,
       st.sampled_from([(0, 1), (0, 0, 0, 1, 255), (255,), (3,), (0, 1, 2, 7, 255)]), st.integers(1, 9))
def test_crop_draws_until_no_class_fills_it(size, crop, ratio, seed, labels, grain):
    """The window that ten tries by the published rule, counted label by label, end with."""
    whole = sample(size, seed, labels, grain)
    out = run(RandomCrop(crop_size=crop, cat_max_ratio=ratio), whole, seed)
    check_exact(out, whole)

    def draw():
        top = np.random.randint(0, max(size[0] - crop[0], 0) + 1)
        left = np.random.randint(0, max(size[1] - crop[1], 0) + 1)
        return top, left

    np.random.seed(seed)
    top, left = draw()
    for _ in range(10):
        window = whole['gt_seg_map'][top:top + crop[0], left:left + crop[1]].ravel().tolist()
        counts = [window.count(label) for label in set(window) - {VOID}]
        if len(counts) > 1 and max(counts) / sum(counts) < ratio:
            break
        top, left = draw()
    assert (int(out['rows'][0, 0]), int(out['columns'][0, 0])) == (top, left)


@geometry
@given(sizes, st.data(), seeds)
def test_pad_adds_void_at_the_bottom_and_the_right_alone(size, data, seed):
    whole = sample(size, seed)
    height, width = size
    how = data.draw(st.sampled_from(['size', 'size_divisor', 'pad_to_square', 'both']))
    pad_val = dict(img=(MARK, MARK, MARK), seg=VOID)
    if how == 'size':
        target = data.draw(pairs)
        transform, expected = Pad(size=target, pad_val=pad_val), (max(target[1], height), max(target[0], width))
    else:
        divisor = data.draw(st.integers(1, 40)) if how != 'pad_to_square' else None
        square = how != 'size_divisor'
        transform = Pad(size_divisor=divisor, pad_to_square=square, pad_val=pad_val)
        edges = [max(size)] * 2 if square else size
        expected = tuple(next(n for n in range(edge, 200) if n % (divisor or 1) == 0) for edge in edges)
    out = run(transform, whole, seed)
    outside = check_exact(out, whole)
    assert out['img_shape'] == expected and out['pad_shape'] == (*expected, 3)
    assert not outside[:height, :width].any() and outside[height:].all() and outside[:, width:].all()
    assert np.array_equal(out['gt_seg_map'][:height, :width], whole['gt_seg_map'])


@geometry
@given(sizes, st.tuples(st.integers(0, 20), st.integers(0, 20)), st.sampled_from(['edge', 'reflect', 'symmetric']))
def test_pad_by_what_is_there(size, more, mode):
    whole = sample(size)
    target = size[1] + min(more[1], size[1] - 1), size[0] + min(more[0], size[0] - 1)
    out = run(Pad(size=target, padding_mode=mode), whole, 0)
    assert not check_exact(out, whole).any()
    rows, columns = np.mgrid[:size[0], :size[1]]
    by = ((0, target[1] - size[0]), (0, target[0] - size[1]))
    assert np.array_equal(out['rows'], np.pad(rows, by, mode=mode))
    assert np.array_equal(out['columns'], np.pad(columns, by, mode=mode))


def nearest_places(new, old, found):
    """Whether new places come from floor(i * old / new), in exact rationals, of the old ones.

    OpenCV computes the product in floating point; where it is a whole number, it may come out a hair below.
    """
    assert len(found) == new
    exact = [Fraction(i * old, new) for i in range(new)]
    return all(place == min(q.__floor__(), old - 1) or q.denominator == 1 and place == q - 1
               for place, q in zip(found.tolist(), exact))


def check_resized(out, whole, interpolation):
    """Labels are the nearest reference's; the image lies at the same places, as far as it is interpolated."""
    (height, width), (new_h, new_w) = whole['img_shape'], out['img_shape']
    assert out['img'].shape == (new_h, new_w, 3) and out['scale_factor'] == (new_w / width, new_h / height)
    rows, columns = out['rows'], out['columns']
    assert rows.shape == columns.shape == (new_h, new_w)
    assert (rows == rows[:, :1]).all() and (columns == columns[:1]).all()
    assert nearest_places(new_h, height, rows[:, 0]) and nearest_places(new_w, width, columns[0])
    assert np.array_equal(out['gt_seg_map'], whole['gt_seg_map'][rows, columns])
    if interpolation == 'nearest':
        check_exact(out, whole)
        return
    for channel, new, old in ((0, new_h, height), (1, new_w, width)):
        places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)  # bilinear of a ramp is the place
        shape = (-1, 1) if channel == 0 else (1, -1)
        assert np.abs(out['img'][..., channel] - places.reshape(shape)).max() <= 1


@geometry
@given(sizes, st.data(), st.sampled_from(['nearest', 'bilinear']))
def test_resize(size, data, interpolation):
    whole = sample(size)
    height, width = size
    keep_ratio = data.draw(st.booleans())
    scale = data.draw(pairs | st.integers(1, 120))
    out = run(Resize(scale=scale, keep_ratio=keep_ratio, interpolation=interpolation), whole, 0)
    w, h = (scale, scale) if isinstance(scale, int) else scale
    assert out['scale'] == (w, h) and out['keep_ratio'] == keep_ratio
    if keep_ratio:
        factor = min(Fraction(max(w, h), max(size)), Fraction(min(w, h), min(size)))
        for new, old in zip(out['img_shape'], size):
            assert abs(new - old * factor) <= Fraction(1, 2) + Fraction(1, 10**9) or new == 1 and old * factor < 1
        assert max(out['img_shape']) <= max(w, h) and min(out['img_shape']) <= min(w, h)
    else:
        assert out['img_shape'] == (h, w)
    check_resized(out, whole, interpolation)


@geometry
@given(sizes, st.floats(0.05, 2), st.floats(0.05, 2), st.sampled_from(['nearest', 'bilinear']))
def test_resize_by_factors(size, factor_w, factor_h, interpolation):
    whole = sample(size)
    out = run(Resize(scale_factor=(factor_w, factor_h), interpolation=interpolation), whole, 0)
    for new, old, factor in zip(out['img_shape'], size, (factor_h, factor_w)):
        assert new == max(math.floor(old * factor + 0.5), 1)
    check_resized(out, whole, interpolation)


@geometry
@given(sizes, pairs, pairs, st.none() | st.tuples(st.floats(0.1, 1), st.floats(1, 2)), seeds)
def test_random_resize(size, one, other, ratios, seed):
    """One scale times a ratio, or two scales between which each edge is drawn."""
    whole = sample(size)
    transform = RandomResize(scale=one, ratio_range=ratios) if ratios else RandomResize(scale=[one, other])
    out = run(transform, whole, seed)
    for new, a, b in zip(out['img_shape'][::-1], one, other):
        low, high = (max(math.floor(a * ratios[0]), 1), math.ceil(a * ratios[1])) if ratios else sorted((a, b))
        assert low <= new <= high
    assert out['scale'] == out['img_shape'][::-1]
    check_resized(out, whole, 'bilinear')
    same_again(transform, whole, out, seed)


@geometry
@given(sizes, pairs)
def test_resize_by_pillow_moves_labels_with_the_image(size, scale):
    whole = sample(size)
    out = run(Resize(scale=scale, backend='pillow', interpolation='nearest'), whole, 0)
    assert out['img_shape'] == scale[::-1] and not check_exact(out, whole).any()


NEAR = 0.1  # pixels; OpenCV computes places in steps of 1/32 pixel and draws borders that wide


def needed_size(size, angle):
    """Height and width of the box around an image turned by an angle in radians."""
    sin, cos = abs(math.sin(angle)), abs(math.cos(angle))
    return size[0] * cos + size[1] * sin, size[1] * cos + size[0] * sin


def sources(shape, size, angle, center, auto_bound):
    """Where each pixel of the turned image comes from: (row, column) as floats."""
    angle = math.radians(angle)  # clockwise, y points down
    middle = ((size[1] - 1) / 2, (size[0] - 1) / 2) if center is None else center
    new_middle = middle
    if auto_bound:
        needed = needed_size(size, angle)
        new_middle = (middle[0] + (needed[1] - size[1]) / 2, middle[1] + (needed[0] - size[0]) / 2)
    y, x = np.mgrid[:shape[0], :shape[1]].astype(float)
    x, y = x - new_middle[0], y - new_middle[1]
    return (y * math.cos(angle) - x * math.sin(angle) + middle[1],
            x * math.cos(angle) + y * math.sin(angle) + middle[0])


@geometry
@given(sizes, st.floats(-200, 200), st.none() | st.tuples(st.integers(-5, 85), st.integers(-5, 85)), st.booleans(),
       seeds)
def test_rotate(size, angle, center, auto_bound, seed):
    whole = sample(size, seed, labels=(0, 1, 2, 7))
    auto_bound = auto_bound and center is None
    transform = RandomRotate(prob=1., degree=(angle, angle), pad_val=MARK, center=center, auto_bound=auto_bound)
    out = run(transform, whole, seed)
    shape = size
    if auto_bound:
        shape = out['img_shape']
        assert all(abs(new - needed) <= 0.51 for new, needed in zip(shape, needed_size(size, math.radians(angle))))
    assert out['img'].shape == (*shape, 3) and out['gt_seg_map'].shape == shape == tuple(out['img_shape'])

    rows, columns = sources(shape, size, angle, center, auto_bound)
    def within(margin):  # of the image, enlarged by so many pixels on each side
        return (rows > -margin) & (rows < size[0] - 1 + margin) & (columns > -margin) & (columns < size[1] - 1 + margin)

    void = out['gt_seg_map'] == VOID
    assert not void[within(0.5 - NEAR)].any() and void[~within(0.5 + NEAR)].all()
    assert (out['img'][~within(1 + NEAR)] == MARK).all()
    kept = ~void
    taken = out['rows'][kept].astype(int), out['columns'][kept].astype(int)
    for found, places in zip(taken, (rows, columns)):
        assert np.abs(found - places[kept]).max(initial=0) <= 0.5 + NEAR
    assert np.array_equal(out['gt_seg_map'][kept], whole['gt_seg_map'][taken])
    inner = within(-NEAR)
    for channel, places in ((0, rows), (1, columns)):
        assert np.abs(out['img'][..., channel][inner] - places[inner]).max(initial=0) <= 0.5 + NEAR
    same_again(transform, whole, out, seed)


@pytest.mark.parametrize('turns', [0, 90, 180, 270, -90])
@pytest.mark.parametrize('size', [(1, 1), (6, 9), (31, 8)])
def test_rotate_by_right_angles_is_exact(size, turns):
    whole = sample(size, labels=(0, 1, 2, 7))
    out = run(RandomRotate(prob=1., degree=(turns, turns), pad_val=MARK, auto_bound=True), whole, 0)
    assert np.array_equal(out['gt_seg_map'], np.rot90(whole['gt_seg_map'], -turns // 90))
    assert not check_exact(out, whole).any()


steps = st.one_of(
    st.builds(RandomFlip, st.floats(0, 1), st.lists(directions, min_size=1, max_size=3)),
    st.builds(lambda size, ratio: RandomCrop(size, ratio), st.tuples(st.integers(1, 60), st.integers(1, 60)),
              st.sampled_from([1., 0.75, 0.3])),
    st.builds(lambda size: Pad(size=size, pad_val=dict(img=(MARK,) * 3, seg=VOID)), pairs),
    st.builds(lambda n: Pad(size_divisor=n, pad_val=dict(img=(MARK,) * 3, seg=VOID)), st.integers(1, 32)),
    st.builds(lambda scale, keep: Resize(scale, keep_ratio=keep, interpolation='nearest'), pairs, st.booleans()),
    st.builds(lambda scale: RandomResize(scale, (0.5, 2.), keep_ratio=True, interpolation='nearest'), pairs),
    st.builds(lambda: RandomRotate(prob=0.5, degree=(180, 180), pad_val=MARK)))


@settings(geometry, max_examples=400)
@given(sizes, st.lists(steps, min_size=2, max_size=6), seeds)
def test_chains(size, chain, seed):
    whole = sample(size, seed)
    results = []
    for _ in range(2):
        out = {**whole, 'seg_fields': list(whole['seg_fields'])}
        np.random.seed(seed)
        for transform in chain:
            taken, before = out, {key: out[key].copy() for key in ('img', 'gt_seg_map')}
            out = transform({**out})
            assert all(np.array_equal(taken[key], before[key]) for key in before)
        results.append(out)
    outside = check_exact(out, whole)
    added = {VOID} if outside.any() else set()
    assert set(np.unique(out['gt_seg_map'])) <= set(np.unique(whole['gt_seg_map'])) | added
    assert all(np.array_equal(results[0][key], results[1][key]) for key in ('img', 'gt_seg_map'))
