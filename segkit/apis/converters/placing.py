"""Files are put into place whole, and what was there with other content is kept beside them."""
import os
import os.path as osp
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

KEPT = '.before'
UNFINISHED = '.part'
CHUNK = 1 << 20


@contextmanager
def telling(what: str) -> Iterator[list[str]]:
    """A list for the names that files of other content were kept under; the first two are told of, after errors too.

    Args:
        what: What is written, for the line.
    """
    kept: list[str] = []
    try:
        yield kept
    finally:
        if len(kept) == 1:
            print(f'{what}: a file of other content was there; it is kept as {kept[0]}', flush=True)
        elif kept:
            print(f'{what}: {len(kept):,} files of other content were there; they are kept as {kept[0]}, {kept[1]}'
                  + (', ...' if len(kept) > 2 else ''), flush=True)


def write_bytes(path: str, content: bytes, kept: list[str]) -> bool:
    """Write a file at once; one that holds just this already stays.

    Args:
        path: The file.
        content: What it is to hold.
        kept: Gets the name that a file of other content is kept under.

    Returns:
        Whether it was written.
    """
    if osp.isfile(path) and osp.getsize(path) == len(content):
        with open(path, 'rb') as file:
            if file.read() == content:
                return False
    with replacing(path, kept) as unfinished, open(unfinished, 'wb') as file:
        file.write(content)
    return True


@contextmanager
def replacing(path: str, kept: list[str]) -> Iterator[str]:
    """The name of a file that does not exist, to be made; behind the block it takes the place of ``path``.

    It is a name of this process, so two runs at once do not write into one file. It is removed if the block fails; what
    a killed run leaves is taken for no photo, mask or list.

    Args:
        path: The file.
        kept: Gets the name that a file of other content is kept under.
    """
    unfinished = f'{path}.{os.getpid()}{UNFINISHED}'
    if osp.lexists(unfinished):  # it may be a hard link to a photo, and writing into it would change that
        os.remove(unfinished)
    try:
        yield unfinished
        keep(path, kept)
        os.replace(unfinished, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.remove(unfinished)
        raise


def put_file(source: str, target: str, kept: list[str]) -> None:
    """Put a file at a second place: as a hard link, which takes no room; copied where the file system has none.

    Args:
        source: The file.
        target: Where it is wanted too. Its folder is made.
        kept: Gets the name that a file of other content is kept under.
    """
    if same_content(source, target):
        return
    os.makedirs(osp.dirname(target) or '.', exist_ok=True)
    with replacing(target, kept) as unfinished:
        try:
            os.link(source, unfinished)
        except OSError:
            shutil.copyfile(source, unfinished)


def keep(path: str, kept: list[str]) -> None:
    """Give a file that is about to be replaced a second name, ``path``.before, or ``path``.2.before and so on.

    Where one of those holds the same already, no other is made. An empty file is not kept.

    Args:
        path: The file; nothing is done if there is none.
        kept: Gets the second name.
    """
    if not osp.isfile(path) or osp.getsize(path) == 0:
        return
    for number in count(1):
        name = path + (KEPT if number == 1 else f'.{number}{KEPT}')
        if osp.lexists(name):
            if not same_content(path, name):
                continue
        else:
            try:
                os.link(path, name)  # unlike renaming, it replaces no file, and ``path`` stays until then
            except FileExistsError:
                continue
            except OSError:  # the file system has no hard links
                os.rename(path, name)
        kept.append(name)
        return


def same_content(a: str, b: str) -> bool:
    """Whether two paths are files of the same bytes."""
    if not osp.isfile(a) or not osp.isfile(b):
        return False
    if osp.samefile(a, b):
        return True
    if osp.getsize(a) != osp.getsize(b):
        return False
    with open(a, 'rb') as one, open(b, 'rb') as other:
        while (chunk := one.read(CHUNK)) == other.read(CHUNK):
            if not chunk:
                return True
    return False
