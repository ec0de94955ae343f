"""The body of tools/test.py."""
import argparse
import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from segkit.apis.arguments import Parser, add_common, add_crf, crf_first, load, started, use_crf
from segkit.apis.output_folders import data_folders, refuse_file, refuse_inputs, refuse_other_content
from segkit.apis.own_config import is_checkpoint, is_exported, refuse_no_file
from segkit.apis.used_overrides import judge_of_test

if TYPE_CHECKING:
    from mmengine.config import Config

RESULT_FILES = ('.pkl', '.pickle', '.json', '.npy', '.npz', '.csv')  # what --out names with other tools
EXAMPLE = """example:
  python tools/test.py configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py runs/a/best_mIoU.pth --tta
  python tools/test.py runs/a/best_mIoU.pth        (the config is the one in the checkpoint)
The files of the test go to the folder test/ inside the run folder, those of a test with --tta to test_tta/.
"""


def parser() -> argparse.ArgumentParser:
    """The command line of test.py; flags are MMSegmentation's."""
    p = Parser('test.py', description='Evaluate a segmentor.', epilog=EXAMPLE,
               formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('config', nargs='?', help='a config file (default: the config that the checkpoint holds)')
    p.add_argument('checkpoint', help='a checkpoint file or URL')
    p.add_argument('--out', metavar='DIR', help='write each prediction there as palette PNG (default: not written)')
    p.add_argument('--show-dir', metavar='DIR', help='write each photo with label and prediction over it below DIR '
                   '(default: not drawn)')
    p.add_argument('--tta', action='store_true',
                   help='test-time augmentation: tta_pipeline and tta_model of the config (default: off)')
    p.add_argument('--save-probs', metavar='DIR', help='write the probabilities of each photo there, before any CRF, '
                   'for tools/analysis/crf.py: NAME.npy, (K, H, W) float16, 8 MB for 21 classes at 500x375, '
                   'and index.json, which names their photos and masks (default: not written)')
    add_crf(p)
    add_common(p)
    return p


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Evaluate what the command line says."""
    args = parse(argv)
    with started(args):
        test(args)


def parse(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """Parse the command line; ``config`` is None where a checkpoint stands alone.

    Raises:
        ConfigError: If a config stands alone.
        CheckpointError: If the checkpoint is a folder, the file of a hash, or an exported network.
    """
    args = parser().parse_intermixed_args(argv)  # options may stand between the two files
    refuse_no_file(args.checkpoint)
    if is_exported(args.checkpoint):
        from segkit.errors import CheckpointError
        raise CheckpointError(f'{args.checkpoint} is an exported network, which test.py does not run; a checkpoint was '
                              'expected.\nTest the checkpoint that it was made of: the export compared both on photos. '
                              'predict.py runs exported files.')
    if args.config is None and not is_checkpoint(args.checkpoint):
        from segkit.errors import ConfigError
        raise ConfigError(f'{args.checkpoint} stands alone and is no checkpoint (.pth).\n'
                          'The order is: test.py CONFIG CHECKPOINT, or test.py CHECKPOINT with the config in it.')
    return args


def test(args: argparse.Namespace) -> None:
    """Evaluate what parsed arguments say."""
    cfg = load(args, prepare=crf_first(args), judge=judge_of_test(args.tta))
    from segkit.checkpoint import fetch
    from segkit.engine import SegRunner
    from segkit.engine.environment import leave_process_group

    fetch(args.checkpoint)  # a file that is not there is said before anything is built
    prepare(cfg, args)
    SegRunner.from_cfg(cfg).test()
    leave_process_group()


def prepare(cfg: 'Config', args: argparse.Namespace) -> None:
    """Put the command line into the config.

    Raises:
        ConfigError: If the config lacks what the command line needs.
    """
    from segkit.errors import ConfigError

    source = args.config or f'The config in {args.checkpoint}'
    for name in ('dataloader', 'evaluator', 'cfg'):
        if cfg.get(f'test_{name}') is None and cfg.get(f'val_{name}') is not None:
            default = dict(type='TestLoop') if name == 'cfg' else copy.deepcopy(cfg[f'val_{name}'])
            cfg[f'test_{name}'] = default
        if cfg.get(f'test_{name}') is None:
            raise ConfigError(f'{source} has no test_{name} (and no val_{name}), which a test needs.')
    cfg.load_from, cfg.resume = args.checkpoint, False
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler',
                'val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg[key] = None
    for option, folder in (('--out', args.out), ('--show-dir', args.show_dir)):
        if folder:
            refuse_file(option, folder)
    if args.out:
        if Path(args.out).suffix.lower() in RESULT_FILES:
            raise ConfigError(f'--out {args.out}: expected a folder, which gets each prediction as palette PNG.\n'
                              'No file of results is written; the tables of scores are in test/ of the run folder.')
        refuse_inputs('--out', args.out, data_folders(cfg, 'test'))
        metrics = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
        metrics[0].output_dir = args.out
    if args.save_probs:
        refuse_inputs('--save-probs', args.save_probs, data_folders(cfg, 'test'))
        if int(os.environ.get('RANK', 0)) == 0:  # the others may look when it has begun to write
            refuse_other_content('--save-probs', args.save_probs)
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []),
                            dict(type='SaveProbabilitiesHook', out_dir=args.save_probs)]
    if args.crf:
        use_crf(cfg)
    if args.show_dir:
        hook = (cfg.get('default_hooks') or {}).get('visualization')
        if hook is None:
            raise ConfigError('--show-dir draws through the hook default_hooks.visualization, which the config has not.'
                              "\nAdd default_hooks=dict(visualization=dict(type='SegVisualizationHook')).")
        hook.draw = True
        cfg.visualizer.save_dir = args.show_dir
    if args.tta:
        missing = [key for key in ('tta_model', 'tta_pipeline') if cfg.get(key) is None]
        if missing:
            raise ConfigError(f'--tta: {source} has no {" and no ".join(missing)}.\nSee configs/_base_ for both.')
        dataset = cfg.test_dataloader.dataset
        while 'dataset' in dataset:  # wrappers
            dataset = dataset.dataset
        dataset.pipeline = cfg.tta_pipeline
        cfg.model = dict(cfg.tta_model, module=cfg.model)
