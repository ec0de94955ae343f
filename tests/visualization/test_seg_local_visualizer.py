"""SegLocalVisualizer, as hooks and people call it."""
import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from PIL import Image

from segkit.registry import VISUALIZERS
from segkit.structures import SegDataSample
from segkit.visualization import SegLocalVisualizer

META = dict(classes=('background', 'cat', 'dog'), palette=[(0, 0, 0), (200, 10, 0), (0, 10, 200)])


@pytest.fixture
def visualizer(tmp_path) -> SegLocalVisualizer:
    # MMEngine gives the same instance again for the same name.
    out = VISUALIZERS.build(dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')],
                                 name=str(tmp_path), save_dir=str(tmp_path)))
    out.dataset_meta = META
    return out


def photo(height=50, width=70) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


def label_map(height=50, width=70) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[5:25, 5:40], mask[30:45, 20:60], mask[:3] = 1, 2, 255
    return mask


def sample(**masks) -> SegDataSample:
    out = SegDataSample()
    for name, mask in masks.items():
        setattr(out, name, PixelData(data=torch.from_numpy(mask)[None]))
    return out


def test_background_and_void_stay_as_they_are(visualizer):
    image, mask = photo(), label_map()
    drawn = visualizer.draw_overlay(image, mask, legend=False)
    assert drawn.shape == image.shape
    plain = (mask == 0) | (mask == 255)
    np.testing.assert_array_equal(drawn[plain], image[plain])
    assert (drawn[mask == 1] != image[mask == 1]).any(-1).mean() > 0.95


def test_class_0_is_tinted_where_it_is_no_background(visualizer):
    visualizer.dataset_meta = dict(classes=('road', 'cat', 'dog'), palette=[(9, 200, 9), *META['palette'][1:]])
    image, mask = photo(), label_map()
    drawn = visualizer.draw_overlay(image, mask, legend=False)
    assert (drawn[mask == 0] != image[mask == 0]).any(-1).mean() > 0.95


def test_works_without_classes_and_palette():
    drawn = SegLocalVisualizer().draw_overlay(photo(), label_map())
    assert drawn.shape[1] > 70


def test_classes_and_palette_as_arguments():
    visualizer = SegLocalVisualizer(**META)
    assert visualizer.classes == META['classes'] and visualizer.colours[2].tolist() == [0, 10, 200]


def test_label_left_and_prediction_right(visualizer, tmp_path):
    image = np.zeros((50, 70, 3), np.uint8)
    label, prediction = np.full((50, 70), 1, np.uint8), np.full((50, 70), 2, np.uint8)
    path = tmp_path / 'new' / 'a.png'
    visualizer.add_datasample('a', image, sample(gt_sem_seg=label, pred_sem_seg=prediction), out_file=str(path),
                              with_labels=False)
    drawn = np.asarray(Image.open(path))
    assert drawn.shape == (50, 140, 3)
    assert drawn[20, 30].tolist() == [100, 5, 0] and drawn[20, 100].tolist() == [0, 5, 100]


@pytest.mark.parametrize('options, width', [
    (dict(draw_gt=False), 70), (dict(draw_pred=False), 70), (dict(), 140), (dict(draw_gt=False, draw_pred=False), 70)])
def test_what_is_drawn(visualizer, tmp_path, options, width):
    path = str(tmp_path / 'a.png')
    data = sample(gt_sem_seg=label_map(), pred_sem_seg=label_map())
    visualizer.add_datasample('a', photo(), data, out_file=path, with_labels=False, **options)
    assert cv2.imread(path).shape == (50, width, 3)


def test_without_a_file_it_goes_to_the_backends(visualizer, tmp_path):
    visualizer.add_datasample('val_a.jpg', photo(), sample(pred_sem_seg=label_map()), step=7)
    stored = list((tmp_path / 'vis_data' / 'vis_image').iterdir())
    assert [path.name for path in stored] == ['val_a.jpg_7.png'] and cv2.imread(str(stored[0])).shape[1] > 70


def test_show(visualizer, monkeypatch):
    shown = []
    monkeypatch.setattr(visualizer, 'show', lambda picture, **kwargs: shown.append((picture.shape, kwargs)))
    visualizer.add_datasample('a', photo(), sample(pred_sem_seg=label_map()), show=True, wait_time=2, with_labels=False)
    assert shown == [((50, 70, 3), dict(win_name='a', wait_time=2))]


def test_samples_mosaic(visualizer):
    drawn = visualizer.draw_samples_mosaic([(np.zeros((40, 40, 3), np.uint8), np.full((40, 40), k % 3, np.uint8))
                                            for k in range(6)], 'Training samples')
    assert drawn.shape[1] > 4 * 300 and drawn.shape[0] > 2 * 300
    for k in (1, 2):  # two tinted cells of each class, and a swatch
        assert (drawn == np.array(META['palette'][k]) // 2).all(-1).sum() > 2 * 80000
        assert (drawn == META['palette'][k]).all(-1).sum() > 100


def test_predictions_mosaic(visualizer):
    image, label = np.zeros((60, 80, 3), np.uint8), np.zeros((30, 40), np.uint8)
    prediction = np.ones((30, 40), np.uint8)
    few = visualizer.draw_predictions_mosaic([(image, label, prediction, 'a.jpg')] * 3, 'Validation')
    many = visualizer.draw_predictions_mosaic([(image, label, prediction, 'a.jpg')] * 12)
    assert many.shape[1] == 2 * few.shape[1]
    red = (few[..., 0] > 180) & (few[..., 1] < 110) & (few[..., 2] < 110)
    x = np.argwhere(red)[:, 1].mean() / few.shape[1]
    assert 0.8 < x < 0.95, 'errors stand in the fourth column'


def test_many_predictions_are_read_row_by_row(visualizer):
    shapes = [(60, 80) if k % 3 else (90, 60) for k in range(9)]
    samples = [(np.full((*shape, 3), (20 * k, 0, 99), np.uint8), *np.zeros((2, *shape), np.uint8), 'a')
               for k, shape in enumerate(shapes)]
    drawn = visualizer.draw_predictions_mosaic(samples, 'Worst\nfirst')
    places = [np.argwhere((drawn == (20 * k, 0, 99)).all(-1)) for k in range(9)]
    middles = [(box.min(axis=0) + box.max(axis=0)) / 2 for box in places]
    for left, right in zip(middles[0::2], middles[1::2]):
        assert abs(left[0] - right[0]) < 2 and right[1] > left[1] + drawn.shape[1] / 3
    assert all(np.diff([y for y, _ in middles[0::2]]) > 100)


def test_figures_take_the_run_s_classes(visualizer):
    assert visualizer.draw_confusion_matrix(np.eye(3, dtype=int)).shape[2] == 3
    assert (visualizer.draw_iou_bars([50, 20, 70]) == META['palette'][2]).all(-1).any()
    assert visualizer.draw_curves({'loss': {'loss': ([1, 2], [2, 1])}}).shape[2] == 3
