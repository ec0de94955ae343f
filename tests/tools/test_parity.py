"""Parts of tools/benchmarks/parity.py, and what it recorded of MMSegmentation.

tests/data/mmseg_parity.json is written by `make parity PARITY_ARGS=--record`: models of MMSegmentation's files with an
eighth of the channels, weights and inputs of tools/benchmarks/parity/inputs.py, computed by MMSegmentation.
"""
import copy
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'tools' / 'benchmarks'
sys.path.insert(0, str(FOLDER))
from parity import (  # noqa: E402
    checkpoint_side,
    checks,
    inputs,
    metric_side,
    model_side,
    models,
    record,
    report,
    report_checks,
    train_side,
    trees,
    upstream,
    work,
)

from segkit.errors import ConfigError  # noqa: E402

RECORDED = json.loads((ROOT / 'tests' / 'data' / 'mmseg_parity.json').read_text())
SIDES = [dict(name=name, version='1', parts=dict(torch='2')) for name in ('mmseg', 'segkit')]


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize('name', [name for name in RECORDED if name != 'source'])
def test_scores_losses_and_gradients_are_mmsegmentations(name, one_thread):
    case = RECORDED[name]
    found, wanted = model_side.slice('segkit', dict(model=copy.deepcopy(case['model']))), case['numbers']
    assert found['tensors'] == wanted['tensors']
    for kind in ('whole', 'slide'):
        if wanted[kind] is not None:
            assert found[kind] == pytest.approx(wanted[kind], rel=1e-4, abs=1e-4)
    losses = {key: value for key, value in wanted['losses'].items() if 'loss' in key}
    assert {key: found['losses'][key] for key in losses} == pytest.approx(losses, rel=1e-5)
    assert found['gradient'] == pytest.approx(wanted['gradient'], rel=1e-3)


def test_a_second_look_in_double_computes_all_of_it_in_double(one_thread):
    net = model_side.build('segkit', copy.deepcopy(RECORDED['fcn_r18-d8_4xb2-80k_cityscapes-769x769']['model']))
    inputs.fill(net)
    found = model_side.compute('segkit', net, views=True, double=True)
    assert found['whole'].dtype == found['slide'].dtype == torch.float64 and len(found['views_classes'])
    assert {value.dtype for value in found['gradients'].values()} == {torch.float64}


def test_the_recorded_files_cover_every_method_and_way_of_predicting():
    assert {Path(file).parts[0] for file in record.FILES} == set(upstream.METHODS)
    assert {Path(file).stem for file in record.FILES} == set(RECORDED) - {'source'}
    numbers = [case['numbers'] for name, case in RECORDED.items() if name != 'source']
    assert 2 <= sum(one['slide'] is not None for one in numbers) < len(numbers)


def test_weights_and_inputs_are_neither_degenerate_nor_drawn_from_the_run(one_thread):
    torch.manual_seed(0)
    nets = [model_side.build('segkit', copy.deepcopy(RECORDED['fcn_r18-d8_4xb2-80k_cityscapes-769x769']['model']))
            for _ in range(2)]
    for net in nets:
        inputs.fill(net)
    first, second = (net.state_dict() for net in nets)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert all(value.unique().numel() > 1 for key, value in first.items() if value.dim() and 'num_batches' not in key)
    assert min(value.min() for key, value in first.items() if key.endswith('running_var')) > 0.1
    labels = inputs.labels(3, 40, 60, 5)
    assert labels.unique().tolist() == [0, 1, 2, 3, 4, 255] and 0.1 < (labels == 255).float().mean() < 0.3


def difference(**changes):
    """What model_side.differences gives for equal outputs, but for some changes."""
    same = dict(whole=dict(gap=0., largest=10.), classes=0, losses={'decode.loss_ce': [1., 1.]},
                gradients=dict(gap=0., where='w', tensors=1))
    return {**same, **changes}


@pytest.mark.parametrize('changes, what', [
    (dict(whole=dict(gap=1e-3, largest=10.)), 'scores'), (dict(classes=1), 'scores'),
    (dict(losses={'decode.loss_ce': [1., 1.001]}), 'losses'), (dict(losses={'aux.loss_ce': [None, 1.]}), 'losses'),
    (dict(gradients=dict(gap=.01, where='w', tensors=1)), 'gradients')])
def test_what_float32_does_not_explain_is_in_doubt_and_unequal(changes, what):
    assert not models.in_doubt(difference()) and all(models.verdicts(difference()).values())
    found = difference(**changes)
    assert models.in_doubt(found)
    assert [name for name, equal in models.verdicts(found).items() if not equal] == [what]
    # float64 has the last word
    assert all(models.verdicts({**found, 'double': difference()}).values())
    assert not models.verdicts({**found, 'double': found})[what]


class InOrder:
    """A side that answers requests in the order they came, and remembers them."""

    def __init__(self, answer):
        self.answer, self.asked, self.waiting = answer, [], []

    def send(self, request):
        self.waiting.append(request)

    def receive(self):
        self.asked.append(self.waiting.pop(0))
        return self.answer(self.asked[-1])

    def ask(self, request):
        assert not self.waiting
        self.send(request)
        return self.receive()


def test_a_doubtful_model_is_computed_again_in_double_and_the_rest_stays_in_step(tmp_path):
    told = {f'fcn/{name}.py': dict(key=name, align_corners=False, slide=False, depth=depth)
            for name, depth in zip('abcd', (50, 18, 50, 101))}
    peer = InOrder(lambda request: dict(error='E: no') if 'c.py' in request['file'] else {})
    own = InOrder(lambda request: difference(classes=0 if request.get('double') else 3, views_classes=0))
    state = work.Work(tmp_path, SIDES)
    found = models.compare_models(tmp_path, told, peer, own, state)
    assert found['c'] == dict(error='E: no', stage='peer')
    assert all(found[key]['classes'] == 3 and found[key]['double']['classes'] == 0 for key in 'abd')
    asked = [(Path(request['file']).stem, request.get('double', False)) for request in own.asked]
    assert asked == [('a', False), ('a', True), ('b', False), ('b', True), ('d', False), ('d', True)]
    assert [Path(request['file']).stem for request in peer.asked if request['views']] == ['b', 'b']
    again = InOrder(None)
    assert models.compare_models(tmp_path, told, again, again, state) == found


def test_a_swapped_gradient_is_found():
    one = dict(whole=torch.ones(1, 2, 3, 3), classes=torch.zeros(1, 3, 3), losses={'decode.loss_ce': 1.},
               gradients=dict(a=torch.ones(4), b=torch.full((4,), 2.)))
    assert not models.in_doubt(model_side.differences(one, copy.deepcopy(one)))
    other = {**one, 'gradients': dict(a=torch.full((4,), 2.), b=torch.ones(4))}
    assert model_side.differences(one, other)['gradients'] == dict(gap=1.0, where='a', tensors=2)
    with pytest.raises(ValueError, match="other parameters: .'b'"):
        model_side.differences(one, {**one, 'gradients': dict(a=torch.ones(4))})


def test_the_page_counts_files_and_tells_reasons():
    files = {'fcn/a.py': dict(key='k', run='r', alike=True), 'fcn/b.py': dict(key='k', run='s', alike=True),
             'pspnet/c.py': dict(error='ConfigError: no such part'), 'pspnet/d.py': dict(key='l', run='t', alike=True)}
    found = dict(
        sides=SIDES, only=None, state='0', files=files,
        models=dict(k=difference(whole=dict(gap=2e-6, largest=10.)), l=dict(stage='weights', error='missing keys')),
        training=dict(r=dict(trained=True, validated=True), s=dict(trained=True, validated=False, error='E: val'),
                      t=dict(trained=True, validated=True)))
    page, faults = report.page(found)
    assert '| fcn | 2 | 2 | 2 | 2 | 1 | 2 | 2.0e-07 | 2 | 0 | 2 | 0 |' in page
    assert '| pspnet | 2 | 1 | 0 | 1 | 1 | 0 |  | 0 |  | 0 |  |' in page
    assert '| all | 4 | 3 | 2 | 3 | 2 | 2 | 2.0e-07 |' in page
    assert '| not loaded: ConfigError: no such part | 1 | pspnet/c.py |' in page
    assert '| weights do not fit: missing keys | 1 | pspnet/d.py |' in page
    assert '| trained: E: val | 1 | fcn/b.py |' in page
    assert 'This run left out: samples, metric, losses, checkpoint.' in page and len(faults) == 3


def test_only_differences_of_the_metric_that_the_page_explains_are_no_fault():
    cells = [('a', 'Fscore', 'n/a', '0.00'), ('mean', 'mFscore', '60.20', '59.39'), ('b', 'IoU', '61.87', '61.88')]
    metric = dict(title=dict(cells=9, different=cells, with_zeros=59.39))
    found = dict(sides=SIDES, only=None, state='0', files={}, metric=metric)
    page, faults = report.page(found)
    assert '| title | 6 of 9 |' in page and 'by definition' in page and faults == []
    found['metric']['title']['different'] = [('a', 'IoU', '61.87', '61.89'), ('a', 'Fscore', 'n/a', '3.00')]
    assert len(report.page(found)[1]) == 2
    found['metric']['title'].update(different=[('mean', 'mFscore', '60.20', '10.00')])
    assert len(report.page(found)[1]) == 1


def test_the_metric_side_reads_every_cell_of_the_printed_table():
    found = metric_side.metric('segkit', dict(seed=0, num_classes=5, images=2, absent=[1], unfound=[3]))
    assert len(found['table']) == 5 and set(found['table']['class-aa']) >= {'IoU', 'Acc', 'Dice', 'Fscore', 'Recall'}
    assert found['table']['class-ab']['IoU'] == 'n/a' and found['table']['class-ad']['IoU'] == '0.00'
    iou = [float(row['IoU']) for row in found['table'].values() if row['IoU'] != 'n/a']
    assert float(found['means']['mIoU']) == pytest.approx(np.mean(iou), abs=0.01)


def test_generated_trees_have_the_layouts_and_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, 'STREETS', 1)
    folders, told = trees.make_trees(tmp_path, None, 4)
    assert set(folders) == set(told) == {layout for _, layout in checks.PIPELINES.values()}
    lists = tmp_path / 'voc/ImageSets/Segmentation'
    assert [len((lists / f'{name}.txt').read_text().split()) for name in ('train', 'aug', 'val')] == [2, 2, 2]
    mask = cv2.imread(str(next((tmp_path / 'cityscapes/gtFine/train').rglob('*_labelTrainIds.png'))), 0)
    assert mask.shape == (1024, 2048) and set(np.unique(mask)) <= {*range(19), 255}
    masks = [cv2.imread(str(path), 0) for path in (tmp_path / 'ade20k/annotations/training').glob('*.png')]
    assert len(masks) == 4 and max(mask.max() for mask in masks) <= 150


def test_results_count_for_one_state_of_the_code_only(tmp_path):
    first = work.Work(tmp_path, SIDES)
    assert first.get('model', 'a') is None
    first.put('model', 'a', dict(gap=0.))
    assert work.Work(tmp_path, SIDES).get('model', 'a') == dict(gap=0.)
    assert work.Work(tmp_path, [dict(SIDES[0], version='2'), SIDES[1]]).get('model', 'a') is None


def test_files_are_found_by_pattern(tmp_path):
    with pytest.raises(ConfigError, match='--configs: no files in'):
        upstream.find_files(tmp_path, None)
    for name in ('fcn/a_r18.py', 'fcn/a_r50.py', 'pspnet/b_r18.py', 'danet/c_r18.py'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert upstream.find_files(tmp_path, None) == ['pspnet/b_r18.py', 'fcn/a_r18.py', 'fcn/a_r50.py']
    assert upstream.find_files(tmp_path, ['fcn*r18']) == ['fcn/a_r18.py']
    assert upstream.find_files(tmp_path, ['r50', 'pspnet/']) == ['pspnet/b_r18.py', 'fcn/a_r50.py']
    with pytest.raises(ConfigError, match='--only r101: none of the 3 files'):
        upstream.find_files(tmp_path, ['r18', 'r101'])


@pytest.mark.slow
def test_a_file_is_trained_and_validated_on_generated_images(tmp_path):
    file = ROOT / 'configs/demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py'
    found = train_side.train('segkit', dict(file=str(file), folder=str(tmp_path)))
    assert found.get('error') is None and found['trained'] and found['validated'] and found['loss'] > 0
    assert list(tmp_path.iterdir()) == []
    broken = tmp_path / 'broken.py'
    broken.write_text(f'_base_ = [{str(file)!r}]\nmodel = dict(decode_head=dict(channels=0))\n')
    found = train_side.train('segkit', dict(file=str(broken), folder=str(tmp_path)))
    assert not found['trained'] and 'channels' in found['error']


@pytest.mark.slow
def test_missing_peer_and_configs_are_explained(tmp_path):
    def run(*args):
        return subprocess.run([sys.executable, str(FOLDER / 'parity.py'), *args], capture_output=True, text=True,
                              env={'PYTHONPATH': str(ROOT), 'PATH': ''})

    answer = run('--configs', str(tmp_path))
    assert answer.returncode == 2 and 'pip install .onedl-mmsegmentation' in answer.stderr.replace("'", '.')
    answer = run('--configs', str(tmp_path), '--peer', sys.executable)
    assert answer.returncode == 2 and 'make parity unpacks it' in answer.stderr and 'Traceback' not in answer.stderr


THEIR_TABLE = """\
|   Class    |  IoU  |  Acc  |
+------------+-------+-------+
| background | 72.56 | 100.0 |
|   sheep    |  nan  |  nan  |
|   person   |  0.0  |  0.05 |
mmengine - INFO - Iter(test) [60/60]    aAcc: 72.5600  mIoU: 36.2800  mAcc: 50.0200  data_time: 0.0132
"""
OUR_TABLE = """\
| Class      |   IoU |    Acc | Labelled pixels |
| background | 72.56 | 100.00 |       7,479,400 |
| sheep      |   n/a |    n/a |               0 |
| person     |  0.00 |   0.05 |         906,349 |
| mean       | 36.28 |  50.02 |       8,385,749 |
test: mIoU 36.28  aAcc 72.56  mAcc 50.02  fwIoU 1.19  (60 images in 0:00:13)
"""


def test_printed_tables_of_both_sides_are_read_alike():
    theirs, ours = checkpoint_side.rows_of(THEIR_TABLE), checkpoint_side.rows_of(OUR_TABLE)
    assert theirs == ours == {'background': ['72.56', '100.00'], 'sheep': ['n/a', 'n/a'], 'person': ['0.00', '0.05'],
                              'mean': ['36.28', '50.02'], 'all pixels': ['72.56']}


def test_a_digit_that_differs_in_the_table_of_a_checkpoint_is_a_fault(monkeypatch):
    monkeypatch.setattr(report_checks, 'FOUND', 1)
    there = checkpoint_side.rows_of(THEIR_TABLE)
    found, faults = dict(told='photos', there=there, here=there, old=dict(there, person=['0.01', '0.05'])), []
    text = report_checks._checkpoint(found, faults)
    assert '| person' in text and faults == ['checkpoint, the file of 0.x: person']
    faults.clear()
    report_checks._checkpoint(dict(found, here=dict(error='killed'), old=there), faults)
    assert faults == ['checkpoint, the checkpoint: killed']
    faults.clear()
    monkeypatch.undo()
    report_checks._checkpoint(dict(found, old=there), faults)
    assert faults == ['checkpoint: only 1 classes of the table are above 0, so that it tells little']
