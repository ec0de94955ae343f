"""One system, in a process of its own: counted, trained, looked at, evaluated; the record is written as JSON.

    python tools/benchmarks/systems/side.py NAME --work-dir DIR --iterations 20 --record FILE
"""
import argparse
import copy
import json
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from systems import data, overfit, reduce, start  # noqa: E402
from systems.facts import BY_NAME, SYSTEMS, System  # noqa: E402
from systems.watch import Watch  # noqa: E402


def parameters_of(cfg: Any) -> int:
    """Of the whole network at its size, which is not allocated."""
    import torch

    from segkit.registry import MODELS
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    return sum(value.numel() for value in model.parameters())


def main(argv: Optional[list[str]] = None) -> None:
    """Run one system from the command line; the folder to run in holds what :func:`data.prepare` made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('name', choices=BY_NAME)
    parser.add_argument('--iterations', type=int, required=True)
    parser.add_argument('--record', type=Path, required=True)
    args = parser.parse_args(argv)
    system = BY_NAME[args.name]
    begun = time.monotonic()
    record = run(system, args.iterations)
    record.update(name=system.name, seconds=time.monotonic() - begun,
                  cpu_seconds=sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
                  memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    args.record.write_text(json.dumps(record, indent=1))


def run(system: System, iterations: int) -> dict[str, Any]:
    """Count a system's parameters and, where it has a recipe of its own, train and evaluate it in this folder."""
    from segkit.config import load_config
    cfg = load_config(system.path)
    record: dict[str, Any] = dict(parameters=parameters_of(cfg), faults=[])
    if record['parameters'] != system.parameters:
        record['faults'].append(f"{record['parameters']:,} parameters, expected {system.parameters:,}")
    if system.recipe is None:
        if cfg.load_from is not None and Path(cfg.load_from).name not in {one.stem for one in SYSTEMS}:
            record['faults'].append(f'load_from is {cfg.load_from!r}, the run folder of no source system')
        return record
    expected = None if system.after is None else f'work_dirs/{BY_NAME[system.after].stem}'
    if cfg.load_from != expected:
        record['faults'].append(f'load_from is {cfg.load_from!r}, expected {expected!r}')
    full = cfg.train_dataloader.batch_size * cfg.optim_wrapper.get('accumulative_counts', 1)
    pack = data.pack_of_environment()
    reduce.reduced(cfg, iterations, small_photos=pack is None or system.data == 'cityscapes')
    record['images'] = cfg.train_dataloader.batch_size * cfg.optim_wrapper.get('accumulative_counts', 1)
    record['images_of_recipe'] = full
    cfg.work_dir = f'work_dirs/{system.stem}'
    if system.after is None:
        file = Path(f'{system.name}.pth')
        clock = time.monotonic()
        record['start'] = start.first_weights(system, cfg, pack, file)
        record['seconds_of_start'] = time.monotonic() - clock
        cfg.load_from = str(file)
    else:
        record['start'] = f'run of {system.after}'
    trained = train(system, cfg, iterations, record)
    if system.overfits:
        record['overfit'] = overfit.overfit(*trained)
        record['faults'] += record['overfit'].pop('faults')
    return record


def train(system: System, cfg: Any, iterations: int, record: dict[str, Any]) -> tuple[Any, dict]:
    """Train and evaluate; returns the model and the batch to overfit."""
    from segkit.engine import SegRunner
    from segkit.engine.last_checkpoint import find_last_checkpoint
    from segkit.engine.run_state import bare
    runner = SegRunner.from_cfg(copy.deepcopy(cfg))
    watch = Watch(system, iterations)
    runner.register_hook(watch, priority='VERY_LOW')
    clock = time.monotonic()
    runner.train()
    record.update(losses=(watch.losses[0], watch.losses[-1]), steps=len(watch.losses), learning=watch.learning,
                  seconds_of_training=time.monotonic() - clock)
    record['faults'] += watch.faults
    if system.after is not None:
        record['faults'] += same_start(watch, BY_NAME[system.after])
    judge(record, 'evaluation', runner.val_loop, system, cfg.val_dataloader.dataset)
    if system.tta:
        clock = time.monotonic()
        tester = with_tta(cfg, system)
        tester.test()
        judge(record, 'tta', tester.test_loop, system, cfg.val_dataloader.dataset)
        record['seconds_of_tta'] = time.monotonic() - clock
    if any(one.after == system.name and one.frozen for one in SYSTEMS):
        record['settled'] = True
        start.settle(find_last_checkpoint(cfg.work_dir), bare(runner.model), cfg)
    return bare(runner.model), watch.batch


def with_tta(cfg: Any, system: System) -> Any:
    """A runner that tests the run's checkpoint with test-time augmentation, as test.py --tta does."""
    from segkit.apis.test import prepare
    from segkit.engine import SegRunner
    from segkit.engine.last_checkpoint import find_last_checkpoint
    checkpoint = find_last_checkpoint(cfg.work_dir)
    cfg = reduce.with_views(copy.deepcopy(cfg))
    prepare(cfg, argparse.Namespace(config=str(system.path), checkpoint=checkpoint, out=None, save_probs=None,
                                    crf=False, show_dir=None, tta=True))
    return SegRunner.from_cfg(cfg)


def judge(record: dict[str, Any], what: str, loop: Any, system: System, dataset: dict) -> None:
    """Note what an evaluation counted, and what is wrong with it."""
    report = loop.evaluator.metrics[0].last_report
    counted, expected = int(report.confusion.sum()), data.labelled_pixels(dataset, system.data, reduce.PHOTOS)
    record[what] = dict(images=report.images, pixels=counted, protocol=report.protocol,
                        mIoU=float(report.means['mIoU']))
    if report.images != reduce.PHOTOS or counted != expected:
        record['faults'].append(f'{what}: {counted:,} pixels of {report.images} photos were counted, expected '
                                f'{expected:,} of {reduce.PHOTOS}')
    if not all(math.isfinite(report.means[name]) for name in ('mIoU', 'aAcc')):
        record['faults'].append(f"{what}: mIoU {report.means['mIoU']}, aAcc {report.means['aAcc']}")


def same_start(watch: Watch, before: System) -> list[str]:
    """Compare what a phase started from with the last checkpoint of the one before, bit by bit."""
    import torch

    from segkit.checkpoint import load_file
    from segkit.engine.last_checkpoint import find_last_checkpoint
    saved = load_file(find_last_checkpoint(f'work_dirs/{before.stem}'))['state_dict']
    same = saved.keys() == watch.start.keys() and all(torch.equal(saved[key], watch.start[key]) for key in saved)
    return [] if same else [f'it did not start from the last checkpoint of {before.name}']


if __name__ == '__main__':
    main()
