"""init_cfg type 'Pretrained': all of a backbone's weights, or an error that lists the difference."""
import json
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from torch import nn

from segkit.errors import CheckpointError
from segkit.models.backbones.resnet import ResNet, ResNetV1c, ResNetV1s
from segkit.registry import BACKBONES


def small(cls=ResNet, **kwargs) -> ResNet:
    torch.manual_seed(kwargs.pop('seed', 0))
    return cls(depth=kwargs.pop('depth', 18), base_channels=4, stem_channels=8, **kwargs)


def imagenet(model: nn.Module, path: Path, **extra) -> str:
    """Save a backbone as ImageNet files are: with a classifier."""
    weights = dict(model.state_dict(), **{'fc.weight': torch.zeros(10, 32), 'fc.bias': torch.zeros(10)}, **extra)
    torch.save(weights, path)
    return str(path)


def assert_equal(a: nn.Module, b: nn.Module) -> None:
    for (key, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), key


@pytest.fixture
def file(tmp_path) -> str:
    return imagenet(small(), tmp_path / 'r18.pth')


@pytest.mark.parametrize('scope', ['segkit', None])
def test_the_backbone_is_the_files(file, scope, monkeypatch):
    if scope is None:
        monkeypatch.setattr(DefaultScope, 'get_current_instance', classmethod(lambda cls: None))
    model = small(seed=1, init_cfg=dict(type='Pretrained', checkpoint=file))
    model.init_weights()
    assert_equal(model, small())


def test_pretrained_is_the_old_name(file):
    model = small(seed=1, pretrained=file)
    model.init_weights()
    assert_equal(model, small())


def test_a_registered_backbone_takes_it(file):
    model = BACKBONES.build(dict(type='ResNet', depth=18, base_channels=4, stem_channels=8, output_stride=8,
                                 init_cfg=dict(type='Pretrained', checkpoint=file)))
    model.init_weights()
    assert_equal(model, small())


@pytest.mark.parametrize('prefix', ['backbone', 'backbone.'])
def test_a_part_of_a_whole_model(tmp_path, prefix):
    weights = {f'backbone.{k}': v for k, v in small().state_dict().items()}
    torch.save(dict(state_dict=dict(weights, **{'decode_head.x': torch.zeros(1)}), meta={}), tmp_path / 'seg.pth')
    model = small(seed=1, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'seg.pth'), prefix=prefix))
    model.init_weights()
    assert_equal(model, small())


def test_a_wrong_prefix_names_what_there_is(file):
    model = small(init_cfg=dict(type='Pretrained', checkpoint=file, prefix='backbone'))
    with pytest.raises(CheckpointError, match="'backbone.'.*conv1., fc., layer1."):
        model.init_weights()


def test_fewer_stages_than_the_file(file):
    model = small(seed=1, num_stages=3, out_indices=(2,), init_cfg=dict(type='Pretrained', checkpoint=file))
    model.init_weights()
    assert torch.equal(model.layer3[1].conv2.weight, small().layer3[1].conv2.weight)


MIT_STEM = {'stem.0': 'conv1', 'stem.1': 'bn1', 'stem.3': 'conv2', 'stem.4': 'bn2', 'stem.6': 'conv3', 'stem.7': 'bn3'}
GLUONCV_STEM = {**{f'stem.{i}': f'conv1.{i}' for i in (0, 1, 3, 4, 6)}, 'stem.7': 'bn1'}


def with_stem(model: nn.Module, names: dict[str, str], path: Path) -> str:
    """Save a backbone as an ImageNet file whose stem has other names."""
    weights = {}
    for key, value in model.state_dict().items():
        stem = next((ours for ours in names if key.startswith(ours + '.')), '')
        weights[names.get(stem, '') + key[len(stem):]] = value
    assert len(weights) == len(model.state_dict()) and not any(key.startswith('stem') for key in weights)
    torch.save(dict(weights, **{'fc.weight': torch.zeros(10, 32), 'fc.bias': torch.zeros(10)}), path)
    return str(path)


@pytest.mark.parametrize('names', [MIT_STEM, GLUONCV_STEM], ids=['MIT', 'GluonCV'])
@pytest.mark.parametrize('cls', [ResNetV1s, ResNetV1c])
def test_other_names_of_a_deep_stem(tmp_path, cls, names):
    path = with_stem(small(cls), names, tmp_path / 'x.pth')
    model = small(cls, seed=1, init_cfg=dict(type='Pretrained', checkpoint=path))
    model.init_weights()
    assert_equal(model, small(cls))


def test_the_bias_of_caffes_first_convolution_moves_the_mean(tmp_path):
    model, bias = small().double().eval(), torch.linspace(-1, 1, 8, dtype=torch.float64)
    path = imagenet(model, tmp_path / 'x.pth', **{'conv1.bias': bias})
    start = small(seed=1, style='caffe', init_cfg=dict(type='Pretrained', checkpoint=path)).double().eval()
    start.init_weights()
    model.conv1.bias = nn.Parameter(bias)
    img = torch.randn(1, 3, 33, 33, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(start(img)[-1], model(img)[-1])
    assert torch.equal(start.bn1.running_mean, -bias) and start.conv1.bias is None


def deeplab_v2(model: nn.Module, path: Path, prefix: str) -> str:
    """Save a backbone as DeepLabV2's PyTorch ports do: four convolutions as layer5, batches not counted."""
    weights = {key: value for key, value in model.state_dict().items() if not key.endswith('num_batches_tracked')}
    for i in range(4):
        weights |= {f'layer5.conv2d_list.{i}.weight': torch.zeros(21, 32, 3, 3),
                    f'layer5.conv2d_list.{i}.bias': torch.zeros(21)}
    torch.save({prefix + key: value for key, value in weights.items()}, path)
    return str(path)


@pytest.mark.parametrize('written, asked', [('', None), ('Scale.', 'Scale'), ('Scale.', 'Scale.')])
def test_the_start_file_of_deeplab_v2_without_its_classifiers(tmp_path, written, asked):
    start = dict(type='Pretrained', checkpoint=deeplab_v2(small(), tmp_path / 'coco_init.pth', written), prefix=asked)
    model = small(seed=1, init_cfg=start)
    model.init_weights()
    assert_equal(model, small())


class TestAWrongFile:

    def fails(self, model: nn.Module, match: str) -> None:
        before = {k: v.clone() for k, v in model.state_dict().items()}
        with pytest.raises(CheckpointError, match=match) as error:
            model.init_weights()
        assert str(error.value).count('\n') < 4
        for key, value in model.state_dict().items():
            assert torch.equal(value, before[key]), f'{key} was loaded from a file that does not fit'

    def test_another_stem(self, file):
        self.fails(small(ResNetV1c, init_cfg=dict(type='Pretrained', checkpoint=file)),
                   r'(?s)missing: stem.0.weight.*unexpected: conv1.weight.*deep stem')

    @pytest.mark.parametrize('names,words', [(MIT_STEM, "deep stem under MIT's names"),
                                             (GLUONCV_STEM, "deep stem under GluonCV's names")])
    def test_a_deep_stem_of_other_names_for_a_model_without_one(self, tmp_path, names, words):
        path = with_stem(small(ResNetV1s), names, tmp_path / 'x.pth')
        self.fails(small(init_cfg=dict(type='Pretrained', checkpoint=path)), f'{words}.*ResNetV1s')

    def test_a_plain_stem_for_v1s(self, file):
        self.fails(small(ResNetV1s, init_cfg=dict(type='Pretrained', checkpoint=file)),
                   r'(?s)missing: stem.0.weight.*deep stem \(ResNetV1c, ResNetV1d, ResNetV1s\)')

    def test_a_stem_of_other_widths(self, tmp_path):
        path = with_stem(ResNetV1s(18, base_channels=4), MIT_STEM, tmp_path / 'x.pth')
        self.fails(ResNetV1c(18, base_channels=4, init_cfg=dict(type='Pretrained', checkpoint=path)),
                   "file's deep stem has 64 channels, the model's 32")

    def test_another_depth(self, file):
        self.fails(small(depth=34, init_cfg=dict(type='Pretrained', checkpoint=file)), '(?s)missing: layer1.2.*depth')

    def test_a_deeplab_v2_whose_prefix_is_not_given(self, tmp_path):
        path = deeplab_v2(small(), tmp_path / 'x.pth', 'Scale.')
        self.fails(small(init_cfg=dict(type='Pretrained', checkpoint=path)), "init_cfg.prefix='Scale.' takes that part")

    def test_other_shapes(self, file):
        model = ResNet(18, base_channels=8, stem_channels=8, init_cfg=dict(type='Pretrained', checkpoint=file))
        self.fails(model, r'of another shape: .*file 4x8x3x3, model 8x8x3x3')

    def test_one_key_too_many(self, tmp_path):
        path = imagenet(small(), tmp_path / 'x.pth', gamma=torch.zeros(1))
        self.fails(small(init_cfg=dict(type='Pretrained', checkpoint=path)), '1 unexpected: gamma')

    @pytest.mark.parametrize('style, words', [
        ('pytorch', ('on the first 1x1 convolution', "set model.backbone.style='caffe'")),
        ('caffe', ('on the 3x3 convolution', "set model.backbone.style='pytorch'"))])
    @pytest.mark.parametrize('written', ['its config', 'keys or address'])
    def test_strides_in_another_place(self, tmp_path, monkeypatch, style, words, written):
        """Every key and shape fits; what tells of the place is the file's config, DeepLabV2's layer5, an address."""
        theirs, prefix = small(depth=50, style='caffe' if style == 'pytorch' else 'pytorch'), None
        path = str(tmp_path / 'x.pth')
        if written == 'its config':
            backbone = dict(type='segkit.ResNetV1c', style='slim') if style == 'pytorch' else dict(type='ResNet')
            torch.save(dict(meta=dict(config_json=json.dumps(dict(model=dict(backbone=backbone)))), state_dict={
                f'backbone.{key}': value for key, value in theirs.state_dict().items()}), path)
            prefix = 'backbone.'
        elif style == 'pytorch':
            deeplab_v2(theirs, Path(path), '')
        else:
            file = imagenet(theirs, tmp_path / 'x.pth')
            path = 'torchvision://resnet50'
            monkeypatch.setattr('segkit.models.pretrained_init.load_file', lambda *args: torch.load(file))
        self.fails(small(depth=50, style=style, init_cfg=dict(type='Pretrained', checkpoint=path, prefix=prefix)),
                   '(?s)' + '.*'.join(('init_cfg of ResNet', words[0], 'compute something else', words[1])))

    def test_no_file(self, tmp_path):
        self.fails(small(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'no.pth'))), 'no.pth')


def test_inside_a_larger_model(file):

    class Model(BaseModule):

        def __init__(self):
            super().__init__()
            self.backbone = small(seed=1, init_cfg=dict(type='Pretrained', checkpoint=file))
            self.head = nn.Conv2d(32, 2, 1)

    model = Model()
    model.init_weights()
    assert_equal(model.backbone, small())


def test_the_real_layout_of_torchvision(tmp_path):
    models = pytest.importorskip('torchvision.models', exc_type=Exception)
    torch.save(models.resnet18().state_dict(), tmp_path / 'resnet18.pth')
    model = ResNet(18, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'resnet18.pth')))
    model.init_weights()
    assert torch.equal(model.conv1.weight, torch.load(tmp_path / 'resnet18.pth')['conv1.weight'])


def test_a_classifier_of_mmcls_gives_its_backbone(tmp_path, monkeypatch):
    from segkit.models.backbones.mobilenet_v2 import MobileNetV2
    theirs = MobileNetV2(widen_factor=0.25)
    weights = {f'backbone.{key}': value for key, value in theirs.state_dict().items()}
    weights |= {'backbone.conv2.conv.weight': torch.zeros(1280, 80, 1, 1), 'head.fc.weight': torch.zeros(10, 1280)}
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    name = 'mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth'
    torch.save(dict(state_dict=weights), tmp_path / 'checkpoints' / name)
    ours = MobileNetV2(widen_factor=0.25, pretrained='mmcls://mobilenet_v2')
    ours.init_weights()
    assert_equal(ours, theirs)
