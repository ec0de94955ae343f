"""What the files together show, from counts that are made here."""
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from segkit.apis.doctor import examine
from segkit.apis.doctor_advice import advise
from segkit.apis.doctor_findings import Findings
from segkit.apis.doctor_judgement import judge, judge_normalisation
from segkit.datasets.survey import HASHES, Split, Survey

ROOT = Path(__file__).parents[2]
# RGB of VOC's training photos in the data pack, as the doctor's JSON gives them (rgb_mean, rgb_std of train_aug).
VOC = ((115.67, 110.64, 100.49), (69.21, 68.15, 71.14))
IMAGENET, CAFFE = (123.675, 116.28, 103.53), (122.679, 116.669, 104.007)


def photos(mean, std):
    """A split of photos with such means and deviations of R, G, B."""
    split, mean = Split('train', 'train', []), np.array(mean)[::-1]
    split.sums = 1000 * np.array([np.ones(3), mean, mean ** 2 + np.array(std)[::-1] ** 2])
    return split


def is_far(split, preprocessor):
    found = Findings()
    judge_normalisation(split, preprocessor, found)
    return bool(found.of('normalisation').count)


def test_the_preprocessors_of_all_base_models_fit_photos():
    given = [Config.fromfile(path).model.data_preprocessor for path in (ROOT / 'configs/_base_/models').glob('*.py')]
    assert sum(one.std == [1, 1, 1] for one in given) >= 3
    assert not any(is_far(photos(*VOC), one) for one in given)


@pytest.mark.parametrize('mean, std, taken_mean, taken_std, far', [
    (*VOC, IMAGENET, (58.395, 57.12, 57.375), False), (*VOC, CAFFE, (1, 1, 1), False),
    (*VOC, (0, 0, 0), (255, 255, 255), False), (*VOC, (0, 0, 0), (1, 1, 1), False),
    ((200, 205, 210), (9, 9, 9), IMAGENET, (58.395, 57.12, 57.375), False),  # pale, with little contrast
    (*VOC, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), True), (*VOC, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), True),
    (*VOC, (0.5, 0.5, 0.5), (1, 1, 1), True), (*VOC, IMAGENET, (0.229, 0.224, 0.225), True),
    ((0.45, 0.45, 0.4), (0.27, 0.27, 0.28), IMAGENET, (58.395, 57.12, 57.375), True),
    ((0.45, 0.45, 0.4), (0.27, 0.27, 0.28), CAFFE, (1, 1, 1), True)])
def test_normalisation(mean, std, taken_mean, taken_std, far):
    for to_rgb in (True, False):
        order = 1 if to_rgb else -1
        given = dict(mean=taken_mean[::order], std=taken_std[::order], bgr_to_rgb=to_rgb)
        assert is_far(photos(mean, std), given) == far


def masks(binary=(), others=(), clear=0, name='train'):
    """A split of masks: shares of 255 in those of 0 and 255, in those that hold class 1 too, and some of 0 alone."""
    split = Split(name, name, [SimpleNamespace(ignore_index=255, label_map=None, num_classes=2, wants_labels=True)])
    split.binary, split.voids = {f'{i}.png': share for i, share in enumerate(binary)}, list(others)
    number = len(binary) + len(others) + clear
    split.mask_colors.update({'grey': number})
    split.stored.update({0: number, 255: len(binary) + sum(share > 0 for share in others), 1: len(others)})
    split.stored += type(split.stored)()  # without zeros
    split.valid = 1
    return split


def kinds_of(*splits):
    found = Findings()
    judge(Survey(list(splits), np.zeros(0, HASHES), [], []), ['ground', 'object'], False, False, found)
    return {group.kind: list(group.files) for group in found.groups()}


FRAMES = [0.2, 0.21, 0.22, 0.23] * 10


@pytest.mark.parametrize('split, expected', [
    (masks([0.3, 0.2]), {'all masks 0 and 255': ['train']}),
    (masks([0.3, 0.2], clear=5), {'all masks 0 and 255': ['train']}),
    (masks(clear=5), {}),
    (masks(others=[0, 0.1], clear=5), {}),
    (masks([0.3], [0, 0, 0]), {'mask of 0 and 255': ['0.png']}),
    (masks([0.3, 0.02], [0.03, 0.04, 0.05]), {'mask of 0 and 255': ['0.png', '1.png']}),
    (masks(FRAMES, FRAMES), {}),
    (masks([0.23], [0.2, 0.21]), {}),
    (masks([*FRAMES, 0.6], FRAMES), {'mask of 0 and 255': ['40.png']})])
def test_masks_of_0_and_255_are_judged_by_the_split(split, expected):
    assert kinds_of(split) == expected


def test_a_label_out_of_range_does_not_hide_that_all_the_rest_is_0_and_255():
    split = masks([0.3, 0.2] * 10, clear=20, name='val')
    split.stored[7] = split.wrong[7] = 2
    found = Findings()
    survey = Survey([split], np.zeros(0, HASHES), [], [])
    judge(survey, ['ground', 'object'], False, False, found)
    assert [group.kind for group in found.groups()] == ['all masks 0 and 255']
    advice = advise(survey, found, ['ground', 'object'], crop=False)
    assert [one.line for one in advice] == ['label_map={7: 255, 255: 1}']


def test_an_object_with_another_label_and_a_void_border_is_not_taken_for_0_and_255():
    split = masks([0.1] * 4, clear=20)
    split.stored[2] = split.wrong[2] = 16
    assert kinds_of(split) == {}


def test_advice_cures_masks_of_0_and_255_of_which_some_are_empty(tiny_config):
    paths = sorted((tiny_config.parent / 'data/SegmentationClass').iterdir())
    for number, path in enumerate(paths):
        labels = np.array(Image.open(path))
        labels[labels > 0] = 255 if number % 2 else 0
        Image.fromarray(labels).save(path)
    examined = examine(str(tiny_config), workers=1, fail_on='error')
    counts = {group['kind']: group['count'] for group in examined.values['findings']}
    assert counts == {'all masks 0 and 255': 2} and examined.status == 1
    lines = [one['line'] for one in examined.values['advice'] if one['line'].startswith('label_map')]
    assert lines == ['label_map={255: 1}']
    value = lines[0].split('=', 1)[1]
    cured = examine(str(tiny_config), [f'+{split}_dataloader.dataset.label_map={value}' for split in ('train', 'val')],
                    workers=1)
    assert cured.values['counts']['error'] == 0 and cured.values['classes'][1]['pixels']['train'] > 0


@pytest.mark.parametrize('lists, expected', [
    (dict(trainval='0123', val='23'), {'trainval, val': '2 of the 2 photos of val are in trainval'}),
    (dict(trainval='012', val='23', test='4'), {'trainval, val': '1 of the 2 photos of val are in trainval'}),
    (dict(trainval='0123', train='01', val='23'), {}), (dict(trainval='01', val='23'), {})])
def test_a_joined_list_without_one_to_train_on_alone(tmp_path, lists, expected):
    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
    for i in range(5):
        Image.new('RGB', (40, 40), (9 * i,) * 3).save(tmp_path / f'images/{i}.jpg')
        Image.fromarray(np.tile(np.arange(40, dtype=np.uint8) // 20, (40, 1))).save(tmp_path / f'masks/{i}.png')
    for name, numbers in lists.items():
        (tmp_path / f'{name}.txt').write_text('\n'.join(numbers))
    examined = examine(str(tmp_path), workers=1)
    found = {group['kind']: group['files'] for group in examined.values['findings']}
    assert {one['file']: one['text'] for one in found.get('in both', [])} == expected and examined.status == 0
