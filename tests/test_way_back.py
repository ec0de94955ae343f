"""From the pipeline into the network and back: what is predicted lies where it was in the photo, at the photo's size.

The network here gives each pixel its own label from its own colour, so that a prediction must be the labels that went
in: exactly, as long as nothing was interpolated; away from the borders of patches, where the photo was resized.
"""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from segkit.datasets import seg_collate
from segkit.datasets.transforms import PackSegInputs, RandomFlip, Resize, TestTimeAug
from segkit.models.data_preprocessor import SegDataPreProcessor
from segkit.models.segmentors.encoder_decoder import EncoderDecoder

LABELS = 4
COLOURS = np.array([[0, 0, 0], [0, 0, 255], [0, 255, 0], [255, 0, 0]], np.uint8)  # BGR
geometry = settings(deadline=None, derandomize=True, max_examples=40, database=None)
sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))
seeds = st.integers(0, 2**32 - 1)


class Eye(nn.Module):
    """A backbone that hands on what it sees."""

    out_channels = (3,)
    output_stride = 1

    def forward(self, x):
        return (x,)


class NearestColour(nn.Module):
    """A head whose scores are highest for the label of that colour."""

    num_classes = out_channels = LABELS
    align_corners, ignore_index, threshold, log_accuracy = False, 255, None, False

    def forward(self, feats):
        colours = torch.from_numpy(COLOURS[:, ::-1].copy()).float() / 255 * 2 - 1  # as the preprocessor makes them
        return torch.einsum('nchw,kc->nkhw', feats[0], colours) - (colours**2).sum(1).view(1, -1, 1, 1) / 2


@pytest.fixture(scope='module')
def model():
    segmentor = EncoderDecoder.__new__(EncoderDecoder)
    nn.Module.__init__(segmentor)
    segmentor.backbone, segmentor.decode_head = Eye(), NearestColour()
    segmentor.num_classes = segmentor.out_channels = LABELS
    segmentor.align_corners = False
    segmentor.test_cfg = dict(mode='whole', output_stride=None, keep_logits=False)
    return segmentor.eval()


def photo(size, seed, grain=1):
    """Results of the loading transforms: a photo that shows its labels."""
    shape = size[0] // grain + 1, size[1] // grain + 1
    labels = np.kron(np.random.RandomState(seed % 2**32).randint(0, LABELS, shape), np.ones((grain, grain), int))
    labels = labels[:size[0], :size[1]].astype(np.uint8)
    return dict(img=COLOURS[labels], gt_seg_map=labels, img_shape=size, ori_shape=size, seg_fields=['gt_seg_map'])


def preprocessor(**kwargs):
    return SegDataPreProcessor(mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True, **kwargs)


@geometry
@given(st.lists(sizes, min_size=1, max_size=4), st.booleans(), st.booleans(), st.none() | sizes,
       st.none() | st.integers(1, 32), seeds)
def test_batch_is_its_images_and_void_around_them(shapes, stacked, as_list, least, divisor, seed):
    samples = [photo(size, seed + k) for k, size in enumerate(shapes)]
    given_arrays = [sample['img'].copy() for sample in samples]
    packed = [PackSegInputs()(dict(sample)) for sample in samples]
    for one, sample in zip(packed, samples):
        assert one['inputs'].dtype == torch.uint8 and one['inputs'].shape == (3, *sample['img_shape'])
        assert np.array_equal(one['inputs'].numpy(), sample['img'].transpose(2, 0, 1))
    if as_list:  # what a pseudo_collate gives
        batch = dict(inputs=[one['inputs'] for one in packed], data_samples=[one['data_samples'] for one in packed])
    else:
        batch = seg_collate(packed, stack_labels=stacked)
        for k, (height, width) in enumerate(shapes):
            assert not batch['inputs'][k, :, height:].any() and not batch['inputs'][k, :, :, width:].any()
            if stacked:
                assert (batch['labels'][k, height:] == 255).all() and (batch['labels'][k, :, width:] == 255).all()
    divisor = None if least else divisor
    out = preprocessor(size=least, size_divisor=divisor, pad_val=9, seg_pad_val=255)(batch, training=True)
    tall, wide = (max(edges) for edges in zip(*shapes))
    if least:
        tall, wide = max(tall, least[0]), max(wide, least[1])
    if divisor:
        tall, wide = -(-tall // divisor) * divisor, -(-wide // divisor) * divisor
    assert out['inputs'].shape == (len(shapes), 3, tall, wide) and out['labels'].shape == (len(shapes), tall, wide)
    for k, (sample, (height, width)) in enumerate(zip(samples, shapes)):
        image, labels = out['inputs'][k].clone(), out['labels'][k].clone()
        expected = torch.from_numpy(sample['img'][..., ::-1].transpose(2, 0, 1).copy()).float() / 127.5 - 1
        assert torch.allclose(image[:, :height, :width], expected, atol=1e-6)
        assert np.array_equal(labels[:height, :width].numpy(), sample['gt_seg_map'])
        image[:, :height, :width], labels[:height, :width] = 9, 255
        assert (image == 9).all() and (labels == 255).all()
        assert np.array_equal(sample['img'], given_arrays[k])


@geometry
@given(st.lists(sizes, min_size=1, max_size=4), st.lists(st.sampled_from(
    [None, 'horizontal', 'vertical', 'diagonal']), min_size=4, max_size=4), st.none() | st.integers(1, 32), seeds)
def test_flips_and_padding_are_undone(model, shapes, flips, divisor, seed):
    samples = [photo(size, seed + k) for k, size in enumerate(shapes)]
    packed = []
    for sample, direction in zip(samples, flips):
        flip = RandomFlip(prob=1. if direction else 0., direction=direction or 'horizontal')
        packed.append(PackSegInputs()(flip({**sample, 'seg_fields': []})))
    test_cfg = dict(size_divisor=divisor) if divisor else None
    batch = preprocessor(test_cfg=test_cfg)(seg_collate(packed), training=False)
    with torch.no_grad():
        results = model.predict(batch['inputs'], batch['data_samples'])
    for result, sample in zip(results, samples):
        assert np.array_equal(result.pred_sem_seg.data[0].numpy(), sample['gt_seg_map'])


@geometry
@given(sizes, st.tuples(st.integers(1, 120), st.integers(1, 120)), st.booleans(), st.booleans(),
       st.sampled_from([None, 'horizontal', 'vertical', 'diagonal']), seeds)
def test_prediction_of_a_resized_photo_has_the_photo_s_size(model, size, scale, keep_ratio, nearest, direction, seed):
    sample = photo(size, seed)
    resize = Resize(scale=scale, keep_ratio=keep_ratio, interpolation='nearest' if nearest else 'bilinear')
    flip = RandomFlip(prob=1. if direction else 0., direction=direction or 'horizontal')
    packed = PackSegInputs()(flip(resize({**sample, 'seg_fields': []})))
    batch = preprocessor()(seg_collate([packed]), training=False)
    with torch.no_grad():
        result = model.predict(batch['inputs'], batch['data_samples'])[0]
    assert result.pred_sem_seg.data.shape == (1, *size)


@geometry
@given(st.tuples(st.integers(24, 60), st.integers(24, 60)), st.floats(1., 2.5), seeds)
def test_resized_photo_comes_back_where_it_was(model, size, factor, seed):
    """Patches of 12 pixels: what lies two pixels inside a patch is predicted as that patch, whatever was drawn."""
    sample = photo(size, seed, grain=12)
    tta = TestTimeAug([[dict(type='Resize', scale_factor=factor), dict(type='Resize', scale_factor=1.)],
                       [dict(type='RandomFlip', prob=p, direction=d) for p, d in (
                           (0., 'horizontal'), (1., 'horizontal'), (1., 'vertical'), (1., 'diagonal'))],
                       [dict(type='PackSegInputs')]])
    views = tta({**sample, 'seg_fields': []})
    batch = seg_collate([views])
    assert len(batch['inputs']) == 8
    for inputs, data_samples in zip(batch['inputs'], batch['data_samples']):
        one = preprocessor()(dict(inputs=inputs, data_samples=data_samples), training=False)
        with torch.no_grad():
            found = model.predict(one['inputs'], one['data_samples'])[0].pred_sem_seg.data[0].numpy()
        rows, columns = (np.minimum(np.arange(n) % 12, 11 - np.arange(n) % 12) >= 2 for n in size)
        inside = rows[:, None] & columns[None]
        assert np.array_equal(found[inside], sample['gt_seg_map'][inside])
