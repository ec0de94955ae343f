"""import_weights.py: the source's scores from the written checkpoint alone; what does not fit is refused by name."""
import json
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tools/benchmarks'))
from importer_cases import deeplab_v2, gluoncv_names, packages, toolbox  # noqa: E402
from importer_cases.case import Case  # noqa: E402
from importer_cases.measure import measure  # noqa: E402

from segkit.apis import import_weights, predict  # noqa: E402
from segkit.apis.cli import run  # noqa: E402
from segkit.apis.importers.proof import LARGEST  # noqa: E402
from segkit.apis.inference import inference_model, init_model  # noqa: E402
from segkit.checkpoint import load_file  # noqa: E402
from segkit.config import load_config  # noqa: E402
from segkit.errors import CheckpointError, ConfigError  # noqa: E402
from segkit.registry import BACKBONES  # noqa: E402

TORCHVISION = 'configs/deeplabv3_torchvision/deeplabv3-torchvision_r50-d8_4xb4-20k_voc12aug-512x512.py'
DEEPLAB_V2 = 'configs/deeplabv2/deeplabv2_r101-d8_1xb10-20k_voc12aug-321x321.py'
SMALL = dict(size=(65, 97))
ONE = torch.ones(1)
BIG = [
    Case('DeepLabV2', 'deeplab-resnet-pytorch', partial(deeplab_v2.write, depth=50, prefix='Scale.', counted=False), '',
         deeplab_v2.reference, **SMALL),
    Case('GluonCV', 'gluoncv', partial(gluoncv_names.write, depth=50), '', gluoncv_names.reference, **SMALL),
    Case('PSPNet', 'segmentation-toolbox', partial(toolbox.write, depth=50, pspnet=True), '', toolbox.reference,
         **SMALL),
    Case('DeepLabV3', 'segmentation-toolbox', partial(toolbox.write, depth=50, in_place=False), '', toolbox.reference,
         **SMALL),
    Case('torchvision', 'torchvision', partial(packages.torchvision_segmentation, 'deeplabv3_resnet50', classes=21), '',
         **SMALL),
]
QUICK = [
    Case('MobileNetV3', 'torchvision', partial(packages.torchvision_segmentation, 'deeplabv3_mobilenet_v3_large',
                                               aux=False), '', **SMALL),
    Case('resnet18', 'torchvision', partial(packages.torchvision_classifier, 'resnet18'), '', **SMALL),
    Case('mobilenet_v2', 'torchvision', partial(packages.torchvision_classifier, 'mobilenet_v2'), '', **SMALL),
    Case('mobilenet_v3_small', 'torchvision', partial(packages.torchvision_classifier, 'mobilenet_v3_small'), '',
         **SMALL),
]


def same(case, folder):
    found = measure(case, folder).found
    assert all(one.relative < LARGEST and one.agreement > 0.999 and one.range > 1e-3 for one in found), found
    return found


@pytest.mark.parametrize('case', QUICK, ids=lambda case: case.name)
def test_scores_are_the_source_s(case, tmp_path):
    pytest.importorskip('torchvision')
    same(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize('case', BIG, ids=lambda case: case.name)
def test_scores_are_the_source_s_in_large_networks(case, tmp_path):
    if case.source == 'torchvision':
        pytest.importorskip('torchvision')
    assert len(same(case, tmp_path)) == (1 if case.name == 'DeepLabV2' else 2)


@pytest.fixture(scope='module')
def one_score(tmp_path_factory):
    """A file of smp's network with ResNet-18 and a single score."""
    pytest.importorskip('segmentation_models_pytorch')
    path = tmp_path_factory.mktemp('smp') / 'smp.pth'
    packages.smp('resnet18', path, classes=1)
    return path


def test_the_written_file_predicts_alone(one_score, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import_weights.main(['smp', str(one_score), 'ours.pth', '--classes', 'ground', 'roof top'])
    said = capsys.readouterr().out
    assert 'DeepLabV3 with the encoder resnet18 of segmentation_models_pytorch, 164 tensors' in said
    assert 'the source on an image of 128x192, decode_head: largest difference of its scores ' in said
    assert f'ours.pth: 164 tensors, each key of {one_score} used once' in said
    photo = np.random.RandomState(0).randint(0, 256, (50, 70, 3), np.uint8)
    cv2.imwrite('photo.png', photo)
    predict.main(['photo.png', 'ours.pth'])
    shares = json.loads(Path('predictions/photo.json').read_text())['share']
    assert set(shares) <= {'ground', 'roof top'} and sum(shares.values()) == pytest.approx(1)
    model = init_model('ours.pth', device='cpu')
    assert model.dataset_meta['classes'] == ('ground', 'roof top') and len(model.dataset_meta['palette']) == 2
    meta = load_file('ours.pth')['meta']
    assert meta['imported_from'] == 'smp' and meta['preprocessing']['mean'] == [123.675, 116.28, 103.53]
    sample = inference_model(model, photo)  # a score above 0 is a probability above a half
    assert torch.equal(sample.pred_sem_seg.data.bool(), sample.seg_logits.data > 0)


def test_the_file_that_is_read_is_not_written(one_score):
    before = one_score.read_bytes()
    with pytest.raises(ConfigError, match='is the file that is read, which would be lost'):
        import_weights.main(['smp', str(one_score), str(one_score), '--classes', 'a', 'b', '--no-proof'])
    assert one_score.read_bytes() == before


def test_a_package_that_does_not_import_is_named(one_score, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'segmentation_models_pytorch', None)
    with pytest.raises(CheckpointError, match='pip install segmentation-models-pytorch, or --no-proof'):
        import_weights.main(['smp', str(one_score), str(tmp_path / 'o.pth'), '--classes', 'a', 'b'])
    assert not (tmp_path / 'o.pth').exists()


def test_safetensors_are_written_by_the_name(one_score, tmp_path):
    pytest.importorskip('safetensors')
    out = tmp_path / 'ours.safetensors'
    import_weights.main(['smp', str(one_score), str(out), '--classes', 'a', 'b', '--no-proof'])
    assert init_model(str(out), device='cpu').dataset_meta['classes'] == ('a', 'b')


def test_each_key_is_printed_where_asked_for(one_score, tmp_path, capsys):
    weights = load_file(one_score)
    words = ['smp', str(one_score), str(tmp_path / 'o.pth'), '--classes', 'a', 'b', '--no-proof']
    for flag in ([], ['--map']):
        import_weights.main([*words, *flag])
    short, long = capsys.readouterr().out.split(f'{one_score}: DeepLabV3')[1:]
    counts = [int(line.split(' tensor')[0].split()[-1]) for line in short.splitlines() if ' numbers' in line]
    assert sum(counts) == len(weights) and 'not compared with the source: --no-proof' in short
    lines = {line.split()[0]: line.split()[1:] for line in long.splitlines() if len(line.split()) == 3}
    assert set(lines) == set(weights)
    assert lines['decoder.conv.weight'] == ['decode_head.block.conv.weight', '256x256x3x3']
    assert lines['encoder.bn1.num_batches_tracked'] == ['backbone.bn1.num_batches_tracked', 'scalar']


def test_the_number_of_names_is_checked(one_score, tmp_path, capsys):
    for words in ([], ['--classes', 'a', 'b', 'c']):
        with pytest.raises(SystemExit) as left:
            run(import_weights.main, ['smp', str(one_score), str(tmp_path / 'o.pth'), *words])
        error = capsys.readouterr().err
        assert left.value.code == 2 and 'smp.pth has 2 classes' in error and '--classes NAME' in error
    assert 'names 3' in error and not (tmp_path / 'o.pth').exists()


def shapes(path, change=lambda weights: None):
    """A file with torchvision's resnet18 keys and shapes, all zeros of one number's memory, changed."""
    from torchvision.models import resnet18
    with torch.device('meta'):
        weights = {key: torch.zeros((), device='cpu').expand(value.shape) for key, value in
                   resnet18().state_dict().items()}
    change(weights)
    torch.save(weights, path)
    return str(path)


@pytest.mark.parametrize('change, words', [
    (lambda w: w.update({'layer3.1.se.weight': torch.zeros(1), 'extra.bias': torch.zeros(2)}),
     '2 of its 124 keys have no place: layer3.1.se.weight, extra.bias'),
    (lambda w: [w.pop(key) for key in ('bn1.bias', 'layer2.1.bn2.running_mean')],
     '2 of ours are not in it: bn1.bias, layer2.1.bn2.running_mean'),
    (lambda w: w.update({'layer1.0.conv2.weight': torch.zeros(64, 64, 1, 1)}),
     '1 of another shape: layer1.0.conv2.weight (file 64x64x1x1, layer1.0.conv2.weight 64x64x3x3)'),
    (lambda w: [w.pop(key) for key in list(w) if key.startswith('layer4.1.')],
     'no ResNet of depth 18, 34'),
    (lambda w: w.clear() or w.update({'module.net.0.weight': torch.zeros(1), 'b': torch.zeros(1)}),
     "The file has not the keys of torchvision's"),
    (lambda w: w.clear() or w.update({'encoder.conv1.weight': torch.zeros(1), 'segmentation_head.0.bias': ONE}),
     'It is segmentation_models_pytorch'),
])
def test_what_does_not_fit_is_named(tmp_path, change, words):
    pytest.importorskip('torchvision')
    with pytest.raises(CheckpointError) as error:
        import_weights.main(['torchvision', shapes(tmp_path / 'x.pth', change), str(tmp_path / 'o.pth')])
    text = str(error.value)
    assert words in text and 'x.pth' in text and len(text.splitlines()) <= 4
    assert not (tmp_path / 'o.pth').exists()


def bottlenecks(path, kind):
    """Keys and shapes of a ResNet-50 in the files of 'torchvision', 'deeplab-v2' and 'caffe'."""
    from torchvision.models.segmentation import deeplabv3_resnet50
    with torch.device('meta'):
        net = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=21, aux_loss=True)
    weights = {key: torch.zeros(()).expand(value.shape) for key, value in net.state_dict().items()}
    if kind != 'torchvision':
        weights = {key[len('backbone.'):]: value for key, value in weights.items() if key.startswith('backbone.')}
        weights |= {'conv1.bias': torch.zeros(64)} if kind == 'caffe' else {
            f'layer5.conv2d_list.{i}.{leaf}': torch.zeros(()).expand(shape) for i in range(4)
            for leaf, shape in (('weight', (21, 2048, 3, 3)), ('bias', (21,)))}
    torch.save(weights, path)
    return str(path)


@pytest.mark.parametrize('source, kind, config, words', [
    ('torchvision', 'torchvision', DEEPLAB_V2,
     ('a stage has its stride on the 3x3 convolution', 'on the first 1x1', "set model.backbone.style='pytorch'")),
    ('deeplab-resnet-pytorch', 'deeplab-v2', TORCHVISION,
     ('a stage has its stride on the first 1x1', 'on the 3x3 convolution', "set model.backbone.style='caffe'")),
    ('torchvision', 'deeplab-v2', None, ('on the first 1x1', 'name the source that it comes from')),
    ('torchvision', 'caffe', None, ('on the first 1x1', "style='caffe'")),
])
def test_strides_in_another_place_are_refused(tmp_path, source, kind, config, words):
    """Each of these files fits the other network key by key."""
    pytest.importorskip('torchvision')
    options = ['--config', str(ROOT / config)] if config else []
    with pytest.raises(CheckpointError) as error:
        import_weights.main([source, bottlenecks(tmp_path / 'x.pth', kind), str(tmp_path / 'o.pth'), *options])
    text = str(error.value)
    assert all(word in text for word in (*words, 'x.pth', 'compute something else')) and len(text.splitlines()) <= 4
    assert not (tmp_path / 'o.pth').exists()


def test_a_config_that_computes_something_else_is_refused(tmp_path):
    pytest.importorskip('torchvision')
    file = bottlenecks(tmp_path / 'x.pth', 'torchvision')
    (tmp_path / 'corners.py').write_text(f"_base_ = '{ROOT / TORCHVISION}'\nmodel = dict(align_corners=True)\n")
    with pytest.raises(CheckpointError, match=r'(?s)something else.*decode_head.align_corners False -> True'):
        import_weights.main(['torchvision', file, str(tmp_path / 'o.pth'), '--config', str(tmp_path / 'corners.py')])


def test_what_only_numbers_show_is_refused_too(one_score, tmp_path):
    """Rates are no part of what configs are compared by, since phases of one training change them."""
    own = tmp_path / 'own.pth'
    import_weights.main(['smp', str(one_score), str(own), '--classes', 'a', 'b', '--no-proof'])
    cfg = json.loads(load_file(own)['meta']['config_json'])
    for contract in (False, True):
        cfg['model']['backbone']['contract_dilation'] = contract
        path = tmp_path / f'{contract}.json'
        path.write_text(json.dumps(cfg))
        load_config(path, say=lambda line: None)
        words = ['smp', str(one_score), str(tmp_path / 'o.pth'), '--config', str(path), '--classes', 'a', 'b']
        if contract:
            with pytest.raises(CheckpointError, match='of their range.\nLeave --config out'):
                import_weights.main(words)
        else:
            import_weights.main(words)
            (tmp_path / 'o.pth').unlink()
    assert not (tmp_path / 'o.pth').exists()


@pytest.fixture(scope='module')
def own_config(one_score, tmp_path_factory):
    """The config of that network, as a dict."""
    out = tmp_path_factory.mktemp('own') / 'own.pth'
    import_weights.main(['smp', str(one_score), str(out), '--classes', 'a', 'b', '--no-proof'])
    return json.loads(load_file(out)['meta']['config_json'])


def config_file(path, cfg):
    path.write_text(json.dumps(cfg))
    return str(path)


@pytest.mark.parametrize('typed', [(), ('roof', 'road')])
def test_names_of_classes_need_no_dataset(one_score, own_config, tmp_path, monkeypatch, typed):
    """A config without data sets, and a file that names its classes itself."""
    monkeypatch.chdir(tmp_path)
    named = dict(classes=('sea', 'land'), palette=[[0, 0, 9], [9, 9, 0]])
    torch.save(dict(meta=dict(dataset_meta=named), state_dict=load_file(one_score)), 'named.pth')
    config = config_file(tmp_path / 'c.json', {
        **{key: value for key, value in own_config.items() if key.split('_')[0] not in ('train', 'val', 'test')},
        'test_pipeline': [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]})
    import_weights.main(['smp', 'named.pth', 'o.pth', '--config', config, '--no-proof',
                         *(['--classes', *typed] if typed else [])])
    meta = load_file('o.pth')['meta']['dataset_meta']
    assert tuple(meta['classes']) == (typed or named['classes'])
    assert typed or [list(colour) for colour in meta['palette']] == named['palette']
    cv2.imwrite('photo.png', np.random.RandomState(0).randint(0, 256, (50, 70, 3), np.uint8))
    predict.main(['photo.png', 'o.pth'])
    assert set(json.loads(Path('predictions/photo.json').read_text())['share']) <= set(meta['classes'])


def test_names_of_classes_go_past_wrappers(one_score, own_config, tmp_path):
    cfg = json.loads(json.dumps(own_config))
    leaf = cfg['test_dataloader']['dataset']
    cfg['test_dataloader']['dataset'] = dict(type='ConcatDataset', datasets=[leaf, dict(leaf)])
    out = str(tmp_path / 'o.pth')
    import_weights.main(['smp', str(one_score), out, '--config', config_file(tmp_path / 'c.json', cfg), '--no-proof',
                         '--classes', 'roof', 'road'])
    assert init_model(out, device='cpu').dataset_meta['classes'] == ('roof', 'road')
    stored = json.loads(load_file(out)['meta']['config_json'])
    joined = stored['test_dataloader']['dataset']
    assert 'metainfo' not in joined
    for one in (*joined['datasets'], stored['val_dataloader']['dataset']):
        assert one['metainfo']['classes'] == ['roof', 'road']


def test_what_no_tool_could_open_is_not_written(one_score, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'o.pth'
    words = ['smp', str(one_score), str(out), '--classes', 'a', 'b', '--no-proof']
    for there in (False, True):
        import_weights.main(words)
        assert (f'replaces the {out} that was there' in capsys.readouterr().out) == there
    before, files = out.read_bytes(), sorted(tmp_path.iterdir())

    def refuse(config, checkpoint, device):
        raise ConfigError(f'{checkpoint}: test_dataloader.dataset.x is not known.')

    monkeypatch.setattr('segkit.apis.inference.init_model', refuse)
    with pytest.raises(CheckpointError, match=r'o\.pth is not written, .*\n.*o\.pth: test_dataloader\.') as no:
        import_weights.main(words)
    assert '.import-' not in str(no.value)
    assert out.read_bytes() == before and sorted(tmp_path.iterdir()) == files


@pytest.mark.parametrize('kind', ['safetensors', 'no classifier', 'other classes'])
def test_the_classifier_of_a_backbone_does_not_matter(tmp_path, capsys, kind):
    """Nor does the order of the keys, which is alphabetical in a .safetensors file."""
    pytest.importorskip('torchvision')
    file = tmp_path / 'x.pth'
    packages.torchvision_classifier('resnet18', file)
    weights = load_file(file)
    if kind == 'safetensors':
        file = tmp_path / 'x.safetensors'
        pytest.importorskip('safetensors.torch').save_file(dict(weights), file)
    else:
        left = {key: value for key, value in weights.items() if not key.startswith('fc.')}
        torch.save(left if kind == 'no classifier' else left | {'fc.weight': torch.ones(7, 512), 'fc.bias': ONE}, file)
    import_weights.main(['torchvision', str(file), str(tmp_path / 'o.pth')])
    assert 'backbone: largest difference of its ' in capsys.readouterr().out
    assert torch.equal(load_file(tmp_path / 'o.pth')['state_dict']['conv1.weight'], weights['conv1.weight'])


def test_a_backbone_goes_into_init_cfg(tmp_path, capsys):
    pytest.importorskip('torchvision')
    packages.torchvision_classifier('mobilenet_v3_small', tmp_path / 'x.pth')
    out = tmp_path / 'o.pth'
    import_weights.main(['torchvision', str(tmp_path / 'x.pth'), str(out), '--no-proof'])
    said = capsys.readouterr().out
    assert "a backbone alone: backbone=dict(type='MobileNetV3', " in said and f"checkpoint='{out}'" in said
    assert 'left out (the classifier of ImageNet): classifier.0.weight, classifier.0.bias, ' in said
    backbone = BACKBONES.build(dict(type='MobileNetV3', init_cfg=dict(type='Pretrained', checkpoint=str(out))))
    backbone.init_weights()
    assert torch.equal(backbone.layer0.conv.weight, load_file(tmp_path / 'x.pth')['features.0.0.weight'])
    for option in (['--config', 'x.py'], ['--classes', 'a']):
        with pytest.raises(ConfigError, match=f'{option[0]}: .*a backbone alone'):
            import_weights.main(['torchvision', str(tmp_path / 'x.pth'), str(out), *option])


def test_mmsegmentation_s_file_needs_its_config(tmp_path):
    torch.save({'backbone.conv1.weight': ONE, 'decode_head.conv_seg.weight': ONE}, tmp_path / 'x.pth')
    with pytest.raises(ConfigError, match='--config CONFIG'):
        import_weights.main(['mmsegmentation', str(tmp_path / 'x.pth'), str(tmp_path / 'o.pth')])


@pytest.mark.parametrize('out', ['o.pt', '.', 'o'])
def test_the_new_file_has_a_name_of_a_checkpoint(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match='expected the name of a new checkpoint, such as net.pth'):
        import_weights.main(['torchvision', 'net.pth', out])
