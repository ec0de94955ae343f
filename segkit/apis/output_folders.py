"""Folders that are written to must not be those that images or masks are read from."""
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Union

from segkit.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config


def refuse_inputs(option: str, folder: Union[str, Path], inputs: Iterable[Path]) -> None:
    """Refuse to write where is read from: what is written would be taken for images or replace masks.

    Args:
        option: The option that names the folder.
        folder: Where is written.
        inputs: The folders that are read from.

    Raises:
        ConfigError: If the folder is one of them.
    """
    for one in inputs:
        if Path(folder).expanduser().resolve() == Path(one).expanduser().resolve():
            raise ConfigError(f'{option} {folder} is a folder that is read from ({one}): later runs would take what '
                              'is written there for images or masks.\nGive another folder.')


def refuse_file(option: str, folder: Union[str, Path]) -> None:
    """Refuse a file where a folder is written to, before anything is built.

    Raises:
        ConfigError: Naming the option and the file.
    """
    path = Path(folder).expanduser()
    path = next(one for one in (path, *path.absolute().parents) if one.exists())
    if not path.is_dir():
        raise ConfigError(f'{option} {folder}: {path} is a file; a folder was expected there.\nGive another one.')


def refuse_other_content(option: str, folder: Union[str, Path]) -> None:
    """Refuse a folder for probabilities that holds something else, or probabilities already.

    Raises:
        ConfigError: Naming one of the files.
    """
    from segkit.engine.hooks.save_probabilities_hook import other_content
    refuse_file(option, folder)
    other = other_content(Path(folder).expanduser())
    if other is not None:
        raise ConfigError(f'{option} {other}')


def data_folders(cfg: 'Config', split: str) -> set[Path]:
    """The image and mask folders of 'train', 'val' or 'test', as far as the config says them."""
    from segkit.engine.checks.config_parts import datasets_of
    found = set()
    for dataset in datasets_of(cfg, split):
        prefix = dataset.get('data_prefix') or dict(img_path='images', seg_map_path='masks')
        for folders in prefix.values():
            for folder in folders if isinstance(folders, (list, tuple)) else [folders]:
                if isinstance(folder, str):
                    found.add(Path(dataset.get('data_root') or '', folder))
    return found
