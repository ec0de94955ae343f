"""Which sources take a file, named where another one was typed; and what is one of ours already."""
import pytest
import torch

from segkit.apis import import_weights
from segkit.errors import CheckpointError

ONE = torch.ones(1)
POOL = ('backbone.features.0.0.weight', 'backbone.features.1.conv.0.0.weight', 'head.image_pooling.0.weight',
        'head.aspp0.0.weight', 'head.concat_projection.1.weight', 'head.logits.weight')


def resnet18():
    """torchvision's keys and shapes, of one number's memory each."""
    models = pytest.importorskip('torchvision.models')
    with torch.device('meta'):
        weights = models.resnet18().state_dict()
    return {key: torch.zeros(()).expand(value.shape) for key, value in weights.items()}


@pytest.mark.parametrize('given, keys, takes', [
    ('torchvision', POOL, 'mobilenet-v2-pool'),
    ('smp', ('classifier.0.convs.0.0.weight', 'backbone.layer1.0.conv1.weight'), None),  # of no depth
    ('smp', ('backbone.conv1.weight', 'decode_head.conv_seg.weight'), 'mmsegmentation'),
    ('gluoncv', None, 'torchvision'),
    ('mobilenet-v2-pool', None, 'torchvision'),
    ('mobilenet-v2-pool', ('module.net.0.weight',), None),
])
def test_the_source_that_takes_a_file_is_named(tmp_path, given, keys, takes):
    torch.save(dict.fromkeys(keys, ONE) if keys else resnet18(), tmp_path / 'x.pth')
    with pytest.raises(CheckpointError) as error:
        import_weights.main([given, str(tmp_path / 'x.pth'), str(tmp_path / 'o.pth')])
    assert str(error.value).endswith(f'Its keys are those of SOURCE {takes}: name that one.') == (takes is not None)
    assert takes is None or 'It is' not in str(error.value)


@pytest.mark.parametrize('meta, words', [
    (dict(segkit_version='0.1.0', imported_from='smp', config_json='{}'), r"already \(imported from smp\)\.\nUse it"),
    (dict(segkit_version='0.1.0', config_json='{}'), r"segkit's already\.\nUse it as it is: .*predict.py photo.jpg"),
    (dict(segkit_version='0.1.0', imported_from='torchvision', backbone='{}'), r"(?s)torchvision.*init_cfg=dict"),
])
def test_a_checkpoint_of_ours_is_not_imported_again(tmp_path, meta, words):
    torch.save(dict(meta=meta, state_dict=dict.fromkeys(POOL, ONE)), tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=words):
        import_weights.main(['mobilenet-v2-pool', str(tmp_path / 'x.pth'), str(tmp_path / 'o.pth')])
    assert not (tmp_path / 'o.pth').exists()
