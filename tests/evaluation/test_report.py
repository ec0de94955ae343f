"""Tables and sentences of a report."""
import csv
import io

import numpy as np
import pytest

from segkit.evaluation.report import Report, class_scores, image_scores

CONFUSION = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])


def report(**kwargs) -> Report:
    return Report(confusion=CONFUSION, classes=('sky', 'tree|bush', 'car'), images=2, void_pixels=3, **kwargs)


def test_scores_of_classes():
    scores = class_scores(CONFUSION)
    np.testing.assert_allclose(scores['IoU'], [6 / 9, 3 / 6, np.nan])
    np.testing.assert_allclose(scores['Recall'], [6 / 8, 3 / 4, np.nan])
    np.testing.assert_allclose(scores['Precision'], [6 / 7, 3 / 5, np.nan])
    np.testing.assert_allclose(scores['Fscore'], scores['Dice'])


def test_a_class_that_is_never_found_scores_zero():
    scores = class_scores(np.array([[4, 0], [2, 0]]))
    assert scores['IoU'][1] == scores['Dice'][1] == scores['Fscore'][1] == scores['Recall'][1] == 0
    assert np.isnan(scores['Precision'][1])


def test_beta_weighs_recall():
    recall, precision = 6 / 8, 6 / 7
    assert class_scores(CONFUSION, beta=2)['Fscore'][0] == pytest.approx(
        5 * precision * recall / (4 * precision + recall))


def test_image_scores():
    assert image_scores(CONFUSION) == pytest.approx(((6 / 9 + 3 / 6) / 2, 9 / 12))
    assert np.isnan(image_scores(np.zeros((2, 2), int))).all()


def test_table_shows_the_absent_class_and_the_rule():
    text = report().text
    assert '| sky       | 66.67 | 75.00 | ' in text
    assert '| car       |   n/a |   n/a |               0 |' in text
    assert '| mean      | 58.33 | 75.00 | ' in text
    assert 'mean over 2 of 3 classes; n/a = neither labelled nor predicted anywhere, left out' in text
    assert '2 images; 12 pixels (3 void left out); at original size' in text


def test_rule_is_short_when_every_class_occurs():
    assert Report(confusion=np.eye(2, dtype=int), classes=('a', 'b'), images=1).rule == 'mean over 2 of 2 classes'
    assert report(nan_to_num=0).rule == 'mean over all 3 classes; an undefined score counts as 0 %'


def test_nothing_counted_gives_a_table_without_numbers():
    empty = Report(confusion=np.zeros((2, 2), int), classes=('a', 'b'), images=0)
    assert 'aAcc n/a' in empty.text and 'mean over 0 of 2' in empty.text


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(report().per_class_csv())))
    assert [row['Class'] for row in rows] == ['sky', 'tree|bush', 'car']
    assert float(rows[0]['IoU']) == pytest.approx(100 * 6 / 9, abs=1e-4)
    assert rows[2]['IoU'] == 'n/a' and rows[0]['Labelled'] == '8' and rows[0]['Predicted'] == '7'
    counts = list(csv.reader(io.StringIO(report().confusion_csv())))
    assert counts[0][1:] == ['sky', 'tree|bush', 'car'] and counts[1] == ['sky', '6', '2', '0']


def test_markdown():
    text = report(protocol=dict(split='val')).per_class_markdown()
    lines = text.splitlines()
    assert len({line.replace(r'\|', '').count('|') for line in lines if line.startswith('|')}) == 1
    assert '| **mean** | **58.33** |' in text and 'split: val.' in text


@pytest.mark.parametrize('columns, beta, expected', [
    (('IoU', 'Acc'), 1, 'IoU Acc Dice Precision'),
    (('IoU', 'Acc'), 2, 'IoU Acc Dice Fscore Precision'),
    (('IoU', 'Fscore', 'Precision', 'Recall'), 1, 'IoU Fscore Precision Recall'),
    (('IoU', 'Acc', 'Fscore', 'Precision', 'Recall'), 1, 'IoU Acc Fscore Precision Recall'),
    (('IoU', 'Acc', 'Dice', 'Fscore'), 1, 'IoU Acc Dice Fscore Precision')])
def test_markdown_has_equal_columns_only_if_asked_for(columns, beta, expected):
    text = report(columns=columns, beta=beta).per_class_markdown()
    assert text.splitlines()[0] == '| Class | ' + expected.replace(' ', ' | ') + ' | Labelled pixels |'
