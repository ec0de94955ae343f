"""Mistakes in command lines."""
from pathlib import Path

from bad_input_cases.case import Case
from bad_input_cases.place import write_config

PREDICT = 'predict.py data/images config.py run/iter_4.pth --out-dir o'


def photo(name: str, data: bytes):
    """A mistake: a file that is no photo."""
    return lambda place: (place / name).write_bytes(data)


def empty_folder(place: Path) -> None:
    (place / 'photos').mkdir()


CASES = [
    Case('misspelt option', 'train.py config.py --works-dir w',
         ('unrecognized arguments: --works-dir', 'Nearest: --work-dir'), common=True, argparse=True),
    Case('option of another tool', 'train.py config.py --tta', ('unrecognized arguments: --tta', '--help'),
         argparse=True),
    Case('no config', 'train.py', ('required: config', '--help'), argparse=True),
    Case('no checkpoint', 'test.py config.py',
         ('config.py stands alone and is no checkpoint', 'test.py CONFIG CHECKPOINT')),
    Case('option without its value', 'train.py config.py --work-dir', ('--work-dir', 'expected one argument'),
         argparse=True),
    Case('unknown launcher', 'train.py config.py --launcher torch', ('--launcher', "'torch'", "'pytorch'"),
         argparse=True),
    Case('--launcher pytorch without torchrun', 'train.py config.py --work-dir w --launcher pytorch',
         ('--launcher pytorch', 'RANK', 'tools/dist_train.sh CONFIG N')),
    Case('config and checkpoint swapped', 'test.py run/iter_4.pth config.py',
         ('run/iter_4.pth is not a config file', 'Give the config first, then the checkpoint')),
    Case('image first, but then checkpoint and config', 'predict.py data/images run/iter_4.pth config.py --out-dir o',
         ('The order is: predict.py IMAGE|FOLDER CONFIG CHECKPOINT',)),
    Case('checkpoint given to train.py as config', 'train.py run/iter_4.pth', ('run/iter_4.pth', 'config file')),
    Case('no folder for predictions', 'predict.py data/images config.py run/iter_4.pth', ('--out-dir',), argparse=True),
    Case('no image', 'predict.py --out-dir o', ('required: IMAGE|FOLDER',), common=True, argparse=True),
    Case('image that does not exist', 'predict.py photo.jpg config.py run/iter_4.pth --out-dir o',
         ('No such image or folder: photo.jpg',)),
    Case('folder without an image', 'predict.py photos config.py run/iter_4.pth --out-dir o',
         ('photos holds no image', '.jpg'), empty_folder),
    Case('text file as image', 'predict.py notes.jpg config.py run/iter_4.pth --out-dir o',
         ('notes.jpg', 'not an image', 'path of an image file'), photo('notes.jpg', b'some text\n' * 30)),
    Case('photo that is cut short', 'predict.py cut.jpg config.py run/iter_4.pth --out-dir o',
         ('cut.jpg', 'cut short'),
         lambda place: (place / 'cut.jpg').write_bytes((place / 'data/images/a.jpg').read_bytes()[:-300])),
    Case('one bad photo among good ones', PREDICT, ('1 of 9 images could not be read', 'data/images/b.jpg'),
         photo('data/images/b.jpg', b'')),
    Case('predictions among the photos', 'predict.py data/images config.py run/iter_4.pth --out-dir ./data/images/',
         ('--out-dir', 'data/images', 'Give another folder')),
    Case('predictions of a test among the masks', 'test.py config.py run/iter_4.pth --work-dir w --out data/masks',
         ('--out data/masks', 'Give another folder')),
    Case('pages among the photos', 'browse_dataset.py config.py --output-dir data/images',
         ('--output-dir data/images', 'Give another folder')),
    Case('run folder given as checkpoint', 'predict.py data/images run --out-dir o',
         ('run is a folder', 'In it: iter_4.pth')),
    Case('run folder given as checkpoint of a test', 'test.py config.py run', ('run is a folder', 'In it: iter_4.pth')),
    Case('hash given as checkpoint', 'test.py run/iter_4.pth.sha256',
         ('is the hash of a checkpoint', 'The checkpoint is run/iter_4.pth')),
    Case('unknown device', f'{PREDICT} --device gpu', ('--device', "'gpu'", 'cuda:N or cpu')),
    Case('opacity above 1', f'{PREDICT} --opacity 50', ('--opacity', 'expected 0 to 1, got 50'), argparse=True),
    Case('--tta without tta_model', 'test.py config.py run/iter_4.pth --work-dir w --tta',
         ('--tta', 'config.py has no tta_model', 'configs/_base_'),
         lambda place: write_config(place, 'tta_model = None\n')),
    Case('--amp with a wrapper of one\'s own', 'train.py config.py --work-dir w --amp',
         ('--amp', "optim_wrapper.type is 'ApexOptimWrapper'"),
         lambda place: write_config(place, "optim_wrapper = dict(type='ApexOptimWrapper')\n")),
    Case('--show-dir without the hook that draws', 'test.py config.py run/iter_4.pth --work-dir w --show-dir s',
         ('--show-dir', "visualization=dict(type='SegVisualizationHook')"),
         lambda place: write_config(place, "default_hooks['visualization'] = None\n")),
    Case('test of a config without test or validation data', 'test.py config.py run/iter_4.pth --work-dir w',
         ('config.py has no test_dataloader (and no val_dataloader)',),
         lambda place: write_config(place, 'val_dataloader = val_evaluator = val_cfg = test_cfg = None\n')),
    Case('browse_dataset: 0 samples', 'browse_dataset.py config.py --number 0', ('--number', 'at least 1')),
    Case('browse_dataset: misspelt part', 'browse_dataset.py config.py --split validation',
         ('--split', "'validation'", "'val'"), argparse=True),
    Case('browse_dataset: misspelt key', 'browse_dataset.py config.py --cfg-options model.backbonee.depth=101',
         ('model.backbonee', 'Nearest: model.backbone')),
    Case('browse_dataset: data that are not there', 'browse_dataset.py config.py --cfg-options data_root=nowhere',
         ('nowhere/images', 'Correct data_root')),
    Case('print_config: key that there is not', 'print_config.py config.py --key model.backbonee',
         ('--key model.backbonee', 'no such key', 'Nearest: model.backbone')),
    Case('print_config: missing config', 'print_config.py confg.py', ('confg.py', 'Nearest there: config.py')),
    Case('dist_train.sh: number of processes left out', 'dist_train.sh config.py',
         ('tools/dist_train.sh CONFIG PROCESSES',), argparse=True),
    Case('dist_train.sh: options before the number', 'dist_train.sh config.py --work-dir w',
         ('number of processes', 'got config.py --work-dir'), argparse=True),
    Case('dist_train.sh: misspelt override', 'dist_train.sh config.py 2 --cfg-options optimizer.lr=0.5',
         ('optimizer.lr', 'Nearest: optim_wrapper.optimizer.lr')),
    Case('dist_test.sh: no checkpoint', 'dist_test.sh config.py 2',
         ('config.py stands alone and is no checkpoint', 'CHECKPOINT')),
]
