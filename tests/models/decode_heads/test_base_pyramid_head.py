import pytest
import torch

from segkit.errors import ConfigError
from segkit.models.decode_heads.aspp_head import ASPPHead
from segkit.models.decode_heads.base_pyramid_head import BasePyramidHead


def test_rates_follow_the_output_stride():
    assert BasePyramidHead.dilations_at(16) == (1, 6, 12, 18)
    assert BasePyramidHead.dilations_at(8) == (1, 12, 24, 36)
    assert BasePyramidHead.dilations_at(32) == (1, 3, 6, 9)


def test_pyramid_order_and_the_pooled_mean():
    head = ASPPHead(2, 3, num_classes=4, dilations=(1, 2), act_cfg=None)
    x = torch.randn(2, 2, 5, 7)
    first, last = head.pyramid(x, pool_first=True), head.pyramid(x, pool_first=False)
    assert first.shape == (2, 9, 5, 7)
    assert torch.equal(first, torch.cat([last[:, 6:], last[:, :6]], dim=1))
    conv = head.image_pool[1].conv
    wanted = torch.einsum('oc,nc->no', conv.weight[:, :, 0, 0], x.mean((2, 3))) + conv.bias
    torch.testing.assert_close(first[:, :3], wanted[:, :, None, None].expand(-1, -1, 5, 7))


def test_set_dilations_keeps_weights_and_size():
    head = ASPPHead(2, 3, num_classes=4, dilations=(1, 2, 4)).eval()
    other = ASPPHead(2, 3, num_classes=4, dilations=(1, 3, 6)).eval()
    other.load_state_dict(head.state_dict())
    x = (torch.randn(1, 2, 11, 9),)
    before = head(x)
    head.set_dilations((1, 3, 6))
    assert head.dilations == (1, 3, 6)
    assert torch.equal(head(x), other(x)) and not torch.equal(head(x), before)
    head.set_dilations((1, 2, 4))
    assert torch.equal(head(x), before)


@pytest.mark.parametrize('dilations', [(1, 3), (1, 1, 6), (2, 3, 6)])
def test_rates_that_the_weights_cannot_take(dilations):
    with pytest.raises(ConfigError, match='places of rate 1'):
        ASPPHead(2, 3, num_classes=4, dilations=(1, 2, 4)).check_dilations(dilations)
