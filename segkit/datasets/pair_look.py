"""Everything that one photo and its mask tell about themselves, from one reading; no registered class lives here."""
import io
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import NamedTuple, Optional

import cv2
import numpy as np
from PIL import Image

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.check import Finding, compare_headers, find_transform
from segkit.datasets.image_header import ImageHeader, header_of
from segkit.datasets.transforms.image_file import decode_image, decode_mask, read_bytes
from segkit.datasets.transforms.label_runs import RUNS_START
from segkit.datasets.transforms.label_values import (
    MANY_VALUES,
    apply_color_map,
    apply_label_map,
    check_labels,
    drop_zero_label,
)
from segkit.datasets.transforms.loading import LoadAnnotations, LoadImageFromFile
from segkit.errors import ConfigError, DataError

HASH = 16  # bytes of a sha256 that are kept
MASK_COLORS = ('palette', 'grey', 'RGB', 'RGBA', 'run lengths')  # what decode_mask takes
# What decoders say about what they pass over, with the pixels right: parts of a PNG that hold no pixels (their names
# begin with a small letter; tRNS and eXIf say how the pixels are to be seen), and a map's or a camera's own fields of
# a TIFF.
_HARMLESS = re.compile(r'libpng warning: (?!tRNS|eXIf)[a-z][A-Za-z]{3}: |.*TIFFReadDirectory: Unknown field with tag ')
_MODES = {'1': 'grey', 'L': 'grey', 'P': 'palette', 'LA': 'grey and alpha', 'PA': 'palette and alpha'}


class Reading(NamedTuple):
    """How a dataset reads its pairs.

    Attributes:
        image: Its first transform.
        labels: What reads its masks; None where it has none.
        reduce_zero_label, label_map, ignore_index: The dataset's.
        num_classes: The dataset's; None where labels of any value are to be taken.
    """
    image: LoadImageFromFile
    labels: Optional[LoadAnnotations]
    reduce_zero_label: bool
    label_map: Optional[dict]
    ignore_index: int
    num_classes: Optional[int]

    @property
    def key(self) -> str:
        """The same for two datasets that read a pair alike."""
        colors = sorted((self.labels.color_map or {}).items()) if self.labels else None
        return repr((self.image, self.labels, colors, sorted((self.label_map or {}).items()), self[2], *self[4:]))

    def mapped(self, labels: np.ndarray) -> np.ndarray:
        """What becomes of stored labels, (H, W)."""
        labels = drop_zero_label(labels) if self.reduce_zero_label else labels
        return apply_label_map(labels, self.label_map) if self.label_map else labels


class Photo(NamedTuple):
    """A photo that could be read: (h, w) as the network gets it, what its pixels are, hashes of its pixels and of its
    bytes, and the sum and the sum of squares of each channel (BGR)."""

    size: tuple[int, int]
    color: str
    bits: int
    pixels: bytes
    content: bytes
    sums: tuple[tuple[float, ...], tuple[float, ...]]


class Mask(NamedTuple):
    """A mask that could be read: what its pixels are, a hash of its labels, pixels by stored label (empty where it has
    as many as a photo), those of them that are out of range, and pixels by label as trained on, ``ignore_index``
    included (empty where the pair cannot be used)."""

    color: str
    bits: int
    content: bytes
    stored: dict[int, int]
    wrong: dict[int, int]
    labels: dict[int, int]
    colors: dict[tuple[int, int, int], int]


class Look(NamedTuple):
    """What a pair is, and what is wrong with it."""

    findings: list[Finding]
    photo: Optional[Photo]
    mask: Optional[Mask]


def reading_of(dataset: BaseSegDataset, num_classes: Optional[int]) -> Reading:
    """How a dataset reads its pairs.

    Args:
        dataset: The dataset.
        num_classes: How many classes its masks may have; None takes any label.

    Raises:
        ConfigError: If it reads them by a transform of the user's own, which may read anything.
    """
    found = []
    for name, cls, needed in (('LoadImageFromFile', LoadImageFromFile, True),
                              ('LoadAnnotations', LoadAnnotations, dataset.wants_labels)):
        step = find_transform(dataset.pipeline, name)
        first = next(iter(getattr(dataset.pipeline, 'transforms', ())), None)
        other = step if step is not None else first if cls is LoadImageFromFile else None
        if other is not None and getattr(type(other), 'transform', None) is not cls.transform:
            raise ConfigError(f'{type(dataset).__name__} reads its files by {type(other).__name__}, a transform that '
                              'is not of this package: what is in them is not known here.\nLook at the dataset with '
                              f'{name} in its place, or at its folder.')
        found.append(step or cls() if needed else None)
    return Reading(found[0], found[1], _zero_dropped(dataset, found[1]), dataset.label_map, dataset.ignore_index,
                   num_classes)


def _zero_dropped(dataset: BaseSegDataset, load: Optional[LoadAnnotations]) -> bool:
    return bool(dataset.reduce_zero_label or (load is not None and load.reduce_zero_label))


def look_at_pairs(piece: tuple[Reading, Sequence[tuple[str, Optional[str], str]]]) -> list[Look]:
    """Look at some pairs.

    Args:
        piece: How they are read; and of each the photo, the mask (None: there is none) and what to do where they
            differ in size.
    """
    reading, pairs = piece
    with _complaints() as said:
        return [_look_at(reading, *pair, said) for pair in pairs]


@contextmanager
def _complaints() -> Iterator[Callable[[], str]]:
    """What the C libraries that decode write to standard error meanwhile: a function that gives it, each time anew."""
    before = os.dup(2)
    with tempfile.TemporaryFile() as file:
        def said() -> str:
            if not os.fstat(file.fileno()).st_size:
                return ''
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            text = file.read().decode(errors='replace')
            file.seek(0)
            file.truncate()
            return text.strip()

        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(before, 2)
            os.close(before)


def _look_at(reading: Reading, img_path: str, seg_path: Optional[str], size_hint: str,
             said: Callable[[], str]) -> Look:
    findings: list[Finding] = []
    photo, img_header = _photo(reading, img_path, findings, said)
    if seg_path is None or reading.labels is None:
        return Look(findings, photo, None)
    data = _read(seg_path, 'mask', reading.labels.backend_args, findings)
    if data is None:
        return Look(findings, photo, None)
    header = None if data.startswith(RUNS_START) else header_of(data) or _described(data)
    mask, colors = None, bool(reading.labels.color_map)
    if header is None or header.format != 'JPEG':
        mask = _decode_mask(reading, data, header, seg_path, findings)
        if mask is None:
            return Look(findings, photo, None)
        header = header or ImageHeader('', 0, 0, 'run lengths', True)
        kind = header.color if mask.ndim == 2 or header.color.startswith('RGB') else 'RGB'
        header = header._replace(width=mask.shape[1], height=mask.shape[0], color=kind)
    turned = img_header is not None and photo.size[::-1] != img_header[1:3]
    found = compare_headers(img_path, img_header, seg_path, header, turned, colors, size_hint)
    findings += found
    if img_header is not None and not found and img_header.orientation > 1 and (
            img_header.orientation < 5 or img_header.width == img_header.height):
        findings.append(Finding('EXIF unclear', img_path, f'{img_path} has EXIF orientation {img_header.orientation}, '
                                'and the size of its mask does not tell whether that is turned too.', ''))
    if mask is None:
        return Look(findings, photo, None)
    if mask.ndim == 3 and not colors:
        codes, counts = np.unique(mask.reshape(-1, 3), axis=0, return_counts=True)
        few = len(codes) <= 4 * MANY_VALUES
        return Look(findings, photo, Mask('RGB', 8, _digest(mask), {}, {}, {}, dict(zip(
            map(tuple, codes.tolist()), counts.tolist())) if few else {}))
    return Look(findings, photo, _labels(reading, mask, header, seg_path, findings, usable=not found and photo))


def _photo(reading: Reading, path: str, findings: list[Finding],
           said: Callable[[], str]) -> tuple[Optional[Photo], Optional[ImageHeader]]:
    """Decode a photo; adds what is wrong with it to ``findings``."""
    step = reading.image
    data = _read(path, 'photo', step.backend_args, findings)
    if data is None:
        return None, None
    header = header_of(data)
    said()
    try:
        img = decode_image(data, path, step.color_type, step.imdecode_backend)
    except DataError as error:
        findings.append(_fault(path, header, error))
        return None, None
    complaints = [line for line in said().splitlines() if not _HARMLESS.match(line)]
    if complaints:
        findings.append(Finding('decoder complains', path, f"{path}: the decoder says '{complaints[0]}'; some of its "
                                'pixels may be wrong.', ''))
    size = img.shape[:2]
    header = header or _described(data) or ImageHeader('other', size[1], size[0], 'RGB', True)
    if header[1:3] != size[::-1] and header.turned_size != size[::-1]:  # the decoder knows better
        header = header._replace(width=size[1], height=size[0], orientation=1)
    name = '16-bit' if header.bits > 8 else {'CMYK': 'CMYK', 'RGBA': 'alpha', 'grey and alpha': 'alpha',
                                             'palette and alpha': 'alpha', 'grey': 'grey'}.get(header.color)
    if name and (name != 'alpha' or _is_transparent(data)):
        what = f'{header.bits} bits a value' if header.bits > 8 else f'{header.color} pixels'
        findings.append(Finding(f'{name} photo', path, f'{path} has {what}.', ''))
    mean, deviation = (value.ravel() for value in cv2.meanStdDev(img))
    count = size[0] * size[1]
    sums = tuple((mean * count).tolist()), tuple(((deviation ** 2 + mean ** 2) * count).tolist())
    return Photo(size, header.color, header.bits, _digest(img), sha256(data).digest()[:HASH], sums), header


def _is_transparent(data: bytes) -> bool:
    """Whether a photo with an alpha channel shows its ground somewhere."""
    img = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return img is None or img.ndim < 3 or bool((img[..., -1] < np.iinfo(img.dtype).max).any())


def _decode_mask(reading: Reading, data: bytes, header: Optional[ImageHeader], path: str,
                 findings: list[Finding]) -> Optional[np.ndarray]:
    """The labels as stored, (H, W); (H, W, 3) where they are colours that nothing translates; None if unusable."""
    load = reading.labels
    kind = header.color if header is not None else 'run lengths'
    try:
        mask = decode_mask(data, path, load.imdecode_backend)
    except DataError as error:
        if header is not None and header.whole and kind not in MASK_COLORS:
            text, remedy = _sentences(error)
            findings.append(Finding('mask mode', path, text, remedy))
        else:
            findings.append(_fault(path, header, error))
        return None
    if mask.ndim == 3 and load.color_map:
        try:
            return apply_color_map(mask, load.color_map, path)
        except DataError as error:
            findings.append(Finding('colours', path, *_sentences(error)))
            return None
    return mask


def _labels(reading: Reading, mask: np.ndarray, header: ImageHeader, path: str, findings: list[Finding],
            usable: bool) -> Mask:
    """Count the labels of (H, W), and find those that are out of range."""
    if mask.dtype == np.uint8:
        counts = np.bincount(mask.ravel(), minlength=256)
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(mask, return_counts=True)
    mapped = reading.mapped(values.astype(mask.dtype)[None])[0].astype(np.int64)
    ignored = mapped == reading.ignore_index
    wrong = (mapped < 0) & ~ignored
    if reading.num_classes is not None:
        wrong |= (mapped >= reading.num_classes) & ~ignored
        if wrong.any():
            try:
                check_labels(reading.mapped(mask), dict(
                    num_classes=reading.num_classes, ignore_index=reading.ignore_index, seg_map_path=path))
            except DataError as error:
                findings.append(Finding('labels', path, *_sentences(error)))
    pairs = list(zip(values.tolist(), counts.tolist()))
    bad = {value: count for (value, count), is_bad in zip(pairs, wrong) if is_bad}
    labels: dict[int, int] = {}
    if usable and not bad:
        for label, (_, count) in zip(mapped.tolist(), pairs):
            labels[label] = labels.get(label, 0) + count
    if labels.keys() == {reading.ignore_index}:
        findings.append(Finding('void mask', path, f'{path} holds no labelled pixel.', ''))
    many = len(bad) > MANY_VALUES or (reading.num_classes is None and len(values) > 4 * MANY_VALUES)
    return Mask(header.color, header.bits, _digest(mask), {} if many else dict(pairs), {} if many else bad, labels, {})


def _read(path: str, kind: str, backend_args: Optional[dict], findings: list[Finding]) -> Optional[bytes]:
    try:
        return read_bytes(path, backend_args)
    except DataError as error:
        cause = error.__cause__
        name = f'missing {kind}' if isinstance(cause, FileNotFoundError) else 'unreadable'
        if cause is None:  # a record of a file that holds many may be damaged
            name = 'empty' if '(0 bytes)' in str(error) else 'damaged'
        findings.append(Finding(name, path, *_sentences(error)))
        return None


def _fault(path: str, header: Optional[ImageHeader], error: DataError) -> Finding:
    kind = 'no image' if header is None else 'damaged' if header.whole else 'cut short'
    return Finding(kind, path, *_sentences(error))


def _sentences(error: DataError) -> tuple[str, str]:
    """What is wrong, and what to do, of an error."""
    *text, remedy = str(error).splitlines()
    return (' '.join(text), remedy) if text else (remedy, '')


def _described(data: bytes) -> Optional[ImageHeader]:
    """What Pillow says of a file that is neither JPEG nor PNG."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(io.BytesIO(data)) as image:
                bits = 16 if image.mode.startswith('I') else 32 if image.mode == 'F' else 8
                return ImageHeader(image.format, *image.size, _MODES.get(image.mode, image.mode) if bits == 8 else
                                   'grey', True, bits=bits)
    except Exception:  # damaged bytes make Pillow raise anything; decoding them says what is wrong
        return None


def _digest(array: np.ndarray) -> bytes:
    """A hash of shape and values."""
    found = sha256(repr((array.shape, array.dtype.str)).encode())
    found.update(np.ascontiguousarray(array))
    return found.digest()[:HASH]
