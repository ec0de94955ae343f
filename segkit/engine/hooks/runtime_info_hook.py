"""Puts iteration, learning rate and losses where the rest of a run reads them."""
import math
from typing import Any, Optional

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import RuntimeInfoHook as MMEngineRuntimeInfoHook

from segkit.errors import SegkitError
from segkit.registry import HOOKS

LONGEST_WINDOW = 10000  # iterations that the message hub remembers of each number


@HOOKS.register_module()
class RuntimeInfoHook(MMEngineRuntimeInfoHook):
    """Records losses in the message hub at the iterations that are logged.

    Reference: MMEngine's hook of this name. That one asks the device for each loss at each iteration, which makes
    the CPU wait for the GPU; here the losses of an interval are asked for at once. The config is not copied into
    the message hub, which remembers the latest 10,000 values of each number: MMEngine's remembers a million and copies
    them all at each step. A loss that is not finite ends the run, with the last checkpoints untouched.

    Raises:
        SegkitError: At a logged iteration, if a loss since the last one was NaN or infinite.
    """

    def before_run(self, runner: Any) -> None:
        """Record seed and name of the run."""
        runner.message_hub.update_info_dict(dict(seed=runner.seed, experiment_name=runner.experiment_name))
        self.last_loop_stage = None
        self._pending: list[tuple[int, dict]] = []

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Keep the losses of an iteration, scalars by name, and record them where the iteration is logged."""
        if outputs:
            values = {k: v.detach() if isinstance(v, torch.Tensor) else torch.tensor(v) for k, v in outputs.items()}
            self._pending.append((runner.iter + 1, values))
        if runner.is_logged_iter():
            self.record(runner)

    def record(self, runner: Any) -> None:
        """Record what is pending; all processes have to call this at the same iteration.

        The checkpoint hook does so before it saves: the log in the file is then complete, and weights that a loss
        which is not finite has spoilt never replace good ones.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return
        flat = torch.stack([value.float().reshape(()) for _, values in pending for value in values.values()])
        all_reduce(flat, op='mean')  # over the processes
        numbers = iter(flat.tolist())
        for iteration, values in pending:
            for name in values:
                number = next(numbers)
                if 'loss' in name and not math.isfinite(number):
                    raise SegkitError(
                        f'{name} is {number} at iteration {iteration}; training stopped and no checkpoint was written '
                        'after it.\nLower optim_wrapper.optimizer.lr, set optim_wrapper.clip_grad=dict(max_norm=1.0), '
                        'or train without --amp.')
                runner.message_hub.update_scalar(f'train/{name}', number)
        for history in runner.message_hub.log_scalars.values():
            history.max_length = LONGEST_WINDOW
