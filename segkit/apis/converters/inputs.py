"""What is asked of a data set's folders and lists before any file is opened."""
import os
import os.path as osp
from collections import Counter
from collections.abc import Sequence

from segkit.datasets.listing import missing_files, read_split, shorten
from segkit.errors import ConfigError, DataError


def refuse_inside(in_dir: str, out_dir: str) -> None:
    """Raise a ConfigError if ``out_dir`` is ``in_dir`` or lies in it."""
    source, target = osp.realpath(in_dir), osp.realpath(out_dir)
    if osp.commonpath([source, target]) == source:
        where = 'is the folder that is read from' if source == target else f'lies in {in_dir}, which is read from'
        raise ConfigError(f'OUT {out_dir} {where}: nothing is written among data.\nName a folder outside of it as OUT; '
                          'the photos are put there too.')


def voc_folder(devkit_path: str, name: str) -> str:
    """The folder of one year of VOC: the one in a devkit, or ``devkit_path`` where that is the folder itself.

    Args:
        devkit_path: VOCdevkit, or the folder of the year. It need not be there yet.
        name: 'VOC2012', say.
    """
    inside = osp.join(devkit_path, name)
    itself = osp.basename(osp.normpath(devkit_path)) == name or osp.isdir(osp.join(devkit_path, 'JPEGImages'))
    return devkit_path if itself and not osp.isdir(inside) else inside


def require_counts(counts: dict[str, int], official: dict[str, int], accept: bool, where: str) -> None:
    """Compare the sizes of splits with the official ones.

    Args:
        counts: Split -> how many there are; a split that is not named has none.
        official: Split -> how many there should be; splits that are not named may have any number.
        accept: Whether other counts are taken, and told of.
        where: The folder, for the message.

    Raises:
        DataError: If they differ and are not accepted.
    """
    wrong = [f'{split} has {counts.get(split, 0):,} instead of {count:,}' for split, count in official.items()
             if counts.get(split, 0) != count]
    if wrong and not accept:
        raise DataError(f'{where}: {", ".join(wrong)}.\nComplete the data set, or take the part that is there with '
                        '--partial.')
    if wrong:
        print(f'{where}: {", ".join(wrong)}; taken as it is (--partial)', flush=True)


def require_folders(root: str, folders: Sequence[str], what: str) -> None:
    """Raise a DataError that says what is there instead, unless all ``folders`` are in ``root``.

    Args:
        root: The data's folder.
        folders: Relative to it.
        what: Where they are to be had.
    """
    lacking = [folder for folder in folders if not osp.isdir(osp.join(root, folder))]
    if lacking:
        holds = (f'{root} holds: {shorten(sorted(os.listdir(root))) or "nothing"}' if osp.isdir(root)
                 else f'{root} is no folder')
        raise DataError(f'There is no folder {osp.join(root, lacking[0])}.\n{holds}.\n{what}')


def require_files(folder: str, names: Sequence[str], suffix: str, what: str) -> None:
    """Raise a DataError with the first missing file and how many there are, unless all are there.

    Args:
        folder: Where they lie.
        names: What is listed, without suffix.
        suffix: Of the files.
        what: What they are, in the plural.
    """
    missing = missing_files(folder, names, suffix)
    if missing:
        raise DataError(f'{osp.join(folder, missing[0])}{suffix} is missing.\n{len(missing):,} of {len(names):,} '
                        f'{what} are missing; unpack the archive again, or copy them.')


def read_names(path: str, what: str) -> list[str]:
    """The names in a list, one a line.

    Args:
        path: The list.
        what: Where it is to be had.

    Raises:
        DataError: If it is not there, names nothing, or names one twice.
    """
    if not osp.isfile(path):
        raise DataError(f'The list {path} is missing.\n{what}')
    names = read_split(path)
    if len(set(names)) < len(names):
        raise DataError(f'{path} names {Counter(names).most_common(1)[0][0]} twice.\n{what}')
    return names
