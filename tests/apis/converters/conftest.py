"""Sources of data sets, as their archives have them."""
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from scipy.io import savemat

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
