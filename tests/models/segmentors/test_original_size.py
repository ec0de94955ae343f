"""Scores back at the photo's own size."""
import pytest
import torch
import torch.nn.functional as F

from segkit.errors import ConfigError
from segkit.models.segmentors.original_size import at_original
from segkit.structures import SegDataSample

LOGITS = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(0))


def sample(**meta):
    return SegDataSample(metainfo=meta)


@pytest.mark.parametrize('align_corners', [False, True])
def test_two_steps_with_the_padding_cut_off_between_them(align_corners):
    found = at_original(LOGITS, (40, 48), sample(img_shape=(30, 44), ori_shape=(60, 90)), align_corners)
    step = F.interpolate(LOGITS, (40, 48), mode='bilinear', align_corners=align_corners)[..., :30, :44]
    wanted = F.interpolate(step, (60, 90), mode='bilinear', align_corners=align_corners)
    assert found.shape == (1, 3, 60, 90) and torch.equal(found, wanted)
    other = F.interpolate(step, (60, 90), mode='bilinear', align_corners=not align_corners)
    assert not torch.allclose(found, other)


@pytest.mark.parametrize('direction, axes', [('horizontal', (-1,)), ('vertical', (-2,)), ('diagonal', (-2, -1))])
def test_a_mirrored_photo_is_turned_back_within_its_own_part(direction, axes):
    # The photo is the top left 3x4 of a padded 5x6, so turning the whole would bring padding into it.
    found = at_original(LOGITS, (5, 6), sample(img_shape=(3, 4), ori_shape=(3, 4), flip=True, flip_direction=direction),
                        False)
    assert torch.equal(found, LOGITS[..., :3, :4].flip(axes))


def test_without_facts_it_is_the_input_s_size():
    assert at_original(LOGITS, (10, 12), sample(), False).shape == (1, 3, 10, 12)


def test_a_photo_that_pad_enlarged_is_refused():
    padded = dict(img_path='a.jpg', img_shape=(8, 8), pad_shape=(8, 8), ori_shape=(5, 6))
    with pytest.raises(ConfigError, match='Pad made a.jpg 8x8'):
        at_original(LOGITS, (8, 8), sample(**padded), False)
    assert at_original(LOGITS, (10, 12), sample(**{**padded, 'img_shape': (10, 12), 'scale_factor': (2, 2)}),
                       False).shape == (1, 3, 5, 6)
