"""How long predictions take: the network alone, and from files to classes."""
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Optional

import torch
from torch import nn

from segkit.engine.loader_processes import one_pass

WARM_UP = 5  # batches that are not timed; fewer where they take longer than WARM_UP_SECONDS
WARM_UP_SECONDS = 20.0
LONGEST = 30.0  # seconds after which a round ends, with at least LEAST batches
LEAST = 3
BUSY = 0.85  # share of a core below which the times are those of a busy machine
HALF = dict(cuda=('cuda', torch.float16), cpu=('cpu', torch.bfloat16))  # as in a test


@dataclass
class Timing:
    """Durations of batches.

    Attributes:
        seconds: Of each batch.
        images: In all of them.
        waiting: Seconds in which the network waited for data; None where there were none to wait for.
        worked: Seconds of processor time, of one thread on a CPU; None elsewhere.
    """
    seconds: list[float]
    images: int
    waiting: Optional[float] = None
    worked: Optional[float] = None

    @property
    def images_per_second(self) -> float:
        """Over the whole."""
        return self.images / sum(self.seconds)

    def facts(self) -> dict[str, Any]:
        """For programs: milliseconds of a batch, and images per second."""
        found = dict(median_ms=1e3 * statistics.median(self.seconds), min_ms=1e3 * min(self.seconds),
                     max_ms=1e3 * max(self.seconds), images_per_second=self.images_per_second,
                     batches=len(self.seconds))
        if self.waiting is not None:
            found['waiting_share'] = self.waiting / sum(self.seconds)
        if self.worked is not None:
            found['core_share'] = min(self.worked / sum(self.seconds), 1.0)
        return found

    def __str__(self) -> str:
        facts = self.facts()
        waited = f', {facts["waiting_share"]:.0%} of it waiting for data' if self.waiting is not None else ''
        if facts.get('core_share', 1.0) < BUSY:
            waited += f'; others used the machine: {facts["core_share"]:.0%} of a core was left'
        return (f'median {facts["median_ms"]:,.1f} ms ({facts["min_ms"]:,.1f} to {facts["max_ms"]:,.1f}) a batch, '
                f'{facts["images_per_second"]:,.2f} images/s, {facts["batches"]} batches{waited}')


def joined(rounds: list[Timing]) -> Timing:
    """Several rounds as one."""
    waits, works = ([getattr(one, name) for one in rounds] for name in ('waiting', 'worked'))
    return Timing([s for one in rounds for s in one.seconds], sum(one.images for one in rounds),
                  *(None if None in several else sum(several) for several in (waits, works)))


@contextmanager
def prepared(model: nn.Module, amp: bool, channels_last: bool) -> Iterator[None]:
    """Predictions inside run without gradients, in half precision or with channels last where that is wanted."""
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        if amp:
            stack.enter_context(torch.autocast(*HALF[next(model.parameters()).device.type]))
        if channels_last:
            model.to(memory_format=torch.channels_last)
            handle = model.backbone.register_forward_pre_hook(
                lambda module, given: (given[0].contiguous(memory_format=torch.channels_last), *given[1:]))
            stack.callback(handle.remove)
        yield


def now_on(device: torch.device) -> float:
    """Seconds of a clock, read when the device has done what it was given."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter()


def warm_up(step: Callable[[], Any], device: torch.device) -> float:
    """Take a few steps that do not count; returns the seconds that the first one took, compilation included."""
    start = now_on(device)
    step()
    first = now_on(device) - start
    for _ in range(WARM_UP - 1):
        if now_on(device) - start > WARM_UP_SECONDS:
            break
        step()
    return first


def time_network(model: nn.Module, inputs: torch.Tensor, number: int) -> Timing:
    """Time predictions of one prepared batch: network, resizing to the input's size, and the class of each pixel.

    Args:
        model: A segmentor in eval mode.
        inputs: (N, 3, H, W) as the preprocessor gives them, on the model's device.
        number: Batches; fewer where they take longer than half a minute.
    """
    return _timed(lambda: model.predict(inputs), inputs.device, number, len(inputs), LONGEST)


def _timed(step: Callable[[], Any], device: torch.device, number: int, images: int, longest: float) -> Timing:
    """Durations of a step that predicts ``images``, taken ``number`` times, or until ``longest`` seconds are over."""
    seconds: list[float] = []
    begun = before = now_on(device)
    used = time.process_time()
    while len(seconds) < number and (before - begun < longest or len(seconds) < LEAST):
        step()
        now = now_on(device)
        seconds.append(now - before)
        before = now
    alone = device.type == 'cpu' and torch.get_num_threads() == 1
    return Timing(seconds, len(seconds) * images, worked=time.process_time() - used if alone else None)


def in_turns(steps: Mapping[str, Callable[[], Any]], device: torch.device, rounds: int = 3,
             number: int = 10) -> dict[str, Timing]:
    """Time several ways to predict one image, round after round, so that a busy minute of the machine meets them all.

    Args:
        steps: Name to what predicts one image.
        device: Where they run.
        rounds: How often each has its turn.
        number: Images of a turn; fewer where they take longer than a share of half a minute.
    """
    for step in steps.values():
        warm_up(step, device)
    found: dict[str, list[Timing]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            found[name].append(_timed(step, device, number, 1, LONGEST / rounds))
    return {name: joined(several) for name, several in found.items()}


def time_with_data(model: nn.Module, loader: Any, number: int) -> Optional[Timing]:
    """Time what a test does with each batch, from waiting for it to its classes, after the first one.

    Args:
        model: A segmentor in eval mode.
        loader: Of the test data.
        number: Batches; fewer where the data end or half a minute is over.

    Returns:
        None where the data are a single batch.
    """
    device = next(model.parameters()).device
    seconds: list[float] = []
    images, waiting = 0, 0.0
    begun = before = None
    batches = one_pass(loader)
    for batch in batches:
        if batch is None:  # every image of it was skipped
            continue
        came = now_on(device)
        model.test_step(batch)
        now = now_on(device)
        if before is None:
            begun = before = now
            continue
        seconds.append(now - before)
        waiting += came - before
        images += len(batch['data_samples'])
        before = now
        if len(seconds) == number or (now - begun > LONGEST and len(seconds) >= LEAST):
            break
    batches.close()
    return Timing(seconds, images, waiting) if seconds else None
