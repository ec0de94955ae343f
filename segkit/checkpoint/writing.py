"""Writing a file whole or not at all."""
import os
from pathlib import Path
from typing import Any, Union

import torch

from segkit.errors import CheckpointError


def write_atomic(obj: Any, path: Union[str, Path]) -> None:
    """Save ``obj`` so that ``path`` holds the whole of it, or what it held before.

    Raises:
        CheckpointError: If it cannot be written (no space, no permission).
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, 'wb') as file:
            torch.save(obj, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f'{path} could not be written: {error}\n'
                              'What was there before is unchanged. Check the space and the rights of the folder.'
                              ) from error
    finally:
        temporary.unlink(missing_ok=True)
