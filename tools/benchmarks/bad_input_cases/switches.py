"""Mistakes with what can be switched on: policies for samples, recipes, dry runs, averages, stops, trust."""
from pathlib import Path

from bad_input_cases.case import Case
from bad_input_cases.checkpoints import CHECKPOINT, changed, flipped_copy, malicious
from bad_input_cases.configs import more
from bad_input_cases.files import overwrite
from bad_input_cases.labels import put

TRAIN = 'train.py config.py --work-dir w'
TEST = 'test.py config.py'


def bad_images(names: str):
    """A mistake: images that are no images."""
    return lambda place: [overwrite(f'data/images/{name}.jpg', b'x' * 99)(place) for name in names]


def hook(text: str, *says: str, wrong: str) -> Case:
    """A mistake in a hook of custom_hooks."""
    return Case(wrong, TRAIN, says, more(f'custom_hooks = [dict({text})]'))


def all_damaged(place: Path) -> None:
    """Every full checkpoint of the run is cut short."""
    for path in (place / 'run').glob('iter_*.pth'):
        path.write_bytes(path.read_bytes()[:5000])


CASES = [
    Case('unknown policy for bad samples', f'{TRAIN} --cfg-options +train_dataloader.dataset.bad_samples=ignore',
         ('bad_samples', "'ignore'", "'error', 'skip'")),
    Case('limit of bad samples below zero',
         f'{TRAIN} --cfg-options "+train_dataloader.dataset.bad_samples={{\'policy\': \'skip\', \'limit\': -1}}"',
         ('bad_samples', '-1')),
    Case('more bad samples than the limit',
         f'{TRAIN} --cfg-options "+train_dataloader.dataset.bad_samples={{\'policy\': \'skip\', \'limit\': 2}}"',
         ('bad_samples', '3', '2', 'data/images/a.jpg'), bad_images('abd')),
    Case('--match-recipe with a config that states no total batch', f'{TRAIN} --match-recipe',
         ('--match-recipe', 'State it: auto_scale_lr=dict(base_batch_size=16')),
    Case('--match-recipe with a total batch that cannot be divided so', 'dist_train.sh config.py 2 --match-recipe',
         ('--match-recipe', '3', '2'), more('auto_scale_lr = dict(base_batch_size=3, enable=False)')),
    Case('--auto-scale-lr with a config that states no total batch', f'{TRAIN} --auto-scale-lr',
         ('auto_scale_lr', 'base_batch_size')),
    Case('--seed that is a word', f'{TRAIN} --seed lucky', ('--seed', "'lucky'"), argparse=True),
    Case('--seed below zero', f'{TRAIN} --seed -3', ('seed', '-3')),
    Case('--dry-run-size without --dry-run', f'{TRAIN} --dry-run-size full', ('--dry-run-size', '--dry-run;')),
    Case('--dry-run of a config with a mistake', f'{TRAIN} --dry-run --cfg-options model.backbone.dept=18',
         ('model.backbone.dept', 'Nearest: model.backbone.depth')),
    Case('--dry-run with a label out of range', f'{TRAIN} --dry-run', ('data/masks/a.png', '37 (7 pixels)'),
         put('a', 37)),
    hook("type='EMAHook', momentum=2", 'momentum', '2', wrong='moving average with a momentum above 1'),
    hook("type='EMAHok'", 'custom_hooks.0.type', "'EMAHok'", 'EMAHook', wrong='misspelt moving average'),
    hook("type='EarlyStoppingHook', monitor='mIOU'", "custom_hooks.0.monitor='mIOU'", 'Nearest: mIoU',
         wrong='early stopping by a score that there is not'),
    Case('best weights by a score that there is not', TRAIN, ('save_best', 'mIOU', 'mIoU'),
         more("default_hooks['checkpoint']['save_best'] = 'mIOU'")),
    Case('metric that there is not', TRAIN, ('mIOU', 'mIoU'), more("val_evaluator['iou_metrics'] = ['mIOU']")),
    Case('accumulation of 0 batches', f'{TRAIN} --cfg-options optim_wrapper.accumulative_counts=0',
         ('accumulative_counts', '0')),
    Case('losses of a validation without labels', f'{TRAIN} --cfg-options +val_cfg.val_loss=maybe',
         ('val_cfg.val_loss', "'maybe'")),
    Case('ignore_index that is a class', f'{TRAIN} --cfg-options +model.ignore_index=1', ('ignore_index', '1')),
    Case('crop larger than what the preprocessor makes of it', f"{TRAIN} --cfg-options "
         "\"model.data_preprocessor.size=(16, 16)\"", ('data_preprocessor.size', '16', '32')),
    Case('head with another number of classes than the model',
         f'{TRAIN} --cfg-options +model.decode_head.num_classes=5', ('model.decode_head.num_classes', '5', '3')),
    Case('schedule that begins behind the end', f'{TRAIN} --cfg-options param_scheduler.0.begin=9',
         ('param_scheduler', 'begin', '9')),
    Case('plateau schedule by a score that there is not', TRAIN, ("param_scheduler.0.monitor='mIOU'", 'Nearest: mIoU'),
         more("param_scheduler = [dict(type='ReduceOnPlateauLR', monitor='mIOU', rule='greater')]")),
    Case('plateau schedule that begins at an epoch of a training of iterations', TRAIN,
         ('begin of ReduceOnPlateauLR counts epochs', 'Set by_epoch=False'),
         more("param_scheduler = [dict(type='ReduceOnPlateauLR', monitor='mIoU', begin=2)]")),
    Case('misspelt name of a default hook', f'{TRAIN} --cfg-options +default_hooks.checkpiont.interval=5',
         ('default_hooks.checkpiont', 'Nearest: default_hooks.checkpoint')),
    Case('misspelt policy in the folder of another run',
         'train.py config.py --work-dir run --cfg-options +train_dataloader.dataset.bad_samples=skp',
         ('bad_samples', "'skp'")),
    Case('--resume with another seed than the run has',
         'train.py config.py --work-dir run --resume --seed 5 --cfg-options max_iters=8',
         ('iter_4.pth: this run has seed 0, and 5 was asked for', 'keeps its seed')),
    Case('checkpoint with a byte that has changed', f'{TEST} {CHECKPOINT} --work-dir w',
         (CHECKPOINT, 'is damaged: its sha256 is', 'Take another copy'), flipped_copy),
    Case('no whole checkpoint to resume from', 'train.py config.py --work-dir run --resume --cfg-options max_iters=8',
         ('run', 'iter_4.pth'), all_damaged),
    Case('resume of a run with another model', 'train.py config.py --work-dir run --resume --cfg-options max_iters=8 '
         'model.backbone.depth=34', ('run/iter_4.pth does not fit', 'model.backbone.depth')),
    Case('config in a checkpoint that has none', 'test.py bad.pth --work-dir w',
         ('bad.pth', 'config', 'CONFIG bad.pth'),
         changed(lambda checkpoint: dict(state_dict=checkpoint['state_dict'], meta={}))),
    Case('file that would run code, resumed', 'train.py config.py --work-dir w --cfg-options load_from=bad.pth',
         ('bad.pth', "asks for '", 'nothing of it was run', '--unsafe-load'), malicious),
    Case('file that would run code, predicted with', 'predict.py data/images config.py bad.pth --out-dir o',
         ('bad.pth', "asks for '", 'nothing of it was run', '--unsafe-load'), malicious),
]
