"""What the real run will cost: measured where it can be, else extended from small steps.

Time on a CPU: steps of two sizes are timed, and a line through them over their floating-point operations is extended
to the operations of the real step; a real step that is short is timed itself. One process of one thread is timed by the
processor time it used, so that others on the machine do not count; what they took is said beside it. Reading the data
is timed with the real pipeline in this process; loader processes hide it as far as the training leaves cores free.

Memory on a CPU: the allocations of a real step, counted on tensors without values (see
:mod:`segkit.engine.step_simulation`), and beside them what the process had before, the optimizer's state, averaged
weights, and the gradient buckets of several processes. Left out: the allocator's reserve, loader processes, the
validation.

Compared with real steps on one core of a busy machine (processor time; peak of the resident memory): scenes 128x128
0.17 s and 0.95 GB, estimated 0.16 s and 0.84 GB; CamVid 256x256 0.82 s and 1.31 GB, estimated 0.78 s and 1.09 GB; R50
512x512, batch 2, 23.6 s and 4.74 GB, estimated 22.1 to 23.2 s and 4.06 GB.

On CUDA at full size both are measured: the shortest of five steps behind the first two, and the allocator's peak.
"""
import os
import time
from dataclasses import dataclass, field
from typing import Any, Optional

import torch
from mmengine.dist import broadcast_object_list
from mmengine.registry import DefaultScope
from torch import nn

from segkit.apis.dry_run_facts import Facts
from segkit.cores import usable_cores
from segkit.engine import run_state
from segkit.engine.shape_trace import Stair
from segkit.engine.small_batch import IMAGES, SIDE, network_size, shrunk, small_size, stride_of
from segkit.engine.step_simulation import StepSimulation

ROOM = 36.0  # seconds from the start to the end of what is timed
LONGEST = 5.0  # seconds of a timed step
FULL_STEPS = 5
NO_END = 10**9

Shape = tuple[int, ...]  # (N, C, H, W) as the network sees it


@dataclass
class Measured:
    """What was timed.

    Attributes:
        real: Shape of the real step.
        steps: (shape, seconds) of each timed step, the smaller first.
        peak_bytes: The most that the CUDA allocator gave out; None on a CPU.
        share: Of its core, what the process got; 1 where that cannot be told.
    """

    real: Shape
    steps: list[tuple[Shape, float]] = field(default_factory=list)
    peak_bytes: Optional[int] = None
    share: float = 1.


@dataclass
class Costs:
    """What the real run will cost.

    Attributes:
        step_seconds: Of an iteration whose data are there.
        read_seconds: What reading the data adds to it.
        basis: How the time was found, in words.
        memory: What the peak consists of, in bytes, by name.
        stairs: The network's shapes in a real step; empty where nothing was simulated.
        fault: Why nothing was; empty where it was.
        share: Of its core, what the process got while it was timed.
        load: Programs that ran or waited, for each core, in the last minute; this one is among them.
    """

    step_seconds: float
    read_seconds: float
    basis: str
    memory: dict[str, float]
    stairs: list[Stair]
    fault: str = ''
    share: float = 1.
    load: float = 1.


def measure(runner: Any, batch: dict, reduced: bool, started: float) -> Measured:
    """Time training steps of a runner; all processes have to call this.

    Args:
        runner: One whose model has taken a step.
        batch: A real training batch.
        reduced: Whether to take small steps, of two sizes, instead of real ones.
        started: When the dry run began, in seconds of ``time.perf_counter``.
    """
    model = run_state.bare(runner.model)
    size = network_size(model.data_preprocessor, batch, training=True)
    channels = batch['inputs'][0].shape[0]
    found = Measured((len(batch['inputs']), channels, *size))
    # Where gradients accumulate, the wrapper counts the run's iterations, and what is timed here may be beyond them.
    for wrapper in _wrappers(runner.optim_wrapper):
        wrapper.initialize_count_status(nn.Identity(), 0, NO_END)
    if not reduced:
        _seconds(runner, batch)
        seconds, found.share = min(_seconds(runner, batch) for _ in range(FULL_STEPS))
        found.steps.append((found.real, seconds))
        if torch.cuda.is_available():
            found.peak_bytes = torch.cuda.max_memory_allocated()
        return found

    def timed(shape: Shape) -> None:
        with shrunk(model, batch, True, shape[2:], shape[0]) as small:
            _seconds(runner, small)  # the first step of a shape prepares its kernels
            seconds, found.share = min(_seconds(runner, small) for _ in range(2))
            found.steps.append((shape, seconds))

    stride = stride_of(model)
    first = (min(IMAGES, len(batch['inputs'])), channels, *small_size(size, stride))
    timed(first)
    left = ROOM - (time.perf_counter() - started)
    second = [_second(first, found.real, found.steps[0][1] / found.share, left, stride)]
    broadcast_object_list(second)
    if second[0] != first:
        timed(second[0])
    found.steps.sort(key=lambda step: _pixels(step[0]))
    return found


def _wrappers(wrapper: Any) -> list:
    """The wrapper, or the ones of several optimizers."""
    return list(wrapper.optim_wrappers.values()) if hasattr(wrapper, 'optim_wrappers') else [wrapper]


def _second(first: Shape, real: Shape, seconds: float, room: float, stride: int) -> Shape:
    """The second shape to time: as large as time allows, at most the real one; a smaller or no other without time."""
    if room < 3 * seconds / 4:  # three steps of the smaller one
        return first
    factor = min(LONGEST, room / 3) / seconds  # three steps of it will be taken
    if factor * _pixels(first) >= _pixels(real):
        return real
    side = SIDE * factor**0.5 if factor > 1.5 else SIDE / 2
    return (*first[:2], *small_size(real[2:], stride, round(side)))


def _pixels(shape: Shape) -> int:
    return shape[0] * shape[2] * shape[3]


def _seconds(runner: Any, batch: dict) -> tuple[float, float]:
    """Seconds of a training step, the update included, and the share of its core that the process got.

    One process of one thread never waits for another, so its processor time is what it takes on a core of its own.
    """
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start, used = time.perf_counter(), time.process_time()
    runner.model.train_step(batch, optim_wrapper=runner.optim_wrapper)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds, used = time.perf_counter() - start, time.process_time() - used
    alone = not torch.cuda.is_available() and torch.get_num_threads() == 1 and runner.world_size == 1
    return (used, min(used / seconds, 1.)) if alone else (seconds, 1.)


def estimate(cfg: Any, measured: Measured, facts: Facts, process_bytes: float, read_seconds: float) -> Costs:
    """Extend what was measured to a real step; in one process, behind the end of the process group.

    Args:
        cfg: The config of the run.
        measured: What was timed.
        facts: What the runner knew.
        process_bytes: Memory of this process before anything was built.
        read_seconds: Of reading a batch in this process.
    """
    costs, stairs, fault, weights, peak = {}, [], '', 0, 0
    if measured.peak_bytes is None:
        try:
            with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'segkit'):
                simulation = StepSimulation(cfg.model, 'cpu', facts.amp_dtype, cfg.get('activation_checkpointing'))
                for shape in {measured.real, *(shape for shape, _ in measured.steps)}:
                    costs[shape] = simulation.step(shape)
            stairs = costs[measured.real].stairs
            weights, peak = costs[measured.real].weight_bytes, costs[measured.real].peak_bytes
        except Exception as error:  # a part of one's own may ask for values, which this step does not have
            costs, fault = {}, f'{type(error).__name__}: {str(error).splitlines()[0][:100] if str(error) else ""}'
    work = {shape: costs[shape].flops if costs else _pixels(shape)
            for shape in [measured.real, *(shape for shape, _ in measured.steps)]}
    seconds, basis = _extended(measured, work, 'operations' if costs else 'pixels')
    if measured.peak_bytes is not None:
        memory = {'measured peak of the GPU': float(measured.peak_bytes)}
    elif costs:
        memory = {'activations and gradients': peak - weights, 'weights': weights,
                  'optimizer': facts.optimizer_bytes, 'averaged weights': facts.averaged_bytes,
                  'gradient buckets': facts.trainable_bytes if facts.processes > 1 else 0,
                  'Python and libraries': process_bytes}
    else:
        memory = {}
    return Costs(seconds, _reading(read_seconds, seconds, facts), basis,
                 {name: value for name, value in memory.items() if value}, stairs, fault, measured.share,
                 os.getloadavg()[0] / usable_cores() if hasattr(os, 'getloadavg') else 1.)


def _extended(measured: Measured, work: dict[Shape, int], unit: str) -> tuple[float, str]:
    """Seconds of a real step, and how they were found."""
    known = dict(measured.steps)
    if measured.real in known:
        return known[measured.real], 'measured at the real size'
    shown = ' and '.join(f'{seconds:.2f} s for {"x".join(map(str, shape))}' for shape, seconds in measured.steps)
    shapes = [shape for shape, _ in measured.steps]
    least, most = shapes[0], shapes[-1]
    slope = (known[most] - known[least]) / (work[most] - work[least]) if len(shapes) > 1 else 0.
    if slope <= 0 or slope * work[least] > known[least]:
        slope = known[most] / work[most]
    seconds = known[most] + slope * (work[measured.real] - work[most])
    return seconds, f'{shown}, extended to {work[measured.real] / work[most]:.1f} x the {unit}'


def _reading(read: float, step: float, facts: Facts) -> float:
    """Seconds that reading a batch adds to a step."""
    if facts.workers == 0:
        return read
    free = usable_cores() // int(os.environ.get('LOCAL_WORLD_SIZE', 1)) - (1 if torch.cuda.is_available() else
                                                                  torch.get_num_threads())
    hiding = min(facts.workers, free)
    return max(read / hiding - step, 0.) if hiding > 0 else read

