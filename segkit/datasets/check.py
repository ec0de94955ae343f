"""Looking at all files of a dataset before the first step."""
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Optional

import numpy as np
from mmengine.registry import FUNCTIONS

from segkit.datasets.bad_samples import faulty_file
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.image_header import ImageHeader, read_header
from segkit.datasets.leaves import bad_sample_limit, beyond_own_limit, leaves
from segkit.datasets.listing import is_local
from segkit.datasets.packed_storage import is_packed, stored_header
from segkit.datasets.transforms.image_file import content_header, read_bytes
from segkit.errors import DataError
from segkit.registry import TRANSFORMS

THREADS = 4  # they hide the latency of network disks
DECODED = 16  # masks whose labels are looked at


class Finding(NamedTuple):
    """A fault of one pair: its kind, the file, a sentence that names the file and the value, and what to do."""

    kind: str
    file: str
    text: str
    remedy: str


@FUNCTIONS.register_module()
def check_dataset(dataset: Any, max_pairs: Optional[int] = None, found: Optional[dict[str, str]] = None) -> str:
    """Look at the header of every image and mask, and at the labels of a few masks.

    Found are: files that are cut short, empty or no image, masks of another size than their image, RGB masks, images
    given as masks, labels out of range, and masks that hold nothing but 0 and 255, or 255 alone. Nothing is written.

    Args:
        dataset: A dataset of this package, or a wrapper around some (ConcatDataset, RepeatDataset, SeededDataset).
            Others are left alone, and so are files that are not on a local disk. Of packed records, whose headers were
            read when they were packed, it is compared what these said.
        max_pairs: Look at no more than so many pairs of each dataset, spread evenly.
        found: Gets the files, and what is wrong with each, of datasets whose ``bad_samples`` policy is to skip them.

    Returns:
        A line such as '411 pairs checked in 0.1 s, 21 classes'; where files are to be skipped, also how many and the
        first ones.

    Raises:
        DataError: It describes the first finding and counts the others. Where bad samples are skipped, only if there
            are more of them than a limit allows, or no others.
    """
    start, count, usable, labelled, classes = time.time(), 0, 0, False, 0
    found = {} if found is None else found
    for leaf in leaves(dataset):
        leaf.full_init()
        chosen = range(len(leaf))
        if max_pairs is not None and len(leaf) > max_pairs:
            chosen = np.linspace(0, len(leaf) - 1, max_pairs).astype(int).tolist()
        pairs = [leaf.get_data_info(i) for i in chosen]
        pairs = [pair for pair in pairs if is_packed(pair['img_path'])
                 or is_local(pair['img_path'], leaf.backend_args)]
        usable += len(leaf) - len(pairs)  # those that are not looked at
        bad = _check_headers(leaf, pairs)
        if leaf.wants_labels and pairs:
            bad += _check_labels(leaf, [pair for pair in pairs if not {pair['img_path'], pair['seg_map_path']}
                                        & {finding.file for finding in bad}])
        found.update({finding.file: ' '.join(finding.text.split()) for finding in bad})
        faulty = {finding.file for finding in bad}
        usable += sum(faulty.isdisjoint((pair['img_path'], pair.get('seg_map_path'))) for pair in pairs)
        count += len(pairs)
        labelled, classes = labelled or leaf.wants_labels, leaf.num_classes
    what = ('pair' if labelled else 'image') + ('' if count == 1 else 's')
    line = f'{count} {what} checked in {time.time() - start:.1f} s, {classes} classes'
    if not found:
        return line
    own, limit = beyond_own_limit(dataset, found) or (found, bad_sample_limit(dataset))
    skipped = _to_be_skipped({file: found[file] for file in own}, count, limit)
    if not usable:
        raise DataError(f'None of the {count} samples can be used, so bad_samples leaves nothing.\n'
                        f'First: {next(iter(found.values()))}\nMend them, or correct the paths of the dataset.')
    return line + skipped


def _to_be_skipped(found: dict[str, str], count: int, limit: int) -> str:
    """What to add about files that will be skipped; refuses more than ``limit`` of them."""
    texts = list(found.values())
    if len(found) > limit:
        raise DataError(f'{len(found)} files of {count} samples cannot be used, more than the {limit} that '
                        f'bad_samples.limit allows.\nFirst: {texts[0]}\nNext: {texts[1]}\n'
                        'Mend them, take them out of the split list, or raise the limit.')
    files = 'file is' if len(found) == 1 else 'files are'
    shown = ''.join(f'\n  {text}' for text in texts[:3]) + (f'\n  and {len(texts) - 3} more' if texts[3:] else '')
    return f'; {len(found)} {files} to be skipped (bad_samples; {limit} may be):{shown}'


def _check_headers(dataset: BaseSegDataset, pairs: list[dict]) -> list[Finding]:
    """The faults that headers show, where bad samples are skipped; else the first one is an error."""
    load_image, load_labels = (find_transform(dataset.pipeline, name)
                               for name in ('LoadImageFromFile', 'LoadAnnotations'))
    turned = getattr(load_image, 'color_type', 'color') == 'color'
    colors = bool(getattr(load_labels, 'color_map', None))
    with_labels = dataset.wants_labels

    def look(pair: dict) -> list[Finding]:
        return _check_pair(pair['img_path'], pair['seg_map_path'] if with_labels else None, turned, colors,
                           pair.get('size_hint', 'A mask must have the size of its image.'))

    with ThreadPoolExecutor(THREADS) as pool:
        findings = [finding for found in pool.map(look, pairs) for finding in found]
    if findings and not dataset.bad_samples.skips:
        first = findings[0]
        others = Counter(finding.kind for finding in findings[1:])
        more = ', '.join(f'{number} x {kind}' for kind, number in others.most_common())
        raise DataError(f'{first.text}\n{first.remedy}' + (
            f'\nFurther findings in {len(pairs)} samples: {more}; next: {findings[1].text}' if more else ''))
    return findings


def _check_pair(img_path: str, seg_path: Optional[str], turned: bool, colors: bool, size_hint: str) -> list[Finding]:
    """Compare the headers of an image and its mask.

    Args:
        img_path: The image.
        seg_path: The mask, if there is one.
        turned: Whether the image will be turned as its EXIF orientation says.
        colors: Whether RGB masks can be read.
        size_hint: What to do if they differ in size.
    """
    img, finding = _header(img_path, 'image')
    if finding or seg_path is None:
        return [finding] if finding else []
    mask, finding = _header(seg_path, 'mask')
    if finding:
        return [finding]
    findings = []
    if mask is not None and mask.format == 'JPEG':
        return [Finding('JPEG as mask', seg_path, f'{seg_path} is a JPEG photo where a mask was expected.',
                        'Correct data_prefix.seg_map_path or seg_map_suffix; masks are palette or grey PNG.')]
    if mask is not None and mask.color.startswith('RGB') and not colors:
        findings.append(Finding(
            'RGB mask', seg_path, f'{seg_path} is an {mask.color} image; expected one class index per pixel.',
            'Save masks as palette or grey PNG, or give LoadAnnotations color_map={(r, g, b): id, ...}.'))
    if img is not None and mask is not None:
        size = img.turned_size if turned else img[1:3]
        if size != mask[1:3]:
            text = f'{seg_path} has {mask.width}x{mask.height} pixels, its image {img_path} {size[0]}x{size[1]}.'
            remedy = size_hint
            if turned and img[1:3] == mask[1:3]:
                remedy = ("The image has an EXIF orientation that its mask ignores:\n"
                          "give LoadImageFromFile color_type='color_ignore_orientation'.")
            findings.append(Finding('size', seg_path, text, remedy))
    return findings


def _header(path: str, kind: str) -> tuple[Optional[ImageHeader], Optional[Finding]]:
    """The header, or what is wrong with the file; neither for whole formats other than JPEG and PNG."""
    remedy = 'Copy it again, or take it out of the split list.'
    try:
        if is_packed(path):  # it was whole when it was packed, and its checksum tells whether it still is
            return stored_header(path), None
        header = content_header(read_bytes(path)) if '://' in path else read_header(path)
    except DataError as error:
        return None, Finding('unreadable', path, str(error), '')
    except IsADirectoryError:
        return None, Finding('unreadable', path, f'The {kind} {path} is a folder.',
                             'Move it away, or correct the suffix or prefix of the dataset; or take it out of the '
                             'split list.')
    except OSError as error:
        if isinstance(error, PermissionError):
            remedy = 'Let your user read it (chmod u+r FILE, if it is yours), or take it out of the split list.'
        return None, Finding('unreadable', path, f'The {kind} {path} cannot be read: {error.strerror}.', remedy)
    except IndexError:
        return None, Finding('damaged', path, f'The {kind} {path} has a damaged header.', remedy)
    if header is None and os.path.getsize(path) == 0:
        return None, Finding('empty', path, f'The {kind} {path} is empty (0 bytes).', remedy)
    if header is None:
        return None, None if _is_other_image(path) else Finding(
            'no image', path, f'The {kind} {path} is not an image (or its header is damaged).', remedy)
    if header.size_fault:
        return None, Finding('damaged', path, f'The {kind} {path} {header.size_fault}.', remedy)
    if not header.whole:
        text = f'The {kind} {path} is cut short: the end of the {header.format} is missing.'
        return None, Finding('cut short', path, text, remedy)
    return header, None


def _is_other_image(path: str) -> bool:
    """Whether the file starts as BMP, TIFF or WebP does."""
    with open(path, 'rb') as file:
        start = file.read(12)
    return start[:2] == b'BM' or start[:4] in (b'II*\0', b'MM\0*') or (start[:4] == b'RIFF' and start[8:] == b'WEBP')


def _check_labels(dataset: BaseSegDataset, pairs: list[dict]) -> list[Finding]:
    """Read some masks as the pipeline does, which refuses labels out of range, and look for {0, 255} masks."""
    load = find_transform(dataset.pipeline, 'LoadAnnotations') or TRANSFORMS.build(dict(type='LoadAnnotations'))
    chosen = [pairs[i] for i in np.unique(np.linspace(0, len(pairs) - 1, DECODED).astype(int))] if pairs else []
    findings, values, count = [], set(), 0
    for pair in chosen:
        try:
            mask = load(dict(pair))['gt_seg_map']
        except DataError as error:
            if not dataset.bad_samples.skips:
                raise
            findings.append(Finding('labels', faulty_file(error, pair), str(error), ''))
            continue
        values.update(np.unique(mask).tolist())
        count += 1
    if values == {dataset.ignore_index}:
        raise DataError(f"{count} masks, such as {chosen[0]['seg_map_path']},\n"
                        f'hold no labelled pixel: each one is {dataset.ignore_index}, which means "ignore".\n'
                        'Correct data_prefix.seg_map_path, label_map or reduce_zero_label of the dataset.')
    if values == {0, 255} and dataset.num_classes > 1 and 255 not in (dataset.label_map or {}):
        raise DataError(f"{count} masks, such as {chosen[0]['seg_map_path']},\n"
                        'hold no label but 0 and 255, and 255 means "ignore".\n'
                        'If 255 is a class, give the dataset label_map={255: 1}; if not, label_map={255: 255}.')
    return findings


def find_transform(transform: Any, name: str) -> Any:
    """The first transform of that class in a pipeline, also inside other transforms."""
    if name in type(transform).__name__:
        return transform
    if isinstance(transform, (list, tuple)):
        inside = transform
    else:
        inside = [getattr(transform, key, None) for key in ('transforms', 'versions')]
    parts = (find_transform(one, name) for one in inside if one is not None)
    return next((part for part in parts if part is not None), None)
