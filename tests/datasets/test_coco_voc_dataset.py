"""COCO as VOC's classes, from annotations to samples."""
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from torch.utils.data import DataLoader

from segkit.datasets import check_dataset, count_classes
from segkit.datasets.mini_coco import write_mini_coco
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
IDS = [0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72]
pytestmark = pytest.mark.filterwarnings('ignore:.*__array__ implementation:DeprecationWarning')


@pytest.fixture
def build(tmp_path):
    """Build the dataset over a folder; keyword arguments are its own."""

    def build(root, split='mini', **own):
        return DATASETS.build({**dict(
            type='COCOVOCDataset', data_root=str(root), ann_file=f'annotations/instances_{split}.json',
            data_prefix=dict(img_path=split), cache_dir=str(tmp_path / 'cache'), processes=1, pipeline=LOAD), **own})

    return build


@pytest.fixture
def mini(tmp_path):
    """A COCO folder with four generated photos."""
    root = tmp_path / 'coco'
    write_mini_coco(str(root / 'annotations/instances_mini.json'), str(root / 'mini/'),
                    [f'{n:012d}' for n in range(1, 5)], 1, (48, 64))
    return root


def box(left, top, w, h):
    return [[left, top, left + w, top, left + w, top + h, left, top + h]]


def write(root, instances, areas=None):
    """A file of one photo of 50x40 for each list of (category, box)."""
    (root / 'annotations').mkdir(parents=True, exist_ok=True)
    (root / 'mini').mkdir(exist_ok=True)
    images = [dict(id=n, file_name=f'{n}.jpg', height=40, width=50) for n in range(len(instances))]
    annotations = [dict(id=len(instances) * k + n, image_id=n, category_id=category, iscrowd=0, segmentation=shape,
                        area=shape[0][4] * shape[0][5] if areas is None else areas[n])
                   for n, one in enumerate(instances) for k, (category, shape) in enumerate(one)]
    for image in images:
        Image.new('RGB', (50, 40)).save(root / 'mini' / image['file_name'])
    categories = [dict(id=3, name='car'), dict(id=18, name='dog'), dict(id=88, name='teddy bear')]
    (root / 'annotations/instances_mini.json').write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=categories)))


def kept(dataset):
    return [Path(dataset.get_data_info(i)['img_path']).name for i in range(len(dataset))]


def test_classes_and_palette_are_those_of_voc():
    assert DATASETS.get('COCOVOCDataset').METAINFO is DATASETS.get('PascalVOCDataset').METAINFO


@pytest.mark.parametrize('split, size', [('train2017', 62), ('val2017', 26)])
def test_real_photos_by_the_rule_of_gluoncv(build, data_pack, split, size):
    """Which photos are kept, and every mask, computed with pycocotools alone."""
    root = data_pack / 'COCO_sample'
    coco = COCO(str(root / f'annotations/instances_{split}.json'))
    expected = {}
    for number, image in coco.imgs.items():
        mask = np.zeros((image['height'], image['width']), np.uint8)
        for annotation in coco.imgToAnns[number]:
            if annotation['category_id'] in IDS:
                inside = coco.annToMask(annotation) > 0
                mask[inside & (mask == 0)] = IDS.index(annotation['category_id'])
        if (mask > 0).sum() > 1000:
            expected[image['file_name']] = mask
    dataset = build(root, split)
    assert kept(dataset) == list(expected) and len(dataset) == size
    for i, mask in enumerate(expected.values()):
        sample = dataset[i]
        assert np.array_equal(sample['gt_seg_map'], mask) and sample['img'].shape == (*mask.shape, 3)
    assert check_dataset(dataset).startswith(f'{size} pairs checked')


@pytest.mark.parametrize('split', ['train2017', 'val2017'])
def test_real_photos_by_the_rule_of_torchvision(build, data_pack, split):
    root = data_pack / 'COCO_sample'
    coco = COCO(str(root / f'annotations/instances_{split}.json'))
    areas = {image['file_name']: sum(a['area'] for a in coco.imgToAnns[number] if a['category_id'] in IDS)
             for number, image in coco.imgs.items()}
    dataset = build(root, split, rule='torchvision')
    assert kept(dataset) == [name for name, area in areas.items() if area > 1000]
    assert any((dataset[i]['gt_seg_map'] == 255).any() for i in range(len(dataset)))
    assert len(build(root, split, rule='torchvision', min_pixels=None)) == len(coco.imgs)


def test_a_thousand_pixels_are_out_and_one_more_is_in(build, tmp_path):
    thousand, inside, beside = box(0, 0, 25, 40), box(10, 0, 10, 40), box(25, 0, 25, 40)
    write(tmp_path, [[(3, thousand)],
                     [(3, thousand), (18, box(30, 0, 1, 1))],  # 1001
                     [(3, thousand), (88, beside)],  # the other one is no class of VOC's
                     [(3, thousand), (18, inside)],  # adds nothing
                     [(3, box(0, 0, 13, 37)), (18, box(20, 0, 20, 26))]])  # 481 and 520
    dataset = build(tmp_path)
    assert kept(dataset) == ['1.jpg', '4.jpg']
    assert [(dataset[i]['gt_seg_map'] > 0).sum() for i in (0, 1)] == [1001, 13 * 37 + 520]
    assert kept(build(tmp_path, min_pixels=999)) == ['0.jpg', '1.jpg', '2.jpg', '3.jpg', '4.jpg']
    assert len(build(tmp_path, min_pixels=None)) == 5
    with pytest.raises(DataError, match='None of the 5 photos .* more than 2000 pixels'):
        build(tmp_path, min_pixels=2000)


def test_the_areas_that_are_stated_decide_for_torchvision(build, tmp_path):
    small = box(0, 0, 5, 5)
    write(tmp_path, [[(3, small), (18, small)], [(3, small), (18, small)], [(3, small), (88, small)]],
          areas=[500, 500.5, 900])
    assert kept(build(tmp_path, rule='torchvision')) == ['1.jpg']
    labels = build(tmp_path, rule='torchvision')[0]['gt_seg_map']
    assert (labels == 255).sum() == 25 and (labels == 0).sum() == 2000 - 25


def test_overlap_goes_to_the_earlier_annotation(build, tmp_path):
    first, second = (18, box(0, 0, 30, 40)), (3, box(20, 0, 30, 40))
    write(tmp_path, [[first, second], [second, first]])
    dataset = build(tmp_path)
    rows = [dataset[i]['gt_seg_map'][7] for i in (0, 1)]
    assert rows[0].tolist() == [12] * 30 + [7] * 20 and rows[1].tolist() == [12] * 20 + [7] * 30


def test_several_files_choices_of_classes_and_subsets(build, mini):
    write_mini_coco(str(mini / 'annotations/instances_more.json'), str(mini / 'more/'), ['x', 'y'], 9, (48, 64))
    both = build(mini, ann_file=[f'annotations/instances_{split}.json' for split in ('mini', 'more')],
                 data_prefix=dict(img_path=['mini', 'more']))
    assert kept(both)[3:] == ['000000000004.jpg', 'x.jpg', 'y.jpg']
    assert np.array_equal(both[4]['gt_seg_map'], build(mini, 'more')[0]['gt_seg_map'])
    assert kept(build(mini, indices=[3, 1])) == ['000000000004.jpg', '000000000002.jpg']
    all_labels = build(mini)[0]['gt_seg_map']
    two = build(mini, metainfo=dict(classes=('person', 'background')))[0]['gt_seg_map']
    assert np.array_equal(two, np.select([all_labels == 15, all_labels == 0], [0, 1], 255))
    pixels = count_classes(build(mini), lambda done, total: None)['pixels']
    assert pixels == np.bincount(np.concatenate([build(mini)[i]['gt_seg_map'].ravel() for i in range(4)]),
                                 minlength=21).tolist()


@pytest.mark.parametrize('start', ['fork', 'forkserver'])
def test_loader_processes_give_the_same_and_get_no_annotations(build, mini, start):
    dataset = build(mini)
    assert len(pickle.dumps(dataset)) < 8000
    loader = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context=start)
    for i, sample in enumerate(loader):
        assert np.array_equal(sample['gt_seg_map'], dataset[i]['gt_seg_map'])
    assert i == 3


def test_photos_that_are_missing_or_of_another_size(build, mini):
    photo = mini / 'mini/000000000003.jpg'
    Image.new('RGB', (64, 47)).save(photo)
    for look in (check_dataset, lambda dataset: dataset[2]):
        with pytest.raises(DataError, match='(?s)000000000003.jpg.*64x47.*image 3: take the photo as COCO') as caught:
            look(build(mini))
        assert len(str(caught.value).splitlines()) <= 4
    photo.unlink()
    with pytest.raises(DataError, match=r'000000000003.jpg is missing \(image 3 of the annotations\); 1 of 4'):
        build(mini)
    assert len(build(mini, indices=2)) == 2
    assert len(build(mini, bad_samples='skip')) == 4


def test_arguments_that_cannot_be_used(build, mini, tmp_path):
    for own, reason in ((dict(rule='voc'), "rule is 'gluoncv' or 'torchvision'; got 'voc'"),
                        *((dict(min_pixels=value), f"min_pixels: expected a whole number or None, got {value!r}")
                          for value in ('1000', 1e3, True)),
                        *((dict(processes=value), f"processes: .* at least 1, or None, got {value!r}")
                          for value in ('2', 0, -1, True, 1.5)),
                        (dict(cache_dir=5), 'cache_dir: expected the path of a folder or None, got 5'),
                        (dict(seg_map_suffix='.png'), 'takes no seg_map_suffix'),
                        (dict(data_prefix=dict(img_path='mini', seg_map_path='masks')), 'takes no seg_map_path'),
                        (dict(backend_args=dict(backend='petrel')), 'must be on a local disk')):
        with pytest.raises(ConfigError, match=reason):
            build(mini, **own)
        assert not (tmp_path / 'cache').exists()  # nothing was painted before
    with pytest.raises(DataError, match='instances_val2017.json .*\n.*instances_mini.json'):
        build(mini, 'val2017', data_prefix=dict(img_path='mini'))
    with pytest.raises(DataError, match='mini/mini2'):
        build(mini, data_prefix=dict(img_path='mini/mini2'))
