"""The options that several tools have: --crf is refused where nothing would look at it."""
import pytest
from mmengine.config import Config
from torch import nn

from segkit.apis.arguments import use_crf
from segkit.errors import ConfigError
from segkit.models.segmentors import EncoderDecoder
from segkit.registry import MODELS

OTHER = dict(type='DenseCRF', iter_max=3)


@MODELS.register_module(force=True)
class NoEncoderDecoder(nn.Module):
    pass


@MODELS.register_module(force=True)
class OwnPredict(EncoderDecoder):
    def predict(self, inputs, data_samples=None):
        return super().predict(inputs, data_samples)


@pytest.mark.parametrize('kind', ['EncoderDecoder', 'MultiScaleEncoderDecoder'])
@pytest.mark.parametrize('given, wanted', [(None, dict(type='DenseCRF')), (OTHER, OTHER)])
def test_the_config_s_own_crf_stays(kind, given, wanted):
    cfg = Config(dict(model=dict(type=kind, test_cfg=dict(mode='whole', crf=given))))
    use_crf(cfg)
    assert cfg.model.test_cfg == dict(mode='whole', crf=wanted)


def test_a_model_that_would_not_look_at_it_is_refused():
    with pytest.raises(ConfigError, match='model.type=NoEncoderDecoder is no EncoderDecoder'):
        use_crf(Config(dict(model=dict(type='NoEncoderDecoder', test_cfg=dict(crf=OTHER)))))
    with pytest.raises(ConfigError, match=r'OwnPredict has a predict\(\) of its own'):
        use_crf(Config(dict(model=dict(type='OwnPredict'))))
    use_crf(Config(dict(model=dict(type='OwnPredict', test_cfg=dict(crf=OTHER)))))  # who wrote that knows
