"""Probabilities of a test as files, for post-processing that is tried without the network."""
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import FUNCTIONS

from segkit.engine.run_folder import write_bytes
from segkit.errors import ConfigError, DataError
from segkit.registry import HOOKS

INDEX = 'index.json'


@HOOKS.register_module()
class SaveProbabilitiesHook(Hook):
    """Writes the probabilities of each image of a test, at the photo's own size and before any post-processing.

    With test-time augmentation they are those that the views' mean gives. Each image becomes NAME.npy, (K, H, W)
    float16: 8 MB for 21 classes at 500x375. tools/analysis/crf.py reads such files, and beside them index.json: the
    threshold of a binary head, the label that is not counted, and for each file its photo, its mask and how both are
    read.

    Args:
        out_dir: The folder, for nothing else.

    Raises:
        ConfigError: If the folder holds probabilities.
        DataError: If two images have one name.
    """

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir)
        self._written: set[str] = set()

    def before_test(self, runner: Any) -> None:
        """Ask the network for its scores."""
        model = _predictor(runner.model)
        segmentor = getattr(model, 'module', model)  # test-time augmentation is around it
        if not hasattr(model, 'probabilities') or not isinstance(getattr(segmentor, 'test_cfg', None), dict):
            raise ConfigError(f'SaveProbabilitiesHook: {type(model).__name__} gives no probabilities; it needs an '
                              'EncoderDecoder, or SegTTAModel around one.')
        segmentor.test_cfg['keep_logits'] = True
        self._written.clear()
        other = other_content(self.out_dir)
        barrier()  # ahead of what any process writes
        if other is not None:
            raise ConfigError(other)
        if is_main_process():
            self._write_index(runner.test_loop, getattr(segmentor, 'decode_head', None))

    def _write_index(self, loop: Any, head: Any) -> None:
        """Write what will be in the folder, ahead of it, so that a test that was stopped has it too."""
        ways, samples = FUNCTIONS.get('sample_files')(loop.dataloader.dataset)
        files: dict[str, dict] = {}
        for sample in samples:
            name = Path(sample['img_path']).stem
            if f'{name}.npy' in files:
                raise _taken(sample['img_path'], name)
            files[f'{name}.npy'] = sample
        voids = [metric.ignore_index for metric in loop.evaluator.metrics if hasattr(metric, 'ignore_index')]
        voids += [way['labels']['ignore_index'] for way in ways]
        index = dict(classes=(loop.evaluator.dataset_meta or {}).get('classes'),
                     threshold=getattr(head, 'threshold', None), ignore_index=(voids or [255])[0],  # the metric's rules
                     ways=ways, files=files)
        write_bytes(self.out_dir / INDEX, json.dumps(index, indent=1).encode())

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                        outputs: Optional[Sequence] = None) -> None:
        """Write the batch's probabilities."""
        for sample in outputs or ():
            name = Path(sample.img_path).stem
            if name in self._written or (self.out_dir / f'{name}.npy').exists():  # by another process
                raise _taken(sample.img_path, name)
            self._written.add(name)
            found = _predictor(runner.model).probabilities(sample.seg_logits.data)
            file = io.BytesIO()
            np.save(file, found.to('cpu', torch.float16).numpy())
            write_bytes(self.out_dir / f'{name}.npy', file.getvalue())

    def after_test(self, runner: Any) -> None:
        """Say where they are, how many, and how large."""
        barrier()  # the other processes' too
        sizes = [path.stat().st_size for path in self.out_dir.glob('*.npy')]
        if is_main_process():
            runner.logger.info(f'probabilities of {len(sizes)} photo{"" if len(sizes) == 1 else "s"} saved in '
                               f'{self.out_dir}: {sum(sizes) / 1e6:,.1f} MB, and {INDEX}')


def other_content(folder: Path) -> Optional[str]:
    """Why a test's probabilities must not go into a folder: it holds some already, or something else; None if they
    may."""
    there = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
    saved = [name for name in there if name.endswith('.npy')]
    if saved:
        return (f'{folder} holds probabilities already, such as {saved[0]}, which would be taken for those of this '
                'test.\nName another folder, or remove them.')
    other = next((name for name in there if name != INDEX  # ours is left by a test that was stopped early
                  or '"ways"' not in (folder / name).read_text(errors='replace')), None)
    if other is not None:
        return (f'{folder} holds something else, such as {other}.\nThe probabilities need a folder of their own: name '
                'a new one.')
    return None


def _taken(path: str, name: str) -> DataError:
    return DataError(f'{path}: another image is called {name} too, and the probabilities of both would be written to '
                     f'{name}.npy.\nTest the folders one by one.')


def _predictor(model: Any) -> Any:
    """What knows how scores become probabilities: the segmentor or the test-time augmentation, out of DDP."""
    while not hasattr(model, 'probabilities') and hasattr(model, 'module'):
        model = model.module
    return model
