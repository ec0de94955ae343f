"""The protocol line's facts."""
from types import SimpleNamespace

from torch import nn

from segkit.engine import protocol


def facts(dataset, model=None):
    metric = SimpleNamespace(protocol={})
    loop = SimpleNamespace(evaluator=SimpleNamespace(metrics=[metric, object()]))
    assert protocol.tell(loop, dict(dataset=dataset), model or nn.Module()) is loop
    return metric.protocol


def test_split_and_resize():
    assert facts(dict(ann_file='ImageSets/Segmentation/val.txt',
                      pipeline=[dict(type='Resize', scale=(2048, 512), keep_ratio=True)])) == {
        'split': 'val.txt', 'resize': 'within 2048x512 (w x h)', 'test-time augmentation': 'none'}


def test_folder_without_resize():
    assert facts(dict(data_prefix=dict(img_path='val/images'), pipeline=[dict(type='LoadImageFromFile')])) == {
        'split': 'val/images', 'resize': 'none', 'test-time augmentation': 'none'}


def test_views():
    tta = dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale_factor=r) for r in (0.5, 1.0)],
        [dict(type='RandomFlip', prob=p) for p in (0.0, 1.0)]])
    assert facts(dict(ann_file=['a/val.txt', 'b/more.txt'], pipeline=[tta])) == {
        'split': 'val.txt + more.txt', 'test-time augmentation': '2 scales (x0.5, x1.0) and flip'}


def test_network():
    model = nn.Module()
    model.backbone = nn.Module()
    model.backbone.output_stride = 16
    model.test_cfg = dict(mode='slide', crop_size=(769, 769), stride=(513, 513), output_stride=8)
    tta = nn.Module()
    tta.module, tta.fusion = model, 'logit'
    told = facts(dict(), tta)
    assert told['windows'] == '(769, 769) every (513, 513) (h, w)'
    assert (told['output stride'], told['fusion']) == (8, 'logit')
    del model.test_cfg['output_stride']
    assert facts(dict(), tta)['output stride'] == 16


def test_sizes_that_are_fused():
    model = nn.Module()
    model.test_cfg = dict(mode='whole')
    assert 'sizes' not in facts(dict(), model)
    model.scales = (0.75, 0.5)
    assert facts(dict(), model)['sizes'] == 'maximum over x1, x0.75, x0.5'
