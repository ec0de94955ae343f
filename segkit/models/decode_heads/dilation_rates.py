"""The rates of a head's parallel convolutions, checked."""
from collections.abc import Sequence
from numbers import Integral

from segkit.errors import ConfigError


def checked_rates(head: object, dilations: Sequence[int]) -> tuple[int, ...]:
    """The rates, which are whole numbers of pixels.

    Args:
        head: Whose rates they are; the message names its class.
        dilations: The rate of each branch, in pixels of the feature map.

    Raises:
        ConfigError: If there is none, or one is no whole number or below 1.
    """
    rates = tuple(dilations)
    if not rates or not all(isinstance(rate, Integral) and rate >= 1 for rate in rates):
        raise ConfigError(f'{type(head).__name__}.dilations: expected at least one rate, each a whole number, 1 or '
                          f'more; got {rates}.')
    return rates
