"""Curves, confusion matrices and bars, drawn by matplotlib without a screen."""
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

GREY = '#777777'


def curves(panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
           heading: str = '') -> np.ndarray:
    """Draw one panel for each group of curves over the iterations.

    Args:
        panels: Title to (name to (iterations, values)); panels without a curve are left out.
        heading: Over the whole picture.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    panels = {title: series for title, series in panels.items() if series}
    columns = min(2, max(1, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(6.2 * columns, 3.9 * rows), dpi=100, layout='constrained')
    for number, (title, series) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, number)
        for name, (iterations, values) in series.items():
            few = len(values) < 40
            axes.plot(iterations, values, label=name, linewidth=1.5, marker='o' if few else None, markersize=3)
        axes.set_title(title, loc='left', fontsize=11)
        axes.set_xlabel('iteration', color=GREY)
        axes.set_xlim(0, 1.03 * max([1, *(x for iterations, _ in series.values() for x in iterations)]))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        axes.ticklabel_format(axis='y', useOffset=False)
        levels = {y for _, values in series.values() for y in values if np.isfinite(y)}
        if len(levels) == 1:  # matplotlib would spread its ticks over a narrow band about the value
            level = levels.pop()
            axes.set_ylim(min(0.0, 2 * level), max(0.0, 2 * level) or 1.0)
        axes.legend(fontsize=8, frameon=False, loc='upper left', bbox_to_anchor=(1.0, 1.0))
        _clean(axes)
    if heading:
        figure.suptitle(heading, fontsize=13)
    return _pixels(figure)


def confusion_figure(confusion: np.ndarray, classes: Sequence[str], normalize: bool = False) -> np.ndarray:
    """Draw a confusion matrix of the classes that are labelled or predicted anywhere.

    Args:
        confusion: (K, K) counts; rows are true classes, columns predicted ones.
        classes: K names.
        normalize: Show each row in per cent of its sum (recall on the diagonal) instead of counts.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    occurs = np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1))
    title = 'Confusion matrix, ' + ('per cent of each true class' if normalize else 'pixels')
    if 0 < len(occurs) < len(classes):
        title += f'\n{len(occurs)} of {len(classes)} classes (others: no label, no prediction)'
        confusion, classes = confusion[np.ix_(occurs, occurs)], [classes[k] for k in occurs]
    number = len(classes)
    counts = confusion.astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    with np.errstate(invalid='ignore'):
        values = 100 * counts / totals if normalize else counts
    cell = 0.46 if number <= 40 else 0.2
    names = cell * 0.24 * max(map(len, classes)) if number <= 40 else 1.2
    side = max(4.0, cell * number)
    figure = Figure(figsize=(side + names + 2.0, side + names + 0.9), dpi=100 if number <= 60 else 80,
                    layout='constrained')
    axes = figure.add_subplot()
    # Counts differ by orders of magnitude: a root shows the small ones and, unlike a logarithm, parts the large ones.
    scale = PowerNorm(1 if normalize else 0.4, vmin=0, vmax=100 if normalize else max(1.0, values.max()))
    shown = axes.imshow(values if normalize else np.where(values > 0, values, np.nan), cmap='Blues', norm=scale)
    axes.set_facecolor('#eeeeee')
    axes.set_title(title, loc='left', fontsize=11)
    axes.set_xlabel('predicted')
    axes.set_ylabel('true')
    letters = 8 if number <= 40 else 5
    axes.set_xticks(range(number), classes, rotation=90, fontsize=letters)
    axes.set_yticks(range(number), classes, fontsize=letters)
    axes.tick_params(length=0)
    for side_line in axes.spines.values():
        side_line.set_visible(False)
    if number <= 40:
        for row, column in zip(*np.nonzero(counts)):
            value = values[row, column]
            if normalize and value < 0.5:
                continue
            text = f'{value:.0f}' if normalize else short_count(value)
            axes.text(column, row, text, ha='center', va='center', fontsize=6.5,
                      color='white' if scale(value) > 0.6 else '#222222')
    figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.02, shrink=0.6).outline.set_visible(False)
    return _pixels(figure)


def iou_bars(classes: Sequence[str], iou: Sequence[float], colours: np.ndarray) -> np.ndarray:
    """Draw the IoU of each class, best first, with the mean as a line.

    Args:
        classes: K names.
        iou: K values in per cent; NaN where a class never occurs.
        colours: (>= K, 3) uint8 RGB.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    iou = np.asarray(iou, np.float64)
    order = np.argsort(-np.nan_to_num(iou, nan=-1.0), kind='stable')
    height = 0.27 if len(classes) <= 40 else 0.16
    letters = 9 if len(classes) <= 40 else 6
    figure = Figure(figsize=(8, max(2.0, height * len(classes) + 1.0)), dpi=100, layout='constrained')
    axes = figure.add_subplot()
    places = np.arange(len(classes))
    axes.barh(places, np.nan_to_num(iou[order]), color=colours[order] / 255.0, height=0.78, edgecolor=GREY,
              linewidth=0.4)
    for place, k in zip(places, order):
        missing = np.isnan(iou[k])
        axes.text(1 if missing else iou[k] + 0.8, place, 'n/a' if missing else f'{iou[k]:.1f}', va='center',
                  fontsize=letters - 1, color=GREY if missing else '#222222')
    axes.set_yticks(places, [classes[k] for k in order], fontsize=letters)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel('IoU, per cent', color=GREY)
    title = 'IoU of each class'
    if not np.isnan(iou).all():
        mean = float(np.nanmean(iou))
        axes.axvline(mean, color='#222222', linewidth=1, linestyle='--')
        title += f', mean {mean:.2f} over {int((~np.isnan(iou)).sum())} of {len(classes)}'
    axes.set_title(title, loc='left', fontsize=11)
    _clean(axes)
    axes.grid(axis='y', visible=False)
    return _pixels(figure)


def short_count(value: float) -> str:
    """A count in at most four characters: 950, 12k, 3.4M."""
    for unit, name in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if value >= unit:
            scaled = value / unit
            return f'{scaled:.1f}{name}' if scaled < 9.95 else f'{scaled:.0f}{name}'
    return f'{value:.0f}'


def _clean(axes) -> None:
    axes.grid(color='#e4e4e4', linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)


def _pixels(figure: Figure) -> np.ndarray:
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    drawing = FigureCanvasAgg(figure)
    drawing.draw()
    return np.asarray(drawing.buffer_rgba())[..., :3].copy()
