"""Many small pictures on one sheet."""
from collections.abc import Sequence

import cv2
import numpy as np

from segkit.visualization.text import canvas, font, text_width

WRONG, VOID_YELLOW = (225, 25, 25), (255, 214, 50)


def cell_size(shapes: Sequence[tuple[int, int]], width: int) -> tuple[int, int]:
    """The (h, w) of a cell ``width`` wide in the middle one of these pictures' proportions."""
    ratio = float(np.median([h / w for h, w in shapes]))
    return round(width * min(max(ratio, 0.4), 1.4)), width


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a photo to lie within (h, w), keeping its proportions.

    Args:
        image: (H, W, 3) uint8.
        size: (h, w) of the cell.

    Returns:
        (h', w', 3) with h' = h or w' = w.
    """
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    new = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, new, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def fit_mask(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring class indices to (h, w) by taking the nearest one."""
    rows = (np.arange(shape[0]) * 2 + 1) * mask.shape[0] // (2 * shape[0])
    columns = (np.arange(shape[1]) * 2 + 1) * mask.shape[1] // (2 * shape[1])
    return mask[rows][:, columns]


def error_picture(image: np.ndarray, label: np.ndarray, prediction: np.ndarray, void: int = 255) -> np.ndarray:
    """Show where a prediction is wrong: red over the faded grey photo, void pixels yellow.

    Args:
        image: (H, W, 3) uint8 RGB.
        label: (H, W) true classes.
        prediction: (H, W) predicted classes.
        void: The label that is not counted.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    out = cv2.addWeighted(grey, 0.35, np.full_like(grey, 255), 0.65, 0)
    wrong = label != prediction
    out[wrong] = (0.2 * out[wrong] + 0.8 * np.array(WRONG)).astype(np.uint8)
    out[label == void] = VOID_YELLOW
    return out


def sheet(rows: Sequence[Sequence[np.ndarray]], size: tuple[int, int], titles: Sequence[str] = (),
          captions: Sequence[str] = (), legend: Sequence[tuple] = (), heading: str = '') -> np.ndarray:
    """Lay pictures out in rows on white.

    Args:
        rows: Pictures (h, w, 3) uint8 RGB, none larger than ``size``; a row is as high as its highest picture.
        size: (h, w) of the largest cell in pixels.
        titles: Of the columns.
        captions: Under each row.
        legend: (name, colour) of the classes on the sheet, put at the bottom.
        heading: Over the whole sheet; what follows a line break stands under it in small letters.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    gap, letters = 10, max(13, size[1] // 20)
    line = round(1.6 * letters)
    width = gap + max(map(len, rows)) * (size[1] + gap)
    legend_rows = _wrap(legend, width - 2 * gap, letters)
    heading, _, note = heading.partition('\n')
    heading_height = round(1.5 * line) if heading else 0
    heading_height += line if note else 0
    top = gap + heading_height + (line if titles else 0)
    heights = [max(cell.shape[0] for cell in cells) for cells in rows]
    floors = [top + sum(heights[:row + 1]) + row * (gap + (line if captions else 0)) for row in range(len(rows))]
    foot = floors[-1] + gap + (line if captions else 0)
    picture, pen = canvas(foot + line * len(legend_rows) + (gap if legend else 0), width)
    if heading:
        pen.text((gap, gap + line // 2), _shorten(heading, width - 2 * gap, letters + 3), fill=(20, 20, 20),
                 font=font(letters + 3), anchor='lm')
    if note:
        pen.text((gap, gap + round(1.5 * line)), _shorten(note, width - 2 * gap, letters), fill=(70, 70, 70),
                 font=font(letters), anchor='lm')
    for column, title in enumerate(titles):
        pen.text((gap + column * (size[1] + gap) + size[1] // 2, gap + heading_height + line // 2 - 2),
                 _shorten(title, size[1], letters), fill=(20, 20, 20), font=font(letters), anchor='mm')
    for row, caption in enumerate(captions):
        pen.text((gap, floors[row] + line // 2 + 1), _shorten(caption, width - 2 * gap, letters),
                 fill=(70, 70, 70), font=font(letters), anchor='lm')
    for row, entries in enumerate(legend_rows):
        for left, name, colour in entries:
            middle = foot + row * line + line // 2
            box = (gap + left, middle - letters // 2, gap + left + letters, middle - letters // 2 + letters)
            pen.rectangle(box, fill=tuple(map(int, colour)), outline=(110, 110, 110))
            pen.text((gap + left + round(1.5 * letters), middle), name, fill=(20, 20, 20), font=font(letters),
                     anchor='lm')
    out = np.array(picture)
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            y = floors[row] - heights[row] + (heights[row] - cell.shape[0]) // 2
            x = gap + column * (size[1] + gap) + (size[1] - cell.shape[1]) // 2
            out[y:y + cell.shape[0], x:x + cell.shape[1]] = cell
    return out


def level(rows: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    """Bring the first pictures of several rows to the highest one's height, so that the rows lie at one level."""
    height = max(cell.shape[0] for cells in rows for cell in cells)
    return [[_white_above_and_below(cells[0], height - cells[0].shape[0]), *cells[1:]] for cells in rows]


def _white_above_and_below(cell: np.ndarray, more: int) -> np.ndarray:
    return np.pad(cell, ((more // 2, more - more // 2), (0, 0), (0, 0)), constant_values=255)


def beside(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Put sheets side by side, tops aligned."""
    height = max(block.shape[0] for block in blocks)
    return np.concatenate([
        np.pad(block, ((0, height - block.shape[0]), (0, 0), (0, 0)), constant_values=255) for block in blocks], axis=1)


def _wrap(legend: Sequence[tuple], width: int, letters: int) -> list[list[tuple]]:
    """Break a legend into lines of (left, name, colour)."""
    rows: list[list[tuple]] = []
    left = width + 1
    for name, colour in legend:
        needed = round(1.5 * letters) + text_width(name, letters)
        if left + needed > width:
            rows.append([])
            left = 0
        rows[-1].append((left, name, colour))
        left += needed + 2 * letters
    return rows


def _shorten(text: str, width: int, letters: int) -> str:
    if text_width(text, letters) <= width:
        return text
    while text and text_width(text + '...', letters) > width:
        text = text[:-1]
    return text + '...'
