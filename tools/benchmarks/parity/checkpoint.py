"""A checkpoint of MMSegmentation's own training, tested by tools/test.py with the file it was trained from."""
import os
import subprocess
import sys
from pathlib import Path
from typing import Optional

import torch
from answering import ONE_THREAD, ROOT, Answering

from parity.checkpoint_side import rows_of
from parity.trees import make_trees
from parity.work import Work

BASE = 'deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py'
ITERS, IMAGES = 300, 60


def compare_checkpoint(configs: Path, pack: Optional[Path], peer: Answering, work: Work) -> dict:
    """Train there, test on both sides.

    Args:
        configs: The folder of MMSegmentation's files.
        pack: The folder that SEGKIT_DATA names; None takes generated scenes.
        peer: MMSegmentation.
        work: The results that are there already, and a place for files.

    Returns:
        dict(told, there, here, old): where the photos come from, and the printed tables of MMSegmentation, of
        tools/test.py, and of tools/test.py for the same weights in a file of MMSegmentation 0.x's form.
    """
    key = 'pack' if pack else 'scenes'
    known = work.get('checkpoint', key)
    if known is not None:
        return known
    folders, told = make_trees(work.scratch / 'voc-trees', pack, IMAGES)
    print(f'a training of MMSegmentation: {ITERS} iterations, then {IMAGES} images tested on both sides', flush=True)
    folder = work.scratch / 'checkpoint'
    folder.mkdir()
    answer = peer.ask(dict(do='checkpoint', base=str(configs / BASE), root=folders['voc'], folder=str(folder),
                           iters=ITERS, images=IMAGES))
    if 'error' in answer:
        return answer
    old = folder / 'old.pth'
    _as_old_file(Path(answer['checkpoint']), old)
    return work.put('checkpoint', key, dict(
        told=told['voc'], there=answer['table'], here=_tested(answer['config'], answer['checkpoint']),
        old=_tested(answer['config'], str(old))))


def _tested(config: str, checkpoint: str) -> dict:
    """What tools/test.py prints for them; dict(error) where it ends with another status than 0."""
    command = [sys.executable, str(ROOT / 'tools' / 'test.py'), config, checkpoint, '--work-dir',
               str(Path(checkpoint).with_suffix('.test'))]
    run = subprocess.run(command, capture_output=True, text=True,
                         env={**os.environ, **ONE_THREAD, 'PYTHONPATH': str(ROOT)})
    return rows_of(run.stdout) if run.returncode == 0 else dict(error=' '.join(run.stderr.split())[-300:])


def _as_old_file(source: Path, target: Path) -> None:
    """The same weights with the keys that files of MMSegmentation 0.x have."""
    from segkit.checkpoint import load_file
    loaded = load_file(str(source))
    named = loaded['meta']['dataset_meta']
    torch.save(dict(meta=dict(CLASSES=named['classes'], PALETTE=named['palette'], epoch=1, iter=ITERS),
                    state_dict=loaded['state_dict']), target)
