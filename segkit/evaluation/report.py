"""From a confusion matrix to scores, tables and the sentences that say what the scores mean."""
import csv
import io
import os
from dataclasses import dataclass, field
from typing import Optional

import numpy as np
from terminaltables import AsciiTable

ALL_COLUMNS = ('IoU', 'Acc', 'Dice', 'Fscore', 'Precision', 'Recall')


def class_scores(confusion: np.ndarray, beta: float = 1.0) -> dict[str, np.ndarray]:
    """Scores of each class, as fractions; NaN where a score is not defined.

    IoU, Dice and Fscore are defined for every class that has a labelled or a predicted pixel, so a class that is
    predicted but never labelled, or labelled but never found, scores 0. Acc and Recall need a labelled pixel,
    Precision a predicted one. (MMSegmentation leaves a class that is never found out of mFscore; here it counts
    as 0, so that Fscore equals Dice at beta 1.)

    Args:
        confusion: (K, K) counts; rows are true classes, columns predicted ones.
        beta: Weight of recall against precision in Fscore.

    Returns:
        Score name to (K,) float64.
    """
    hits = np.diag(confusion).astype(np.float64)
    labelled = confusion.sum(axis=1).astype(np.float64)
    predicted = confusion.sum(axis=0).astype(np.float64)
    weight = beta**2
    recall = _ratio(hits, labelled)
    return {
        'IoU': _ratio(hits, labelled + predicted - hits),
        'Acc': recall,
        'Dice': _ratio(2 * hits, labelled + predicted),
        'Fscore': _ratio((1 + weight) * hits, weight * labelled + predicted),
        'Precision': _ratio(hits, predicted),
        'Recall': recall,
    }


def image_scores(confusion: np.ndarray) -> tuple[float, float]:
    """Mean IoU over the classes of one image, and its pixel accuracy; both fractions, NaN without a valid pixel."""
    accuracy = _ratio(np.diag(confusion).sum(), confusion.sum())
    hits = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return _mean(_ratio(hits, union)), float(accuracy)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.divide(part, whole)


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float('nan')


@dataclass(frozen=True)
class WorstImage:
    """One of the images with the lowest scores, with label maps small enough to keep.

    Attributes:
        iou: Mean IoU over the classes of this image, a fraction.
        accuracy: Pixel accuracy, a fraction.
        img_path: The photo.
        prediction: (h, w), thinned to every n-th pixel so that the longer side is at most 512.
        label: (h, w), likewise.
    """
    iou: float
    accuracy: float
    img_path: str
    prediction: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class Confused:
    """Pixels of one class that were predicted as another.

    Attributes:
        true: The class of the label.
        predicted: The class of the prediction.
        pixels: How many.
        of_class: Their share of the pixels of the true class, a fraction.
        of_errors: Their share of all wrong pixels, a fraction.
    """
    true: str
    predicted: str
    pixels: int
    of_class: float
    of_errors: float


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        confusion: (K, K) int64; rows are true classes, columns predicted ones.
        classes: K names.
        images: How many images were counted.
        void_pixels: Pixels left out because their label is the ignore index.
        original_size: Whether every image was compared at its original size.
        columns: The scores the console table shows.
        beta: Weight of recall in Fscore.
        nan_to_num: What an undefined score counts as (a fraction); None leaves it out of the mean.
        protocol: How the scores came about (split, resize, ...), printed as it is.
        worst: The images with the lowest IoU, worst first.
        skipped: (file, reason) of each image that was left out because it or its label cannot be used.
    """
    confusion: np.ndarray
    classes: tuple[str, ...]
    images: int
    void_pixels: int = 0
    original_size: bool = True
    columns: tuple[str, ...] = ('IoU', 'Acc')
    beta: float = 1.0
    nan_to_num: Optional[float] = None
    protocol: dict = field(default_factory=dict)
    worst: tuple[WorstImage, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """Score name to (K,) fractions, NaN where undefined and ``nan_to_num`` is not set."""
        scores = class_scores(self.confusion, self.beta)
        if self.nan_to_num is not None:
            scores = {name: np.nan_to_num(values, nan=self.nan_to_num) for name, values in scores.items()}
        return scores

    @property
    def means(self) -> dict[str, float]:
        """aAcc, fwIoU and the mean of every score, in per cent."""
        labelled = self.confusion.sum(axis=1)
        iou = class_scores(self.confusion)['IoU']
        means = {
            'aAcc': float(_ratio(np.diag(self.confusion).sum(), labelled.sum())),
            'fwIoU': float(_ratio(np.nansum(iou * labelled), labelled.sum())),
        }
        means.update({'m' + name: _mean(values) for name, values in self.scores.items()})
        return {name: 100 * value for name, value in means.items()}

    @property
    def rows(self) -> list[dict]:
        """One dict a class: Class, every score in per cent (NaN where undefined), labelled and predicted pixels."""
        scores = self.scores
        return [{
            'Class': name,
            **{column: 100 * float(values[k]) for column, values in scores.items()},
            'Labelled': int(self.confusion[k].sum()),
            'Predicted': int(self.confusion[:, k].sum()),
        } for k, name in enumerate(self.classes)]

    @property
    def rule(self) -> str:
        """Over which classes the mean goes, and why."""
        total = len(self.classes)
        present = int(((self.confusion.sum(axis=0) + self.confusion.sum(axis=1)) > 0).sum())
        if self.nan_to_num is not None:
            return f'mean over all {total} classes; an undefined score counts as {100 * self.nan_to_num:g} %'
        text = f'mean over {present} of {total} classes'
        if present < total:
            text += '; n/a = neither labelled nor predicted anywhere, left out'
        invented = int(((self.confusion.sum(axis=1) == 0) & (self.confusion.sum(axis=0) > 0)).sum())
        if invented:
            text += f'; {invented} predicted but never labelled: IoU 0'
        return text

    @property
    def protocol_line(self) -> str:
        """What was compared and how, in one line."""
        size = 'at original size' if self.original_size else 'at the size of the loaded labels, not the original one'
        pixels = f'{int(self.confusion.sum()):,} pixels ({self.void_pixels:,} void left out)'
        parts = [f'{self.images:,} images', pixels, size]
        parts += [f'{key}: {value}' for key, value in self.protocol.items()]
        if self.skipped:
            names = [os.path.basename(file) for file, _ in self.skipped]
            more = f' and {len(names) - 3} more' if names[3:] else ''
            parts.append(f'{len(names)} of {self.images + len(names):,} images skipped: {", ".join(names[:3])}{more}')
        return 'protocol: ' + '; '.join(parts)

    @property
    def text(self) -> str:
        """The table for the console, with the rule and the protocol under it."""
        body = [[row['Class'], *(_percent(row[c]) for c in self.columns), f'{row["Labelled"]:,}'] for row in self.rows]
        means = self.means
        mean = ['mean', *(_percent(means['m' + c]) for c in self.columns), f'{int(self.confusion.sum()):,}']
        table = AsciiTable([['Class', *self.columns, 'Labelled pixels'], *body, mean])
        table.inner_footing_row_border = True
        table.justify_columns = {i: 'right' for i in range(1, len(mean))}
        summary = f'aAcc {_percent(means["aAcc"])}, fwIoU {_percent(means["fwIoU"])} (per cent)'
        return '\n'.join([table.table, summary, self.rule, self.protocol_line])

    def per_class_csv(self) -> str:
        """Every score of every class; undefined ones are ``n/a``."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(['Class', *ALL_COLUMNS, 'Labelled', 'Predicted'])
        for row in self.rows:
            writer.writerow([row['Class'], *(_percent(row[c], 4) for c in ALL_COLUMNS), row['Labelled'],
                             row['Predicted']])
        return text.getvalue()

    def per_class_markdown(self) -> str:
        """The per-class table, the means, the rule and the protocol."""
        means, columns = self.means, self._distinct_columns()
        lines = ['| Class | ' + ' | '.join(columns) + ' | Labelled pixels |', '|:--|' + '--:|' * (len(columns) + 1)]
        for row in self.rows:
            name = row['Class'].replace('|', r'\|')
            lines.append(f'| {name} | ' + ' | '.join(_percent(row[c]) for c in columns)
                         + f' | {row["Labelled"]:,} |')
        lines.append('| **mean** | ' + ' | '.join(f'**{_percent(means["m" + c])}**' for c in columns)
                     + f' | {int(self.confusion.sum()):,} |')
        lines += ['', f'aAcc {_percent(means["aAcc"])}, fwIoU {_percent(means["fwIoU"])} (per cent).', '',
                  f'{self.rule}.', '', f'{self.protocol_line}.', '']
        return '\n'.join(lines)

    def _distinct_columns(self) -> list[str]:
        """Every score once: Recall is Acc, and Fscore at beta 1 is Dice, so both stand there only if asked for."""
        twins = [('Acc', 'Recall')] + [('Dice', 'Fscore')] * (self.beta == 1)
        left_out = set()
        for first, second in twins:
            if not {first, second} <= set(self.columns):
                left_out.add(first if second in self.columns else second)
        return [column for column in ALL_COLUMNS if column not in left_out]

    def confusion_csv(self) -> str:
        """Counts; the first column names the true class, the first row the predicted one."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(['true / predicted', *self.classes])
        for name, counts in zip(self.classes, self.confusion.tolist()):
            writer.writerow([name, *counts])
        return text.getvalue()

    def confused_pairs(self, most: int = 10) -> list[Confused]:
        """The pairs of classes that were mistaken for each other on the most pixels, the largest first."""
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        errors, labelled = wrong.sum(), self.confusion.sum(axis=1)
        order = np.argsort(-wrong, axis=None, kind='stable')[:most]
        pairs = zip(*np.unravel_index(order, wrong.shape))
        return [Confused(self.classes[true], self.classes[predicted], int(wrong[true, predicted]),
                         float(wrong[true, predicted] / labelled[true]), float(wrong[true, predicted] / errors))
                for true, predicted in pairs if wrong[true, predicted]]


def _percent(value: float, digits: int = 2) -> str:
    return 'n/a' if np.isnan(value) else f'{value:.{digits}f}'
