"""Mistakes in --cfg-options: each override takes effect or is refused."""
from bad_input_cases.case import Case
from bad_input_cases.place import write_config

TEST = 'test.py config.py run/iter_4.pth --work-dir w --cfg-options'
START = 'train.py config.py --work-dir w --cfg-options'


def override(wrong: str, typed: str, *says: str, **kwargs) -> Case:
    """An override that can do nothing, or not what was meant."""
    return Case(wrong, f'{START} {typed}', says, **kwargs)


CASES = [
    override('optimizer.lr, as it was in MMSegmentation 0.x', 'optimizer.lr=0.5', 'optimizer.lr',
             'would have no effect', 'Nearest: optim_wrapper.optimizer.lr', common=True),
    override('misspelt first word', 'optim_wraper.optimizer.lr=0.5', 'optim_wraper.optimizer.lr',
             'Nearest: optim_wrapper.optimizer.lr', common=True),
    override('misspelt key', 'model.backbonee.depth=101', 'model.backbonee', 'Nearest: model.backbone', common=True),
    override('misspelt last word', 'model.backbone.dept=101', 'model.backbone.dept', 'Nearest: model.backbone.depth'),
    override('misspelt number of classes', 'model.num_clases=3', 'model.num_clases', 'Nearest: model.num_classes',
             common=True),
    override('word that nothing is called', 'epoch=3', 'epoch', 'would have no effect'),
    override('misspelt word for every crop', 'cropsize=64', 'cropsize', 'Nearest: crop_size'),
    override('text for a number', 'train_cfg.max_iters=abc', 'train_cfg.max_iters', "'abc'", common=True),
    override('text for a learning rate', 'optim_wrapper.optimizer.lr=abc', 'optim_wrapper.optimizer.lr', "'abc'"),
    override('number for a part of the model', 'model.backbone=50', 'model.backbone', '50'),
    override('value below a plain value', 'train_cfg.max_iters.value=3', 'train_cfg.max_iters', 'no keys'),
    override('position that the list has not', 'param_scheduler.5.power=1', 'param_scheduler', '5'),
    override('position in a pipeline that is a word', 'train_dataloader.dataset.pipeline.RandomCrop.crop_size=64',
             'train_dataloader.dataset.pipeline', 'RandomCrop', 'position'),
    override('option without a value', 'train_cfg.max_iters', 'train_cfg.max_iters', 'KEY=VALUE'),
    override('blanks around =', 'train_cfg.max_iters = 100', 'KEY=VALUE'),
    override('list with a bracket left open', "model.backbone.strides='(1,2'", 'model.backbone.strides', '(1,2',
             'brackets', 'do not match'),
    override('list with a blank, without quotes', 'crop_size=[64, 64]', '--cfg-options crop_size', 'brackets of [64,',
             'needs quotes', '"crop_size=(64, 64)"', common=True),
    override('one number for the two of a crop', 'crop_size=32', '--cfg-options crop_size: ',
             'model.data_preprocessor.size: expected two whole numbers (h, w)', 'got 32', 'Is (32, 32) meant?',
             common=True),
    override('whole number written as 1e4', 'max_iters=1e4', '--cfg-options max_iters: train_cfg.max_iters',
             'expected a whole number; got 10000.0', 'Is 10000 meant?'),
    override('key given twice', 'max_iters=20 val_interval=10 max_iters=60', '--cfg-options gives max_iters two values',
             '20 and 60', common=True),
    override('key given in two groups', 'max_iters=20 --cfg-options max_iters=60', 'max_iters two values', '20 and 60'),
    override('key given under two names', 'max_iters=20 train_cfg.max_iters=60', 'max_iters=20 and '
             'train_cfg.max_iters=60', 'Give one of them'),
    override('negative learning rate', 'optim_wrapper.optimizer.lr=-0.1', '--cfg-options optim_wrapper.optimizer.lr: ',
             'expected a number of at least 0', 'got -0.1'),
    override('comma behind a learning rate', 'optim_wrapper.optimizer.lr=1e-3,', 'optim_wrapper.optimizer.lr',
             'expected a number', 'a comma behind it makes a list: 0.001,', 'Leave the comma out'),
    override('learning rate with which the loss is not finite', 'optim_wrapper.optimizer.lr=1e30', 'iteration 2',
             'Lower optim_wrapper.optimizer.lr'),
    override('batch size 0', 'train_dataloader.batch_size=0', 'train_dataloader', 'batch_size', '0'),
    override('-1 loader processes', 'train_dataloader.num_workers=-1', 'train_dataloader', 'num_workers'),
    override('crop of size 0', "crop_size='(0, 0)'", 'crop_size', '(0, 0)'),
    override('unknown option of randomness', 'randomness.sed=3', 'randomness.sed', 'randomness.seed'),
    override('seed that is a word', 'randomness.seed=abc', 'randomness.seed', "'abc'"),
    override('unknown log level', 'log_level=LOUD', 'log_level', "'LOUD'", 'WARNING'),
    override('more samples than there are', 'train_dataloader.dataset.indices=[99]', 'indices', '99', '6 samples'),
    override('dict where a list of hooks belongs', '"custom_hooks=dict(type=\'EMAHook\')"',
             "custom_hooks: a list is expected: custom_hooks=[dict(type='EMAHook')]"),
    override('negative length of training', 'max_iters=-5', 'train_cfg.max_iters', 'above 0, got -5'),
    override('best weights by a loss that is not computed', 'default_hooks.checkpoint.save_best=val/loss',
             "save_best='val/loss'", 'val_cfg.val_loss=True'),
    override('decimal comma', 'optim_wrapper.optimizer.lr=0,01', 'optim_wrapper.optimizer.lr',
             "expected a number, got the list 0,01; a decimal point is '.'"),
    override('another run folder than --work-dir', 'work_dir=v', '--work-dir w', 'work_dir=v'),
    Case('learning rate for a test', f'{TEST} optim_wrapper.optimizer.lr=0.5',
         ('optim_wrapper.optimizer.lr', 'which a test does not use')),
    Case('length of training for a test', f'{TEST} max_iters=20', ('max_iters', 'reaches train_cfg only')),
    Case('validation part for a test of the checkpoint alone', 'test.py run/iter_4.pth --cfg-options '
         'val_dataloader.batch_size=2', ('val_dataloader.batch_size', 'Set test_dataloader.batch_size')),
    Case('schedule for a prediction', 'predict.py data/images run/iter_4.pth --out-dir o --cfg-options '
         'param_scheduler.0.power=2', ('param_scheduler.0.power', 'which a prediction does not use')),
    override('misspelt backend', 'env_cfg.dist_cfg.backend=glooo', 'env_cfg.dist_cfg.backend', "'glooo'",
             'Nearest: gloo'),
    override('variable that nothing reads any more', 'lonely=3', 'lonely', 'config.py', 'no effect',
             prepare=lambda place: write_config(place, 'lonely = 5\n')),
]
