"""A bias in front of a normalisation, asked for."""
import warnings

import pytest
from mmcv.cnn import ConvModule

from segkit.models.layers.conv_bias import bias_asked_for


def build():
    return ConvModule(2, 3, 1, bias=True, norm_cfg=dict(type='BN'))


def test_mmcv_warns_without_it():
    with pytest.warns(UserWarning, match='Unnecessary conv bias'):
        build()


def test_it_silences_that_warning_alone():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with bias_asked_for():
            assert build().conv.bias is not None
            with pytest.raises(UserWarning, match='another'):
                warnings.warn('another', UserWarning, stacklevel=1)
        with pytest.raises(UserWarning, match='Unnecessary'):
            build()
