"""Puts iteration, learning rate and losses where the rest of a run reads them."""
import math
import re
from typing import Any, Optional

import torch
from mmengine.dist import all_gather_object, all_reduce, get_world_size
from mmengine.hooks import RuntimeInfoHook as MMEngineRuntimeInfoHook
from mmengine.runner import BaseLoop

from segkit.engine.amp_optim_wrapper import AmpOptimWrapper
from segkit.engine.last_checkpoint import find_last_checkpoint
from segkit.engine.run_state import bare
from segkit.engine.stop_request import how_to_resume, typed_words
from segkit.errors import SegkitError
from segkit.registry import HOOKS

LONGEST_WINDOW = 10000  # iterations that the message hub remembers of each number
NAMED = 4  # images in a message


@HOOKS.register_module()
class RuntimeInfoHook(MMEngineRuntimeInfoHook):
    """Records losses in the message hub at the iterations that are logged.

    Reference: MMEngine's hook of this name. That one asks the device for each loss at each iteration, which makes
    the CPU wait for the GPU; here the losses of an interval are asked for at once. The config is not copied into
    the message hub, which remembers the latest 10,000 values of each number: MMEngine's remembers a million and copies
    them all at each step. A loss that is not finite ends the run and names the images it comes from, with the last
    checkpoints untouched. (A gradient that is not finite is no error: a dynamic loss scale leaves that update out.)

    Raises:
        SegkitError: At a logged iteration, or in front of a checkpoint or a validation, if a loss since the last was
            NaN or infinite.
    """

    def before_run(self, runner: Any) -> None:
        """Record seed and name of the run."""
        runner.message_hub.update_info_dict(dict(seed=runner.seed, experiment_name=runner.experiment_name))
        self.last_loop_stage = None
        self._pending: list[tuple[int, dict, list[str]]] = []  # iteration, numbers, images

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Keep the losses of an iteration, scalars by name, and record them where the iteration is logged."""
        if outputs:
            device = next((v.device for v in outputs.values() if isinstance(v, torch.Tensor)), None)
            values = {k: v.detach() if isinstance(v, torch.Tensor) else torch.tensor(v, device=device)
                      for k, v in outputs.items()}
            self._pending.append((runner.iter + 1, values, _images(data_batch)))
        if runner.is_logged_iter():
            self.record(runner)

    def before_val_epoch(self, runner: Any) -> None:
        """In a training, refuse to validate spoilt weights: their scores say nothing, and the first would be the best.

        This hook's priority lets it see the trained weights, before EMAHook puts its average in their place.
        """
        if isinstance(runner._train_loop, BaseLoop) and runner.iter:
            self.record(runner)
            self.check_weights(runner)

    def record(self, runner: Any) -> None:
        """Record what is pending; all processes have to call this at the same iteration.

        The checkpoint hook does so before it saves: the log in the file is then complete, and weights that a loss
        which is not finite has spoilt never replace good ones.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return
        flat = torch.stack([value.float().reshape(()) for _, values, _ in pending for value in values.values()])
        own = flat.clone()
        all_reduce(flat, op='mean')  # over the processes
        numbers = iter(enumerate(flat.tolist()))
        for iteration, values, images in pending:
            for name in values:
                place, number = next(numbers)
                if 'loss' in name and not math.isfinite(number):
                    culprits = images if not math.isfinite(own[place]) else None
                    raise SegkitError(f'{name} is {number} at iteration {iteration}{_whose(culprits)}.\n'
                                      + _what_to_do(runner))
                runner.message_hub.update_scalar(f'train/{name}', number)
        for history in runner.message_hub.log_scalars.values():
            history.max_length = LONGEST_WINDOW

    def check_weights(self, runner: Any) -> None:
        """Refuse weights that are not finite, which the latest update may leave though its loss was finite.

        It is asked before a checkpoint and before a validation, and takes as long as reading the weights once.

        Raises:
            SegkitError: If a weight is NaN or infinite.
        """
        finite = [weight.detach().isfinite().all() for weight in bare(runner.model).parameters()]
        if finite and not bool(torch.stack(finite).all()):  # the same in all processes, which update alike
            raise SegkitError('weights are NaN or infinite after the update of the latest iteration, whose loss was '
                              f'finite; they are neither validated nor saved.\n{_what_to_do(runner)}')


def _images(batch: Any) -> list[str]:
    samples = batch.get('data_samples') if isinstance(batch, dict) else None
    return [str(getattr(sample, 'img_path', '?')) for sample in samples or []]


def _whose(images: Optional[list[str]]) -> str:
    """The processes whose loss it was, with their images; all processes have to ask."""
    found = [(rank, names) for rank, names in enumerate(all_gather_object(images)) if names is not None]
    texts = []
    for rank, names in found:
        more = f' and {len(names) - NAMED} more' if len(names) > NAMED else ''
        where = f' in process {rank} of {get_world_size()}' if get_world_size() > 1 else ''
        if names:
            texts.append(f'{where}; its images: {", ".join(names[:NAMED])}{more}')
        else:
            texts.append(where)
    return ''.join(texts[:2]) + (f' and {len(texts) - 2} more processes' if len(texts) > 2 else '')


def _what_to_do(runner: Any) -> str:
    ways = ['Lower optim_wrapper.optimizer.lr', 'set optim_wrapper.clip_grad=dict(max_norm=1.0)']
    if isinstance(getattr(runner, 'optim_wrapper', None), AmpOptimWrapper):
        ways.append("train in float32 (no --amp, optim_wrapper.type='OptimWrapper')")
    advice = f'{", ".join(ways[:-1])}{"," if len(ways) > 2 else ""} or {ways[-1]}'
    try:
        checkpoint = find_last_checkpoint(runner.work_dir)
    except SegkitError:
        return f'{advice}. No checkpoint was saved so far.'
    # The rate of the command line would be taken again; it is the user's to choose another.
    rates = [word for word in typed_words() or [] if re.match(r'([\w.]+\.)?lr=', word)]
    instead = f' with another value in place of {rates[-1]}' if rates else ''
    return (f'The last good checkpoint is kept: {checkpoint}\n{advice}; then{instead}\n'
            f'{how_to_resume(runner, checkpoint)}')
