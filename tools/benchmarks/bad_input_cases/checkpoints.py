"""Mistakes with files of weights."""
import shutil
import zipfile
from pathlib import Path

from bad_input_cases.case import Case
from bad_input_cases.place import write_config

TEST = 'test.py config.py'
CHECKPOINT = 'run/iter_4.pth'


def content(data: bytes):
    """A mistake: bad.pth is something else."""
    return lambda place: (place / 'bad.pth').write_bytes(data)


def cut(place: Path) -> None:
    data = (place / CHECKPOINT).read_bytes()
    (place / 'bad.pth').write_bytes(data[:len(data) * 2 // 3])


def renamed(place: Path) -> None:
    shutil.copy(place / CHECKPOINT, place / 'bad.safetensors')


def flipped_copy(place: Path) -> None:
    """One byte of the largest tensor has changed since the run wrote it."""
    data = bytearray((place / CHECKPOINT).read_bytes())
    with zipfile.ZipFile(place / CHECKPOINT) as file:
        largest = max(file.infolist(), key=lambda info: info.file_size)
    data[largest.header_offset + 200] ^= 0xFF
    (place / CHECKPOINT).write_bytes(data)


class _Evil:

    def __reduce__(self):
        return eval, ("open('stolen', 'w')",)


def malicious(place: Path) -> None:
    """A pickle that would write a file called stolen."""
    import torch
    torch.save(dict(state_dict=dict(), meta=_Evil()), place / 'bad.pth')


def changed(change):
    """A mistake: a checkpoint of another kind; ``change`` takes what iter_4.pth holds and returns what to save."""

    def prepare(place: Path) -> None:
        import torch
        torch.save(change(torch.load(place / CHECKPOINT, weights_only=True)), place / 'bad.pth')

    return prepare


def no_weights(checkpoint: dict) -> dict:
    del checkpoint['state_dict']
    return checkpoint


def other_classes(checkpoint: dict) -> dict:
    checkpoint['meta']['dataset_meta']['classes'] = ['sky', 'building', 'pole']
    return checkpoint


def backbone(checkpoint: dict) -> dict:
    return {key[len('backbone.'):]: value for key, value in checkpoint['state_dict'].items()
            if key.startswith('backbone.')}


def torchvision_mobilenet(checkpoint: dict) -> dict:
    """The names that torchvision gives a MobileNetV2 inside a DeepLabV3."""
    weights = list(checkpoint['state_dict'].values())
    names = [f'backbone.features.{k}.conv.0.0.weight' for k in range(1, 18)] + ['head.aspp0.0.weight']
    return dict(zip(names, weights))


def deeplab_v2(checkpoint: dict) -> dict:
    """The backbone's names without a prefix, and a head called layer5."""
    head = checkpoint['state_dict']['decode_head.conv_seg.weight']
    return {**backbone(checkpoint), 'layer5.conv2d_list.0.weight': head}


def tested(wrong: str, prepare, *says: str, **kwargs) -> Case:
    """A file that cannot be tested."""
    return Case(wrong, f'{TEST} bad.pth --work-dir w', says, prepare, **kwargs)


CASES = [
    Case('checkpoint that does not exist', f'{TEST} run/iter_5.pth', ('run/iter_5.pth does not exist', 'iter_4.pth'),
         common=True),
    Case('folder given as checkpoint', f'{TEST} run', ('run is a folder', 'iter_4.pth')),
    tested('checkpoint that is cut short', cut, 'bad.pth', 'cut short', 'again'),
    Case('checkpoint renamed to .safetensors', f'{TEST} bad.safetensors --work-dir w',
         ('bad.safetensors', 'of torch.save', 'Rename it: bad.pth'), renamed),
    tested('empty checkpoint', content(b''), 'bad.pth', '0 bytes', 'again'),
    tested('text file as checkpoint', content(b'hello\n'), 'bad.pth', 'not a checkpoint'),
    tested('web page saved as .pth', content(b'<!DOCTYPE html><html>Sign in</html>'), 'bad.pth', 'web page'),
    tested('address of a large file kept elsewhere (git-lfs)',
           content(b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n'), 'bad.pth', 'git lfs pull'),
    tested('file that would run code', malicious, 'bad.pth', "asks for '", 'nothing of it was run'),
    tested('pickle of a list', changed(lambda checkpoint: [1, 2]), 'bad.pth', 'list', 'dict of weights'),
    tested('checkpoint without weights', changed(no_weights), 'bad.pth', 'no weights', 'meta'),
    tested('backbone alone', changed(backbone), 'bad.pth does not fit', 'init_cfg'),
    tested("DeepLabV3 on MobileNetV2 with torchvision's names", changed(torchvision_mobilenet), 'bad.pth does not fit',
           '0 keys fit', "a MobileNetV2 in torchvision's layout", common=True),
    tested('DeepLabV2 of another repository', changed(deeplab_v2), 'bad.pth does not fit', 'a DeepLabV2',
           'layer5.conv2d_list'),
    tested('weights of another network', changed(lambda checkpoint: {
        f'net.{key}x': value for key, value in checkpoint['state_dict'].items()}), 'bad.pth does not fit', '0 keys fit',
           'of another network'),
    tested('checkpoint of other classes, as many', changed(other_classes), 'bad.pth', 'sky', 'road', 'metainfo',
           common=True),
    Case('checkpoint of another number of classes', f'{TEST} {CHECKPOINT} --work-dir w --cfg-options num_classes=4',
         ('num_classes is 4', 'test_dataloader has 3 classes'), common=True),
    Case('model and data of another number of classes than the checkpoint', f'{TEST} {CHECKPOINT} --work-dir w',
         (CHECKPOINT, 'trained on 3 classes, the dataset has 4', 'metainfo'),
         lambda place: write_config(
             place, "model['num_classes'] = 4\n"
             "val_dataloader['dataset']['metainfo'] = dict(classes=['road', 'grass', 'car', 'bus'])\n"), common=True),
    Case('prediction with another number of classes', f'predict.py data/images config.py {CHECKPOINT} --out-dir o '
         '--cfg-options num_classes=4', (CHECKPOINT, 'num_classes=3')),
    Case('start from weights for another number of classes',
         f'train.py config.py --work-dir w --cfg-options load_from={CHECKPOINT}',
         (f'{CHECKPOINT} does not fit', 'The file has 3 classes, the model 4', 'init_cfg', "'prefix': 'backbone.'"),
         lambda place: write_config(
             place, "model['num_classes'] = 4\n"
             "for loader in (train_dataloader, val_dataloader):\n"
             "    loader['dataset']['metainfo'] = dict(classes=['road', 'grass', 'car', 'bus'])\n"), common=True),
    Case('checkpoint of another depth', f'{TEST} {CHECKPOINT} --work-dir w --cfg-options model.backbone.depth=34',
         (f'{CHECKPOINT} does not fit', 'model.backbone.depth')),
    Case('checkpoint of another stem', f"{TEST} {CHECKPOINT} --work-dir w --cfg-options model.backbone.type=ResNetV1d",
         (f'{CHECKPOINT} does not fit', 'ResNetV1d')),
    Case('checkpoint of another head', f"{TEST} {CHECKPOINT} --work-dir w --cfg-options model.decode_head.type=FCNHead",
         (f'{CHECKPOINT} does not fit', 'decode_head')),
    Case('load_from that does not exist', 'train.py config.py --work-dir w --cfg-options load_from=run/iter_9.pth',
         ('run/iter_9.pth does not exist', 'iter_4.pth')),
    Case('nothing to resume', 'train.py config.py --work-dir new --resume',
         ('--resume', 'no checkpoint in new', '--work-dir'), common=True),
    Case('resume from weights alone', 'train.py config.py --work-dir w --resume --cfg-options load_from=bad.pth',
         ('bad.pth holds weights only', 'load_from'),
         changed(lambda checkpoint: {k: checkpoint[k] for k in ('meta', 'state_dict')})),
    Case('resume with another total batch',
         'train.py config.py --work-dir run --resume --cfg-options train_dataloader.batch_size=3 max_iters=8',
         ('run/iter_4.pth', '1 process x 2 images', 'this run has 1 process x 3 images', 'batch_size to 2')),
    Case('resume with another optimizer',
         'train.py config.py --work-dir run --resume --cfg-options max_iters=8 '
         '"optim_wrapper.optimizer={\'_delete_\': True, \'type\': \'AdamW\', \'lr\': 0.1}"',
         ('run/iter_4.pth', 'optim')),
    Case('pretrained weights that do not exist',
         "train.py config.py --work-dir w --cfg-options \"model.backbone.init_cfg={'type': 'Pretrained', 'checkpoint': "
         "'resnet.pth'}\"", ('resnet.pth does not exist', 'init_cfg')),
    Case('pretrained weights of another backbone',
         "train.py config.py --work-dir w --cfg-options \"model.backbone.init_cfg={'type': 'Pretrained', 'checkpoint': "
         f"'{CHECKPOINT}', 'prefix': 'backbone.'}}\" model.backbone.type=ResNet", (CHECKPOINT, 'stem')),
    Case('misspelt name of pretrained weights',
         "train.py config.py --work-dir w --cfg-options \"model.backbone.init_cfg={'type': 'Pretrained', 'checkpoint': "
         "'open-mmlab://resnet50_v1e'}\"", ("has no 'resnet50_v1e'", 'Nearest: resnet50_v1'), common=True),
    Case('pretrained weights without a network',
         "train.py config.py --work-dir w --cfg-options \"model.backbone.init_cfg={'type': 'Pretrained', 'checkpoint': "
         "'open-mmlab://resnet50_v1c'}\"",
         ("'open-mmlab://resnet50_v1c' could not be downloaded", 'Put the file of', 'model.backbone.init_cfg=None'),
         common=True, limit=4, env=dict(
             TORCH_HOME='none', http_proxy='http://192.0.2.1:3128', https_proxy='http://192.0.2.1:3128', no_proxy='')),
]
