"""Rates of parallel convolutions."""
import numpy as np
import pytest
from torch import nn

from segkit.errors import ConfigError
from segkit.models.decode_heads.dilation_rates import checked_rates


@pytest.mark.parametrize('given', [[6, 12], (6, 12), np.array([6, 12])])
def test_whole_numbers_become_a_tuple(given):
    rates = checked_rates(nn.Identity(), given)
    assert isinstance(rates, tuple) and rates == (6, 12)


@pytest.mark.parametrize('given', [(), (6, 0), (-6, ), (6.5, ), (6.0, ), ('6', )])
def test_what_is_no_rate_is_refused_by_the_head_s_name(given):
    with pytest.raises(ConfigError, match=r'^Identity.dilations: expected at least one rate'):
        checked_rates(nn.Identity(), given)
