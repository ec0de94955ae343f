"""What a dataset does with a sample that cannot be read."""
import math
from typing import Any, NamedTuple, Union

from segkit.errors import ConfigError

DEFAULT_LIMIT = 10


class BadSamples(NamedTuple):
    """The policy of a dataset for samples that cannot be used.

    Attributes:
        policy: 'error' ends the run at the first one, 'skip' leaves it out.
        limit: How many files may be skipped in a run before it ends, at least 1; below 1 a share of the samples.
    """

    policy: str = 'error'
    limit: float = DEFAULT_LIMIT

    @property
    def skips(self) -> bool:
        """Whether a sample that cannot be used is left out."""
        return self.policy == 'skip'

    def most(self, size: int) -> int:
        """How many files of a dataset of ``size`` samples may be skipped; of a share, at least one."""
        return int(self.limit) if self.limit >= 1 else math.ceil(self.limit * size)


def policy_of(value: Union[str, dict]) -> BadSamples:
    """Read the argument ``bad_samples`` of a dataset: 'error', 'skip', or dict(policy='skip', limit=10).

    Raises:
        ConfigError: If it is something else.
    """
    given = dict(value) if isinstance(value, dict) else dict(policy=value)
    policy, limit = given.pop('policy', 'skip'), given.pop('limit', DEFAULT_LIMIT)
    number = isinstance(limit, (int, float)) and not isinstance(limit, bool)
    if given or policy not in ('error', 'skip') or not number or not (0 < limit < 1 or limit >= 1 and limit % 1 == 0):
        raise ConfigError("dataset.bad_samples: expected 'error', 'skip' or dict(policy='skip', limit=10), where limit "
                          f'is a\nnumber of files or, below 1, a share of the samples; got {value!r}.')
    return BadSamples(policy, limit)


def faulty_file(error: Exception, info: dict[str, Any]) -> str:
    """The file of a sample that an error is about: of image and mask the one it names first, else the image.

    Args:
        error: What was raised when the sample was read.
        info: ``img_path`` and, where there are labels, ``seg_map_path``.
    """
    text = str(error)
    paths = [path for path in (info.get('img_path'), info.get('seg_map_path')) if path]
    named = [path for path in paths if path in text]
    return min(named, key=text.index) if named else paths[0] if paths else 'a sample without a path'
