"""Faults of every kind in copies of data sets: each is found, and nothing else; nor anything in what is only odd."""
import sys
from pathlib import Path

import pytest

from segkit.apis.doctor import examine
from segkit.apis.doctor_findings import KINDS
from segkit.datasets.scenes import generate

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tools/benchmarks'))
from planted_faults import FAULTS, files_of, plant  # noqa: E402
from planted_oddities import ODDITIES, WHOLE_ODDITIES  # noqa: E402
from planted_tree import Tree  # noqa: E402
from planted_whole_faults import WHOLE  # noqa: E402

sys.path.remove(str(ROOT / 'tools/benchmarks'))

CLASSES = 9
DEMO = str(ROOT / 'configs/demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py')
VOC = str(ROOT / 'configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py')


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('doctor') / 'scenes'
    generate(str(root), 16, 8, (64, 96))
    return root


@pytest.fixture(scope='module')
def many_scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('doctor') / 'many'
    generate(str(root), 70, 30, (64, 96))
    return root


def status_of(kinds):
    return int(any(KINDS[kind].severity != 'note' for kind in kinds))


def test_every_kind_is_planted():
    assert {fault.kind for fault in FAULTS + WHOLE} == set(KINDS)


def test_the_page_tells_all_kinds_and_that_none_was_missed_or_invented():
    page = (ROOT / 'docs/doctor.md').read_text()
    assert f'{len(FAULTS + WHOLE)} faults of {len(KINDS)} kinds (of {len(KINDS)})' in page
    assert '0 files missed, 0 invented' in page
    for kind, one in KINDS.items():
        assert f'| {kind} | {one.severity} | {one.what} |' in page
    for fault in FAULTS + WHOLE:
        assert f'| {fault.what} | {fault.kind} | {KINDS[fault.kind].severity} |' in page
    for oddity in ODDITIES + WHOLE_ODDITIES:
        assert f'| {oddity.what} | nothing |' in page


def test_generated_scenes_have_no_fault(many_scenes):
    for examined in (examine(str(many_scenes), workers=1), examine(str(many_scenes), num_classes=CLASSES, workers=1),
                     examine(DEMO, [f'data_root={many_scenes}'], workers=1)):
        assert files_of(examined.values) == {} and examined.status == 0
        assert [one['usable'] for one in examined.values['splits']] == [70, 30]


@pytest.mark.parametrize('fault', FAULTS + [fault for fault in WHOLE if not fault.options and fault.kind != 'split'],
                         ids=lambda fault: fault.what.replace(' ', '-'))
def test_a_fault_is_found_and_nothing_else(scenes, tmp_path, fault):
    tree = Tree(scenes, tmp_path / 'copy')
    expected = plant(tree, [fault])
    examined = examine(str(tree.root), num_classes=None if fault.folder else CLASSES, workers=1)
    assert expected[fault.kind] and files_of(examined.values) == expected
    assert examined.status == status_of(expected)
    group = next(one for one in examined.values['findings'] if one['kind'] == fault.kind)
    assert group['count'] == len(expected[fault.kind]) and KINDS[fault.kind].what[:20] in examined.text


@pytest.mark.parametrize('fault', [fault for fault in WHOLE if fault.options or fault.kind == 'split'],
                         ids=lambda fault: fault.kind)
def test_a_fault_that_shows_under_a_config(scenes, tmp_path, fault):
    tree = Tree(scenes, tmp_path / 'copy')
    expected = plant(tree, [fault])
    examined = examine(DEMO, [f'data_root={tree.root}', *fault.options], workers=1)
    assert files_of(examined.values) == expected and examined.status == 1


def test_all_faults_at_once_by_one_process_and_by_several(many_scenes, tmp_path):
    tree = Tree(many_scenes, tmp_path / 'copy')
    expected = plant(tree, FAULTS)
    one, several = (examine(DEMO, [f'data_root={tree.root}'], workers=workers) for workers in (1, 3))
    assert files_of(one.values) == expected
    assert one.text == several.text and one.values == several.values


def with_oddities(source, folder, oddities, **kwargs):
    tree = Tree(source, folder, **kwargs)
    for oddity in oddities:
        oddity.plant(tree)
    tree.finish()
    return tree.root


def test_what_is_only_odd_is_not_found(many_scenes, tmp_path):
    root = with_oddities(many_scenes, tmp_path / 'copy', ODDITIES)
    examined = examine(DEMO, [f'data_root={root}'], workers=1)
    assert files_of(examined.values) == {} and examined.status == 0
    assert [one['usable'] for one in examined.values['splits']] == [71, 30]


@pytest.mark.parametrize('oddity', WHOLE_ODDITIES, ids=lambda oddity: oddity.what.replace(' ', '-'))
def test_a_data_set_that_is_only_odd(scenes, tmp_path, oddity):
    root = with_oddities(scenes, tmp_path / 'copy', [oddity])
    examined = examine(str(root), workers=1) if oddity.folder else examine(
        DEMO, [f'data_root={root}', *oddity.options], workers=1)
    assert files_of(examined.values) == {} and examined.status == 0


@pytest.mark.slow
def test_real_photos_have_no_fault(data_pack):
    examined = examine(str(data_pack / 'VOC2012'), num_classes=21)
    assert files_of(examined.values) == {} and examined.status == 0 and examined.values['pairs'] == 892


@pytest.mark.slow
def test_faults_among_real_photos(data_pack, tmp_path):
    tree = Tree(data_pack / 'VOC2012', tmp_path / 'copy', 'train_aug', 'val', ('SegmentationClass',
                                                                              'SegmentationClassAug'))
    expected = plant(tree, FAULTS)
    examined = examine(VOC, [f'data_root={tree.root}',
                             'train_dataloader.dataset.ann_file=ImageSets/Segmentation/train_aug.txt'])
    assert files_of(examined.values) == expected


def test_official_lists_of_which_few_files_are_there(data_pack):
    lists = 'ImageSets/Segmentation_official_full'
    root = data_pack / 'VOC2012'
    examined = examine(VOC, [f'data_root={root}', f'train_dataloader.dataset.ann_file={lists}/train.txt',
                             f'val_dataloader.dataset.ann_file={lists}/val.txt', 'train_dataloader.dataset.indices=400',
                             'val_dataloader.dataset.indices=100'])
    names = [name for split, number in (('train', 400), ('val', 100))
             for name in (root / lists / f'{split}.txt').read_text().split()[:number]]
    found = files_of(examined.values)
    assert found['missing photo'] == {str(root / f'JPEGImages/{name}.jpg') for name in names
                                      if not (root / f'JPEGImages/{name}.jpg').exists()}
    assert set(found) <= {'missing photo', 'missing mask', 'in no split', 'photo without mask'}
    assert examined.values['splits'][0]['usable'] == sum((root / f'SegmentationClass/{name}.png').exists()
                                                         for name in names[:400])
