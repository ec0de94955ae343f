"""What a file is that is no checkpoint, told from its first bytes, or by the name of an exported one."""
import zipfile
from pathlib import Path
from typing import Optional

STARTS = (
    (b'version https://git-lfs', 'a pointer of git-lfs, not the file itself.\nFetch the file with `git lfs pull`.'),
    (b'\x12\x01' + bytes(14), 'a file of MXNet (GluonCV?).\nMake a checkpoint of it: '
     'python tools/model_converters/import_weights.py gluoncv {path} OUT'),
    (b'\x89HDF', 'an HDF5 file (Keras?).\nA file written by torch.save was expected.'),
    (b'<!DOCTYPE', 'a web page.\nDownload the file itself.'),
    (b'<!doctype', 'a web page.\nDownload the file itself.'),
    (b'<html', 'a web page.\nDownload the file itself.'),
    (b'\x1f\x8b', 'compressed with gzip.\nUnpack it first.'),
    (b'7z\xbc\xaf', 'a 7z archive.\nUnpack it first.'),
    (b'\x80\x04\x95', 'a plain pickle (pickle.dump), which may run code.\nWrite the weights with torch.save instead.'),
    (b'\xff\xd8\xff', 'a JPEG image.\nA file written by torch.save was expected.'),
    (b'\x89PNG', 'a PNG image.\nA file written by torch.save was expected.'),
)
EXPORTED = ('an exported network (tools/export.py), not a checkpoint; predict.py and init_model run it.\n'
            'Give the checkpoint that it was made of.')
TORCHSCRIPT = ("a TorchScript archive: a program, not weights.\nWrite its weights: "
               "torch.save(torch.jit.load('{path}').state_dict(), 'weights.pth')\n"
               'torch.jit.load runs the program, so do this with files you trust only.')


def describe(path: Path) -> Optional[str]:
    """What ``path`` is and what to do with it; None where it may be a checkpoint.

    Args:
        path: A file that exists.
    """
    with open(path, 'rb') as file:
        start = file.read(64)
    if not start:
        return 'an empty file (0 bytes).\nCopy or download it again.'
    if path.suffix.lower() in ('.onnx', '.pt2'):
        return EXPORTED
    known = next((text for bytes_, text in STARTS if start.startswith(bytes_)), None)
    if path.suffix == '.safetensors' and start.startswith((b'PK', b'\x80\x02')):  # torch.load goes by the name too
        return f'a file of torch.save under the name of another format.\nRename it: {path.stem}.pth'
    if known is None and start.startswith(b'PK'):
        known = _archive(path)
    return known and known.replace('{path}', str(path))


def _archive(path: Path) -> Optional[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):  # cut short
        return None
    if any(name.endswith('/constants.pkl') for name in names):
        return TORCHSCRIPT
    if any(name.endswith('data.pkl') for name in names):
        return None
    return (f'a zip archive of {len(names)} files, {", ".join(names[:2])}, ..., not one that torch.save wrote.\n'
            'If it was packed for sending, unpack it first.')
