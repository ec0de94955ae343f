"""The config that a checkpoint holds, so that test.py, predict.py and init_model need that one file."""
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from segkit.errors import CheckpointError

if TYPE_CHECKING:
    from segkit.config import StoredConfig

CONFIGS = ('.py', '.json', '.yaml', '.yml')
CHECKPOINTS = ('.pth', '.pt', '.ckpt', '.bin', '.safetensors')
WRITTEN = ('.pth', '.safetensors')  # those that are written here
EXPORTED = {'onnx': '.onnx', 'torch-export': '.pt2'}  # files of tools/export.py
POINTER = 'last_checkpoint'  # the file of a run folder that names the newest one
STARTS = (b'PK\x03\x04', b'\x80\x02')  # of the files that torch.save writes, in its two formats


def is_checkpoint(name: Any) -> bool:
    """Whether a word on the command line, or an argument in the place of a config, means a checkpoint."""
    if not isinstance(name, (str, Path)) or Path(name).suffix.lower() in CONFIGS:
        return False
    if Path(name).suffix.lower() in CHECKPOINTS or '://' in str(name):
        return True
    try:
        with open(Path(name).expanduser(), 'rb') as file:
            return file.read(4).startswith(STARTS)
    except OSError:
        return False


def is_exported(name: Any) -> bool:
    """Whether a word on the command line, or an argument in the place of a checkpoint, means a file of export.py."""
    return isinstance(name, (str, Path)) and Path(name).suffix.lower() in EXPORTED.values()


def refuse_no_file(checkpoint: str) -> None:
    """Refuse a run folder, or a file beside a checkpoint, in the place of a checkpoint.

    Raises:
        CheckpointError: Naming the checkpoints that are there.
    """
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        inside = [p.name for start in ('best_', 'iter_', 'epoch_') for p in sorted(path.glob(f'{start}*.pth'))][:6]
        raise CheckpointError(f'{checkpoint} is a folder; the file of a checkpoint was expected.\n'
                              + (f'In it: {", ".join(inside)}' if inside else 'It holds no best_*.pth or iter_*.pth.'))
    if path.name == POINTER and path.is_file():
        named = path.parent / Path(path.read_text(errors='replace').strip()).name
        there = f'\nThe checkpoint is {named}' if named.is_file() else ''
        raise CheckpointError(f'{checkpoint} names the newest checkpoint of its folder; it is none itself.{there}')
    if path.suffix == '.sha256':
        beside = path.with_suffix('')
        there = f'\nThe checkpoint is {Path(checkpoint).with_suffix("")}' if beside.is_file() else ''
        raise CheckpointError(f'{checkpoint} is the hash of a checkpoint, not the checkpoint.{there}')


def stored_config(checkpoint: Union[str, Path]) -> 'StoredConfig':
    """The config that a checkpoint of segkit's holds, as JSON; no code of it is run.

    Args:
        checkpoint: A file or URL.

    Raises:
        CheckpointError: If it holds none, or only Python text.
    """
    from segkit.checkpoint import load_file, trusts
    from segkit.config import StoredConfig

    content = load_file(checkpoint)
    meta = content.get('meta')
    meta = meta if isinstance(meta, dict) else {}
    text = meta.get('config_json')
    if text is None:
        if not meta.get('cfg'):
            _refuse_foreign(content, str(checkpoint))
        what = ('holds its config as Python text (meta.cfg), which would have to be run' if meta.get('cfg') else
                'holds no config')
        raise CheckpointError(f'{checkpoint} {what}; segkit reads configs of checkpoints from meta.config_json only.\n'
                              f'Give the config file before the checkpoint: CONFIG {checkpoint}')
    values = _values(text)
    if values is None:
        raise CheckpointError(f'{checkpoint}: meta.config_json is not the JSON text of a config.\n'
                              f'Give the config file before the checkpoint: CONFIG {checkpoint}')
    return StoredConfig(values, str(checkpoint), trusts())


def _refuse_foreign(content: Mapping, checkpoint: str) -> None:
    """Refuse another project's weights, which no config file would make fit, with the tool that reads them.

    Raises:
        CheckpointError: Naming their source.
    """
    from segkit.apis.importers import takers
    from segkit.checkpoint import state_dict_of
    try:
        sources = takers(state_dict_of(content, checkpoint))
    except (CheckpointError, AttributeError):  # no weights, or keys that are no text: what reads them says so
        return
    sources = [source for source in sources if source != 'mmsegmentation']  # whose files fit as they are
    if sources:
        name = Path(checkpoint).stem
        raise CheckpointError(f'{checkpoint} holds no config, and its keys are those of another project: '
                              f'{" or ".join(sources)}.\nMake a checkpoint of it: python '
                              f'tools/model_converters/import_weights.py {sources[0]} {checkpoint} {name}_segkit.pth')


def _values(text: Any) -> Optional[dict]:
    try:
        values = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def folder_of(checkpoint: str) -> str:
    """Where the results of a test go that was given a checkpoint alone."""
    path = Path(checkpoint).expanduser()
    return str(path.parent) if '://' not in checkpoint else str(Path('work_dirs', path.stem))
