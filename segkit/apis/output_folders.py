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
