"""Options that people know from MMSegmentation and that the tools here have not: what does the same here."""
import difflib
from collections.abc import Iterable, Sequence

GPUS = ('tools/dist_train.sh CONFIG N and tools/dist_test.sh CONFIG CHECKPOINT N use N GPUs;\n'
        'CUDA_VISIBLE_DEVICES=0,1 before the command says which.')
RESUME = ('--resume takes no path: it goes on from the newest checkpoint of --work-dir; from another with\n'
          '--resume --cfg-options load_from=FILE')
FROM_HERE = '--resume goes on from the newest checkpoint of --work-dir, from another with --cfg-options load_from=FILE'
WINDOW = 'No window is opened: test.py writes pictures with --show-dir DIR, predict.py with --out-dir DIR.'
METRICS = ('The metrics stand in the config: val_evaluator.iou_metrics, and test_evaluator.iou_metrics for test.py;\n'
           'with --cfg-options test_evaluator.iou_metrics=mIoU,mFscore')
HERE = {
    '--eval': METRICS,
    '--eval-options': METRICS,
    '--load-from': 'Weights to start from: --cfg-options load_from=FILE',
    '--checkpoint': 'Weights to start from: --cfg-options load_from=FILE; test.py takes the file behind the config.',
    '--resume-from': FROM_HERE,
    '--auto-resume': FROM_HERE,
    '--no-validate': 'Without validation: --cfg-options val_dataloader=None val_cfg=None val_evaluator=None',
    '--gpus': GPUS,
    '--gpu-id': GPUS,
    '--gpu-ids': GPUS,
    '--num-gpus': GPUS,
    '--nproc-per-node': GPUS,
    '--gpu-collect': 'Counts of all processes are summed as it is; leave it out.',
    '--tmpdir': 'Counts of all processes are summed as it is; leave it out.',
    '--options': '--cfg-options does that.',
    '--aug-test': '--tta does that.',
    '--format-only': 'test.py --out DIR writes each prediction as palette PNG; without labels add\n'
                     '--cfg-options test_evaluator.format_only=True',
    '--show': WINDOW,
    '--show-dir': 'Pictures of a training lie in its run folder (val_predictions.jpg, worst.jpg);\n'
                  'test.py has --show-dir DIR, predict.py --out-dir DIR.',
    '--wait-time': WINDOW,
    '--out-file': '--out-dir DIR is where the pictures, masks and shares go.',
    '--out': 'test.py --out DIR writes predictions as palette PNG, predict.py --out-dir DIR all it makes;\n'
             'tables and pictures of a run lie in its folder.',
    '--diff-seed': 'Nothing to set: draws, augmentation and dropout differ between processes as it is.\n'
                   '--seed N sets the seed.',
    '--fp16': '--amp does that.',
    '--lr': 'The learning rate: --cfg-options optim_wrapper.optimizer.lr=0.01',
    '--batch-size': 'Images of a process and step: --cfg-options train_dataloader.batch_size=4',
    '--epochs': 'The length of a training: --cfg-options max_iters=20000',
    '--max-iters': 'The length of a training: --cfg-options max_iters=20000',
    '--device': 'A run takes the GPUs that it is shown; CUDA_VISIBLE_DEVICES= before the command leaves it the CPU.',
    '--deterministic': 'train.py has it; the rest does not depend on chance.',
    '--title': 'The picture has a title of its own; leave it out.',
    '--color-theme': 'The colours of the picture are fixed; leave it out.',
    '--ignore-idx': "The void label is val_evaluator.ignore_index, as in the config's own test.",
    '--log-interval': 'Nothing to set: it says how far it is by itself. --json prints all of it.',
    '--show-interval': 'Nothing is shown one by one: pages of pictures go to --output-dir.',
    '--opacity': 'predict.py has --opacity; test.py draws with 0.5.',
    '--seed': 'train.py has it; the rest does not depend on chance.',
}
NEAR = 0.75  # how alike two names must be, that one may be meant for the other


def advice(unknown: Sequence[str], typed: Sequence[str], known: Iterable[str]) -> str:
    """What to type instead of what a tool does not take; empty where nothing is like it.

    Args:
        unknown: The words that the tool does not take.
        typed: The whole command line.
        known: The tool's options.
    """
    option = next((word.partition('=')[0].replace('_', '-') for word in unknown if word.startswith('--')), None)
    if option is None:
        behind = [after for word, after in zip(typed, typed[1:]) if word == '--resume' and not after.startswith('--')]
        return RESUME if behind and '--resume' in known else ''
    names = [name[2:] for name in known if name.startswith('--')]
    near = [name for name in names if name.startswith(option[2:])] or difflib.get_close_matches(
        option[2:], names, n=1, cutoff=NEAR)
    if option in HERE and (not near or near[0] != option[2:]):
        return HERE[option]
    return f'Nearest: --{near[0]}' if near else ''
