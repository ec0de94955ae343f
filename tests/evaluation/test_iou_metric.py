"""IoUMetric against hand-computed numbers, a brute-force oracle and itself in two processes."""
import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from PIL import Image

from segkit.errors import ConfigError, DataError
from segkit.evaluation import IoUMetric
from segkit.registry import METRICS
from segkit.structures import SegDataSample


def sample(prediction, label=None, name='a', **meta) -> SegDataSample:
    prediction = torch.as_tensor(prediction, dtype=torch.uint8)
    out = SegDataSample(metainfo=dict(img_path=f'photos/{name}.jpg', ori_shape=tuple(prediction.shape), **meta))
    out.pred_sem_seg = PixelData(data=prediction[None])
    if label is not None:
        out.gt_sem_seg = PixelData(data=torch.as_tensor(label, dtype=torch.uint8)[None])
    return out


def metric(num_classes=3, **kwargs) -> IoUMetric:
    out = METRICS.build(dict(type='IoUMetric', **kwargs))
    out.dataset_meta = dict(classes=tuple(f'c{k}' for k in range(num_classes)),
                            palette=[(k, 10 * k, 100 + k) for k in range(num_classes)])
    return out


def draws(number, num_classes, seed=0) -> list:
    rng = np.random.default_rng(seed)
    out = []
    for i in range(number):
        label = rng.integers(0, num_classes, (13 + i, 9))
        prediction = np.where(rng.random(label.shape) < 0.6, label, rng.integers(0, num_classes, label.shape))
        label[rng.random(label.shape) < 0.2] = 255
        out.append(sample(prediction, label, name=f'{i:02d}'))
    return out


def test_hand_computed():
    # Rows are true classes: 0 -> [2, 1], 1 -> [1, 3], one void pixel whose prediction must not count.
    label = [[0, 0, 0, 1], [1, 1, 1, 255]]
    prediction = [[0, 0, 1, 0], [1, 1, 1, 0]]
    m = metric(2, iou_metrics=['mIoU', 'mDice', 'mFscore'])
    m.process({}, [sample(prediction, label)])
    scores = m.evaluate(1)
    assert m.last_report.confusion.tolist() == [[2, 1], [1, 3]]
    assert m.last_report.void_pixels == 1
    expected = dict(
        aAcc=5 / 7, mIoU=(2 / 4 + 3 / 5) / 2, mAcc=(2 / 3 + 3 / 4) / 2, mDice=(4 / 6 + 6 / 8) / 2,
        mFscore=(4 / 6 + 6 / 8) / 2, mPrecision=(2 / 3 + 3 / 4) / 2, mRecall=(2 / 3 + 3 / 4) / 2,
        fwIoU=(3 * 2 / 4 + 4 * 3 / 5) / 7)
    assert scores == pytest.approx({name: 100 * value for name, value in expected.items()})


def test_rows_are_true_classes():
    m = metric(2)
    m.process({}, [sample([[1, 1, 1]], [[0, 0, 1]])])
    m.evaluate(1)
    assert m.last_report.confusion.tolist() == [[0, 2], [0, 1]]


def test_brute_force():
    samples, num_classes = draws(5, 6), 6
    m = metric(num_classes, iou_metrics=['mIoU', 'mFscore'], beta=2)
    Evaluator(m).process(samples)  # as the loops do: each sample becomes a dict
    scores = m.evaluate(5)
    pairs = [(int(p), int(t)) for s in samples
             for p, t in zip(s.pred_sem_seg.data.flatten(), s.gt_sem_seg.data.flatten()) if t != 255]
    iou, acc, fscore = [], [], []
    for k in range(num_classes):
        hit = sum(p == k and t == k for p, t in pairs)
        missed = sum(p != k and t == k for p, t in pairs)
        invented = sum(p == k and t != k for p, t in pairs)
        iou.append(hit / (hit + missed + invented))
        acc.append(hit / (hit + missed))
        precision, recall = hit / (hit + invented), hit / (hit + missed)
        fscore.append(5 * precision * recall / (4 * precision + recall))
    assert scores['mIoU'] == pytest.approx(100 * np.mean(iou))
    assert scores['mAcc'] == pytest.approx(100 * np.mean(acc))
    assert scores['mFscore'] == pytest.approx(100 * np.mean(fscore))
    assert scores['aAcc'] == pytest.approx(100 * np.mean([p == t for p, t in pairs]))


def test_absent_class_is_left_out_and_invented_class_counts_as_zero():
    m = metric(4)  # class 2 never occurs; class 3 is predicted but never labelled
    m.process({}, [sample([[0, 0, 1, 3]], [[0, 0, 1, 1]])])
    scores = m.evaluate(1)
    assert scores['mIoU'] == pytest.approx(100 * (1 + 0.5 + 0) / 3)
    assert scores['mAcc'] == pytest.approx(100 * (1 + 0.5) / 2)
    assert 'mean over 3 of 4 classes' in m.last_report.text
    assert '1 predicted but never labelled' in m.last_report.text


def test_void_is_not_counted_whatever_is_predicted_there():
    samples = draws(3, 4)
    results = []
    for value in (0, 3):
        m = metric(4)
        for s in samples:
            s.pred_sem_seg.data[s.gt_sem_seg.data == 255] = value
        m.process({}, samples)
        results.append(m.evaluate(3))
    assert results[0] == results[1]


def test_another_ignore_index():
    m = metric(2, ignore_index=1)
    m.process({}, [sample([[0, 1, 1]], [[0, 0, 1]])])
    m.evaluate(1)
    assert m.last_report.confusion.tolist() == [[1, 1], [0, 0]]


def test_nan_to_num_makes_an_absent_class_count():
    m = metric(2, nan_to_num=0)
    m.process({}, [sample([[0]], [[0]])])
    assert m.evaluate(1)['mIoU'] == 50


def test_a_second_evaluation_starts_from_nothing():
    m = metric(4)
    results = []
    for _ in range(2):
        m.process({}, draws(3, 4))
        results.append((m.evaluate(3), m.last_report.images, len(m.last_report.worst)))
    assert results[0] == results[1]


def test_nothing_is_kept_per_image():
    m = metric(4)
    m.process({}, draws(20, 4))
    assert m.results == [] and len(m._worst) == 16


def test_worst_images_worst_first(tmp_path):
    m = metric(2, num_worst=3)
    label = np.zeros((1, 10), int)
    for name, wrong in zip('abcdef', [0, 5, 2, 9, 1, 7]):
        m.process({}, [sample(np.arange(10)[None] < wrong, label, name=name)])
    m.evaluate(6)
    worst = m.last_report.worst
    assert [w.img_path for w in worst] == ['photos/d.jpg', 'photos/f.jpg', 'photos/b.jpg']
    assert worst[0].accuracy == pytest.approx(0.1) and worst[0].iou == pytest.approx(0.05)
    np.testing.assert_array_equal(worst[1].prediction[0], np.arange(10) < 7)
    np.testing.assert_array_equal(worst[1].label, label)


def test_large_maps_are_kept_small():
    m = metric(2)
    m.process({}, [sample(np.zeros((1100, 300)), np.zeros((1100, 300)))])
    m.evaluate(1)
    assert m.last_report.worst[0].label.shape == (367, 100)


def test_prefix():
    m = metric(2, prefix='val')
    m.process({}, [sample([[0]], [[0]])])
    assert set(m.evaluate(1)) == {'val/aAcc', 'val/mIoU', 'val/mAcc', 'val/fwIoU'}


def test_protocol_is_printed():
    m = metric(2)
    m.protocol = dict(split='val', resize='(2048, 512)')
    m.process({}, [sample([[0, 1]], [[0, 255]])])
    m.evaluate(1)
    line = m.last_report.text.splitlines()[-1]
    assert line == ('protocol: 1 images; 1 pixels (1 void left out); at original size; split: val; '
                    'resize: (2048, 512)')


def test_labels_that_were_resized_are_told():
    m = metric(2)
    s = sample([[0, 1]], [[0, 1]])
    s.set_metainfo(dict(ori_shape=(2, 4)))
    m.process({}, [s])
    m.evaluate(1)
    assert 'not the original one' in m.last_report.protocol_line


@pytest.mark.parametrize('classes, high', [(21, 256), (300, 300)])
def test_predictions_as_png_read_back_equal(tmp_path, classes, high):
    rng = np.random.default_rng(0)
    mask = rng.integers(0, min(classes, high), (7, 5))
    m = metric(classes, output_dir=str(tmp_path / 'out'), format_only=True)
    m.dataset_meta['palette'] = rng.integers(0, 256, (classes, 3)).tolist()
    s = sample(np.zeros((7, 5)))
    s.pred_sem_seg = PixelData(data=torch.from_numpy(mask)[None])
    m.process({}, [s])
    assert m.evaluate(1) == {}
    image = Image.open(tmp_path / 'out' / 'a.png')
    np.testing.assert_array_equal(np.asarray(image), mask)
    if classes <= 256:
        np.testing.assert_array_equal(np.asarray(image.convert('RGB')), np.array(m.dataset_meta['palette'])[mask])
    assert [p.name for p in (tmp_path / 'out').iterdir()] == ['a.png']


def test_predictions_go_back_to_the_numbers_of_the_files(tmp_path):
    m = metric(3, output_dir=str(tmp_path), format_only=True)
    m.process({}, [sample([[0, 2]], reduce_zero_label=True)])
    assert np.asarray(Image.open(tmp_path / 'a.png')).tolist() == [[1, 3]]


def test_two_images_of_one_name_do_not_overwrite_each_other(tmp_path):
    m = metric(3, output_dir=str(tmp_path), format_only=True)
    m.process({}, [sample([[0]])])
    with pytest.raises(DataError, match='another image is called a'):
        m.process({}, [sample([[0]])])


@pytest.mark.parametrize('prediction, label, words', [
    ([[0, 1]], [[0], [1]], ['photos/a.jpg', '1x2', '2x1']),
    ([[0, 3]], [[0, 1]], ['photos/a.jpg', 'class 3', '3 classes', 'num_classes']),
    ([[0, 1, 1]], [[0, 37, 37]], ['masks/a.png', 'label 37', '2 pixels', '0 to 2']),
    ([[0, 1]], None, ['photos/a.jpg', 'format_only']),
])
def test_what_cannot_be_compared_is_an_error(prediction, label, words):
    with pytest.raises(DataError) as error:
        metric(3).process({}, [sample(prediction, label, seg_map_path='masks/a.png')])
    assert all(word in str(error.value) for word in words)
    assert len(str(error.value).splitlines()) <= 4


def test_arguments_are_checked():
    with pytest.raises(ConfigError, match='mIOU'):
        metric(iou_metrics=['mIOU'])
    with pytest.raises(ConfigError, match='output_dir'):
        metric(format_only=True)


def _evaluate_share(rank, world, init_file, result_file):
    dist.init_process_group('gloo', init_method=f'file://{init_file}', rank=rank, world_size=world)
    m = metric(5, iou_metrics=['mIoU', 'mFscore'], num_worst=4)
    m.process({}, draws(7, 5)[rank::world])  # 4 images here, 3 there
    scores = m.evaluate(7)
    torch.save((scores, m.last_report.confusion, [w.img_path for w in m.last_report.worst],
                m.last_report.images), f'{result_file}.{rank}')
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one(in_processes, tmp_path):
    in_processes(_evaluate_share, 2, tmp_path / 'init', tmp_path / 'result')
    m = metric(5, iou_metrics=['mIoU', 'mFscore'], num_worst=4)
    m.process({}, draws(7, 5))
    scores = m.evaluate(7)
    for rank in range(2):
        other = torch.load(f'{tmp_path / "result"}.{rank}', weights_only=False)
        assert other[0] == scores
        np.testing.assert_array_equal(other[1], m.last_report.confusion)
        assert other[2] == [w.img_path for w in m.last_report.worst]
        assert other[3] == 7


def _evaluate_with_skipped(rank, world, init_file, result_file):
    dist.init_process_group('gloo', init_method=f'file://{init_file}', rank=rank, world_size=world)
    m = metric(5)
    m.process({}, draws(7, 5)[rank:5:world])  # two of seven could not be read, the second process met both
    m.skipped = [('x/b.jpg', 'is empty'), ('x/a.jpg', 'is empty')] if rank else []
    m.evaluate(7)
    torch.save((m.last_report.images, m.last_report.skipped, m.last_report.protocol_line), f'{result_file}.{rank}')
    dist.destroy_process_group()


@pytest.mark.slow
def test_skipped_samples_of_all_processes_are_counted(in_processes, tmp_path):
    in_processes(_evaluate_with_skipped, 2, tmp_path / 'init', tmp_path / 'result')
    for rank in range(2):
        images, skipped, line = torch.load(f'{tmp_path / "result"}.{rank}', weights_only=False)
        assert images == 5 and skipped == (('x/a.jpg', 'is empty'), ('x/b.jpg', 'is empty'))
        assert line.startswith('protocol: 5 images; ') and line.endswith('; 2 of 7 images skipped: a.jpg, b.jpg')


def test_images_that_are_neither_counted_nor_skipped_are_said(monkeypatch):
    lines = []
    monkeypatch.setattr('segkit.evaluation.iou_metric.print_log', lambda text, *rest, **more: lines.append(text))
    for number, expected in ((4, False), (5, True)):
        m = metric(5)
        m.skipped = [('a.jpg', 'is empty')]
        m.process({}, draws(3, 5))
        m.evaluate(number)
        assert any('3 images were counted and 1 skipped, but the dataset has 5' in line for line in lines) == expected


@pytest.mark.parametrize('num_classes, dtype', [(127, torch.uint8), (150, torch.uint8), (255, torch.uint8),
                                                (300, torch.int32)])
def test_many_classes(num_classes, dtype):
    rng = np.random.default_rng(0)
    label, prediction = rng.integers(0, num_classes, (2, 60, 50))
    label[:5] = 999 if dtype == torch.int32 else 255
    m = metric(num_classes, ignore_index=999 if dtype == torch.int32 else 255)
    s = sample(np.zeros((60, 50)))
    s.pred_sem_seg = PixelData(data=torch.from_numpy(prediction)[None])
    s.gt_sem_seg = PixelData(data=torch.from_numpy(label).to(dtype)[None])
    m.process({}, [s])
    m.evaluate(1)
    expected = np.zeros((num_classes, num_classes), int)
    np.add.at(expected, (label[5:], prediction[5:]), 1)
    np.testing.assert_array_equal(m.last_report.confusion, expected)
    assert m.last_report.void_pixels == 250
