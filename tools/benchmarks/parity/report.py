"""docs/parity.md."""
from collections import Counter
from collections.abc import Iterable
from typing import Any

from data_pipeline import machine

from parity import PARTS, inputs, models, report_checks
from parity.text import number, table

HEAD = """\
# The same outputs as MMSegmentation

Written by `make parity` (tools/benchmarks/parity.py), which builds both sides from the same file of MMSegmentation's
own configs, gives both the same random weights, and compares. MMSegmentation is {peer}; the
files are those in the wheel of mmsegmentation 1.2.2{only}. One thread a process, CPU.

"""
STAGES = dict(build='not built', weights='weights do not fit', outputs='not computed', peer='MMSegmentation')
LOADED = """
- **Loaded**: by `load_config` with all its checks, unedited. In {alike} of {loaded} files both sides read the same
  model part.
"""
TRAINED = """\
- **Trained**: one iteration of the Runner from the file on images made by `segkit.datasets.mini_trees`, ending with a
  finite loss and a checkpoint, then **validated**: predictions of the validation set and their score. Overridden are
  `data_root`, `crop_size`, the batch (2 images), the numbers of iterations and of loader processes, the size that
  validation resizes to, the begin of a schedule behind a warm-up (0), and pretrained weights (None). Files that differ
  in how long or how often they do things share a run; {runs} are distinct.
"""
COMPUTED = """\
- **Built**: and the state dict that MMSegmentation saved loads strictly. Files whose model part is equal share one
  comparison; {models} models are distinct.
- **Scores**: two images of {size[0]} x {size[1]} in evaluation mode, resized to {original[0]} x {original[1]}; where
  the file predicts in windows, also in windows of {crop} pixels, the stride in proportion. The difference is
  relative to the largest score. Equal means: it is below {scores:.0e} and every pixel gets the same class. In {bits}
  of {models} models the scores are equal bit by bit.
- **Several views**: {fused} models, one for each method, kind of window and way of resizing, predict through
  SegTTAModel from {views} views (two scales, each flipped): {views_wrong} pixels get another class.
- **Losses** of all heads and **gradients** of all parameters: {batch} images of {train[0]} x {train[1]} in training
  mode, a fifth of the pixels void, dropout 0. The difference is relative, for a gradient to the largest value of its
  tensor. Equal means below {losses:.0e} and {gradients:.0e}. Logged accuracies differ by {accuracy} points at most.
- What float32 leaves in doubt is computed again in float64 and must then agree to {exact:.0e}: {doubtful} of {models}
  models.
"""


def page(found: dict) -> tuple[str, list[str]]:
    """The page in Markdown, and what is not as it should be."""
    peer, own = found['sides']
    only = f', here {len(found["files"])} of them (--only)' if found['only'] else ''
    parts = [HEAD.format(peer=f'onedl-mmsegmentation {peer["version"]}', only=only)]
    faults: list[str] = []
    left_out = [part for part in PARTS if part not in found]
    if left_out:
        parts.append(f'This run left out: {", ".join(left_out)}.\n\n')
    parts += _files(found, faults)
    parts += report_checks.sections(found, faults)
    parts.append('\n## Machine and versions\n\n' + table(
        ['', *(side['name'] for side in found['sides'])],
        [['version', peer['version'], own['version']],
         *([name, peer['parts'][name], own['parts'][name]] for name in peer['parts'])]))
    parts.append(f'\n{machine()}; digest of segkit\'s code {found["state"]}\n')
    return ''.join(parts), faults


def _files(found: dict, faults: list[str]) -> list[str]:
    files, nets, runs = found['files'], found.get('models', {}), found.get('training', {})
    rows, reasons = [], Counter()
    examples: dict[str, str] = {}

    def fault(name: str, stage: str, why: str) -> None:
        reasons[f'{stage}: {why}'] += 1
        examples.setdefault(f'{stage}: {why}', name)

    folders = list(dict.fromkeys(name.split('/')[0] for name in files))
    for folder in [*folders, 'all']:
        names = [name for name in files if folder in ('all', name.split('/')[0])]
        rows.append(_row(folder, {name: files[name] for name in names}, nets, runs))
    for name, told in files.items():
        net, run = nets.get(told.get('key'), {}), runs.get(told.get('run'), {})
        if 'error' in told:
            fault(name, 'not loaded', told['error'])
            continue
        if not told['alike']:
            fault(name, 'read', 'MMSegmentation reads another model')
        if 'error' in net:
            fault(name, STAGES[net['stage']], net['error'])
        elif net:
            for what, equal in models.verdicts(net).items():
                if not equal:
                    fault(name, 'outputs', f'{what} differ')
        if run and not (run['trained'] and run['validated']):
            fault(name, 'trained' if run['trained'] else 'not trained', run.get('error', 'no finite loss or score'))
    head = ['folder', 'files', 'loaded', 'built', 'trained', 'validated', 'scores equal', 'largest difference',
            'losses equal', 'largest difference', 'gradients equal', 'largest difference']
    text = '## Files\n\n' + table(head, rows)
    text += LOADED.format(alike=sum(told.get('alike', False) for told in files.values()),
                          loaded=sum('error' not in told for told in files.values()))
    text += _computed(nets) if nets else ''
    text += TRAINED.format(runs=len(runs)) if runs else ''
    text += '\n### What does not work, by reason\n\n'
    if reasons:
        text += table(['reason', 'files', 'for example'],
                      [[why, str(count), examples[why]] for why, count in reasons.most_common()])
        faults.extend(f'{examples[why]}: {why}' for why in reasons)
    else:
        text += 'Nothing.\n'
    return [text]


def _row(folder: str, files: dict[str, dict], nets: dict, runs: dict) -> list[str]:
    found = [nets[told['key']] for told in files.values() if told.get('key') in nets]
    trained = [runs[told['run']] for told in files.values() if told.get('run') in runs]
    computed = [net for net in found if 'error' not in net]
    verdicts = [models.verdicts(net) for net in found]

    def largest(gaps: Iterable[float]) -> str:
        return number(max(gaps, default=0)) if computed else ''

    return [folder, str(len(files)), str(sum('error' not in told for told in files.values())),
            _count(found, lambda net: net.get('stage') not in ('build', 'weights', 'peer')),
            _count(trained, lambda run: run['trained']), _count(trained, lambda run: run['validated']),
            _count(verdicts, lambda verdict: verdict['scores']), largest(map(models.score_gap, computed)),
            _count(verdicts, lambda verdict: verdict['losses']), largest(map(models.loss_gap, computed)),
            _count(verdicts, lambda verdict: verdict['gradients']),
            largest(net['gradients']['gap'] for net in computed)]


def _count(items: list, holds: Any) -> str:
    return str(sum(map(holds, items))) if items else ''


def _computed(nets: dict) -> str:
    computed = [net for net in nets.values() if 'error' not in net]
    pairs = [pair for net in computed for name, pair in net['losses'].items() if 'acc' in name and None not in pair]
    fused = [net['views_classes'] for net in computed if 'views_classes' in net]
    return COMPUTED.format(
        models=len(nets), bits=sum(models.score_gap(net) == 0 for net in computed), fused=len(fused),
        views=len(inputs.VIEWS), views_wrong=sum(fused), doubtful=sum('double' in net for net in computed),
        size=inputs.EVAL_SIZE, original=inputs.EVAL_ORIGINAL, crop=inputs.SLIDE_CROP, batch=inputs.TRAIN_BATCH,
        train=inputs.TRAIN_SIZE, scores=models.SCORES, losses=models.LOSSES, gradients=models.GRADIENTS,
        exact=models.EXACT, accuracy=number(max((abs(a - b) for a, b in pairs), default=0)))
