"""Sources of data sets, as their archives have them."""
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from pycocotools import mask as rle_tools
from scipy.io import savemat

from segkit.apis.converters.pascal_context_source import NUMBERS
from segkit.registry import DATASETS

BASE = Path(__file__).parents[3] / 'configs/_base_/datasets'


@pytest.fixture
def photo():
    """A function that writes a photo of noise: (path, (h, w))."""

    def write(path: Path, size: tuple[int, int] = (24, 32), seed: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.random.RandomState(seed).randint(0, 255, (*size, 3), np.uint8))

    return write


@pytest.fixture
def grey():
    """A function that writes a mask as a grey PNG: (path, labels)."""

    def write(path: Path, labels: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(labels, np.uint8)).save(path)

    return write


@pytest.fixture
def sbd_mat():
    """A function that writes a mask as SBD's cls/*.mat: a struct whose first field is a cell of sparse matrices."""

    def write(path: Path, labels: np.ndarray) -> None:
        from scipy.sparse import csc_matrix
        path.parent.mkdir(parents=True, exist_ok=True)
        edges = np.empty((20, 1), object)
        for k in range(20):
            edges[k, 0] = csc_matrix(labels == k + 1)
        present = np.setdiff1d(np.unique(labels), [0]).astype(np.uint8)
        savemat(path, dict(GTcls=dict(Boundaries=edges, Segmentation=np.asarray(labels, np.uint8),
                                      CategoriesPresent=present)), do_compression=True)

    return write


@pytest.fixture
def through_config():
    """A function that builds both data sets of a base file at a place, and reads all their samples.

    It returns the samples of training and of validation; a mask's labels are those behind label maps.
    """

    def read(name: str, root: Path, **own) -> tuple[list[dict], list[dict]]:
        cfg, both = Config.fromfile(str(BASE / name)), []
        for loader in ('train_dataloader', 'val_dataloader'):
            dataset = cfg[loader].dataset
            dataset.update(data_root=str(root), **own)
            built = DATASETS.build(dataset)
            assert len(built) > 0 and all('inputs' in built[i] for i in range(len(built)))
            dataset.pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
            plain = DATASETS.build(dataset)
            both.append([plain[i] for i in range(len(plain))])
        return both[0], both[1]

    return read


def run_lengths(mask: np.ndarray) -> dict:
    """COCO's run lengths, as JSON holds them."""
    encoded = rle_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    return dict(size=encoded['size'], counts=encoded['counts'].decode())


def context_file(photos=3, seed=0, size=(20, 30)):
    """What trainval_merged.json holds, and the labels of each photo: numbers of classes, later objects over earlier."""
    rng, images, objects, maps = np.random.RandomState(seed), [], [], {}
    for n in range(photos):
        name = f'2008_{n:06d}'
        images.append(dict(image_id=2008000000 + n, file_name=f'{name}.jpg', height=size[0], width=size[1],
                           phase='val' if n % 3 == 2 else 'train', date_captured='31-Oct-2007', categories=[]))
        maps[name] = np.zeros(size, np.int64)
        for _ in range(8):
            y, x = rng.randint(0, 15, 2)
            mask = np.zeros(size, bool)
            mask[y:y + rng.randint(1, 10), x:x + rng.randint(1, 20)] = True
            number = int(rng.choice(NUMBERS))
            maps[name][mask] = number
            objects.append(dict(id=len(objects), image_id=2008000000 + n, category_id=number, iscrowd=0, parts=[],
                                area=int(mask.sum()), bbox=[0, 0, 1, 1], segmentation=run_lengths(mask)))
    other = dict(image_id=1, boundary=run_lengths(np.eye(4)))
    return dict(info=dict(version='x'), images=images, annos_segmentation=objects, annos_boundary=[other],
                annos_joints=[], annos_occlusion=[dict(image_id=1, ocomp=dict(imsize=[1, 1]))],
                parts=[dict(name='head', part_id=1)],
                categories=[dict(category_id=2, name='aeroplane', onlysemantic=0)]), maps


def context_labels(numbers: np.ndarray) -> np.ndarray:
    """The place of each number among those of the classes; 0 for the others."""
    return np.vectorize(lambda number: NUMBERS.index(number) + 1 if number in NUMBERS else 0)(numbers)


@pytest.fixture
def context():
    """Makers of PASCAL Context's sources: ``file``, ``labels`` (of numbers) and ``runs``."""
    return SimpleNamespace(file=context_file, labels=context_labels, runs=run_lengths)
