"""A runner's checkpoints: loaded, gone on from, saved."""
import copy
from collections.abc import Callable
from typing import Any, Optional, Union

from mmengine.dist import broadcast_object_list
from mmengine.runner import BaseLoop

from segkit import checkpoint as files
from segkit.engine import class_weights, run_state
from segkit.engine.checks import same_function
from segkit.engine.full_disk import way_on
from segkit.engine.last_checkpoint import find_start, find_whole_checkpoint, is_run_folder
from segkit.engine.loops.epoch_based_train_loop import EpochBasedTrainLoop
from segkit.engine.resumed_rates import FreshState, rate
from segkit.errors import CheckpointError, SegkitError


def load(runner: Any, filename: str, map_location: Union[str, Callable] = 'cpu', strict: bool = True) -> dict:
    """Load weights into a runner's model and return the whole checkpoint.

    Args:
        runner: The runner.
        filename: A file, a URL, or a name such as 'torchvision://resnet50'.
        map_location: Where the tensors go first.
        strict: Whether each key has to be there and to fit.

    Raises:
        CheckpointError: If it cannot be read, or does not fit the model or the classes of the data.
    """
    checkpoint = files.load_file(filename, map_location=map_location)
    runner.call_hook('after_load_checkpoint', checkpoint=checkpoint)
    if runner._resume and run_state.take_trained_weights(checkpoint):  # EMAHook would have taken it
        runner.logger.warning(f'{filename} holds an average of the weights (EMAHook), which this config does not keep '
                              'up; the run goes on from the weights that were trained.')
    other_classes = _compare_classes(runner, checkpoint, filename)
    weights, model = files.state_dict_of(checkpoint, filename), run_state.bare(runner.model)
    if strict and isinstance(runner._train_loop, BaseLoop) and not runner._resume:
        _compare_classifiers(files.compare(model, weights), model, filename)
    report = files.load_weights(model, weights, strict, source=filename)
    runner._has_loaded = True
    if other_classes:
        runner.logger.warning(f'{other_classes} The weights are loaded all the same.')
    difference = same_function.difference(checkpoint, runner.cfg.get('model'), filename) if report.ok else None
    if difference:
        runner.logger.warning(difference)
    runner.logger.info(f'{len(report.fitting)} tensors from {filename}')
    return checkpoint


def _compare_classifiers(report: files.KeyReport, model: Any, filename: str) -> None:
    """Refuse weights for other classes, with the way to train on: the file's number is not what the data have."""
    classes = report.other_classes
    if classes is not None:
        report.cause = (f'The file has {classes[0]} classes, the model {classes[1]}. Start from its backbone: leave '
                        "load_from out, and type\n--cfg-options \"model.backbone.init_cfg={'type': 'Pretrained', "
                        f"'checkpoint': '{filename}', 'prefix': 'backbone.'}}\"")
        raise CheckpointError(report.text(filename, type(model).__name__))


def _compare_classes(runner: Any, checkpoint: dict, filename: str) -> Optional[str]:
    """Refuse other classes than the data have; for fine-tuning, return what is to be said of them."""
    for name in ('train', 'val', 'test'):
        loop = getattr(runner, f'_{name}_loop')
        if isinstance(loop, BaseLoop):
            ours = (getattr(loop.dataloader.dataset, 'metainfo', None) or {}).get('classes')
            theirs = (run_state.dataset_meta_of(checkpoint) or {}).get('classes')
            difference = run_state.other_classes(theirs, ours, filename)
            if difference is None:
                continue
            if name == 'train' and not runner._resume:  # fine-tuning on other data is what load_from is for
                return difference
            raise CheckpointError(f'{difference}\nUse the checkpoint and the dataset of one config, or name the '
                                  f"classes as the checkpoint does: {name}_dataloader.dataset.metainfo.")
    return None


def source(runner: Any) -> Optional[str]:
    """The checkpoint that a run starts or goes on from: the first process looks, the others are told.

    A folder in ``load_from``, of the phase before, is where a run starts; a resumed one goes on from its own.

    Raises:
        SegkitError: On each process, if there is none where there has to be one.
    """
    given = runner._load_from
    own = runner._resume and runner._train_loop is not None and (given is None or is_run_folder(given))
    if not own and not is_run_folder(given):
        return given
    told: list = [None]
    if runner.rank == 0:
        find, folder = (find_whole_checkpoint, runner.work_dir) if own else (find_start, given)
        try:
            told = [find(folder, runner.logger.warning)]
        except SegkitError as error:
            told = [error]
    broadcast_object_list(told)
    if isinstance(told[0], SegkitError):
        raise told[0]
    return told[0]


def resume(runner: Any, filename: str, resume_optimizer: bool = True, resume_param_scheduler: bool = True,
           map_location: Union[str, Callable] = 'cpu') -> None:
    """Go on from a checkpoint: weights, optimizer, schedules, log, iteration and seed.

    Where the config says other hyperparameters or schedules than the checkpoint was saved with, the config's take
    effect: the run goes on at what a run with this config from its start would have there.

    Args:
        runner: The runner.
        filename: A full checkpoint.
        resume_optimizer: Whether the optimizer's state is taken over.
        resume_param_scheduler: Whether the state of the learning-rate schedules is taken over.
        map_location: Where the tensors go first.

    Raises:
        CheckpointError: If it is weights only, does not fit, or was trained with another total batch or accumulation.
    """
    runner._resume = True  # also where a person calls this: nothing is initialised after it
    checkpoint = runner.load_checkpoint(filename, map_location)
    meta = checkpoint.get('meta', {})
    if resume_optimizer and 'optimizer' not in checkpoint:
        raise CheckpointError(f'{filename} holds weights only; a run cannot go on from it.\n'
                              'Resume from iter_N.pth, or start from these weights with load_from and no --resume.')
    _compare_batches(runner, meta, filename)
    _take_seed(runner, meta.get('seed'), filename)
    _compare_lengths(runner, meta)
    class_weights.compare(runner, meta)
    if hasattr(runner.train_loop, 'go_on'):
        runner.train_loop.go_on(meta)
    else:  # one of MMEngine's or the user's
        runner.train_loop._epoch, runner.train_loop._iter = meta['epoch'], meta['iter']
    run_state.restore_log(runner.message_hub, checkpoint.get('message_hub', {}))
    if resume_optimizer:
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    if resume_param_scheduler and runner.param_schedulers:
        runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    fresh = FreshState(runner.optim_wrapper, runner.param_schedulers) if resume_optimizer else None
    if resume_optimizer:
        try:
            runner.optim_wrapper.load_state_dict(
                {key: copy.copy(value) for key, value in checkpoint['optimizer'].items()})  # MMEngine's takes parts out
        except (ValueError, KeyError) as error:
            raise CheckpointError(f'{filename}: its optimizer state does not fit optim_wrapper of the config.\n'
                                  f'({error})\nResume with the config that the run was started with.') from error
    if resume_param_scheduler:
        schedules = checkpoint.get('param_schedulers')
        changes = fresh.changes(checkpoint['optimizer'], schedules) if fresh else []
        if changes:
            _take_config_s(runner, fresh, changes)
        elif runner.param_schedulers and schedules:
            run_state.restore_schedulers(runner.param_schedulers, schedules)
    runner._has_loaded = True
    runner.logger.info(f'resumed from {filename} at iteration {runner.iter}')


def _compare_lengths(runner: Any, meta: dict) -> None:
    """Say where the data have another length: each pass is another permutation then, also the one that is under way."""
    before, now = meta.get('dataset_length'), run_state.dataset_length(runner)
    if before is not None and now not in (None, before):
        runner.logger.warning(f'the training data have {now} samples, and had {before} when the checkpoint was saved: '
                              'from here on they are drawn in another order.')


def _take_seed(runner: Any, seed: Optional[int], filename: str) -> None:
    """Go on with the run's own seed, also in the config that is written; one that was typed has to be it."""
    if seed is None:
        return
    if runner.typed_seed not in (None, seed):
        raise CheckpointError(f'{filename}: this run has seed {seed}, and {runner.typed_seed} was asked for.\nA run '
                              'keeps its seed: leave the other one out to go on, or start a run of its own (another '
                              '--work-dir, no --resume).')
    if seed != runner.seed:
        runner.logger.info(f'seed {seed} of the checkpoint is used, not {runner.seed} of the config')
        runner._randomness_cfg['seed'] = seed
        runner.set_randomness(**runner._randomness_cfg)
        runner.train_dataloader.sampler.seed = seed
        runner.cfg.randomness = dict(runner.cfg.get('randomness') or {}, seed=seed)


def _take_config_s(runner: Any, fresh: FreshState, changes: list[tuple[str, bool]]) -> None:
    """Go on with the config's hyperparameters and schedules where they are not the checkpoint's, and say so."""
    loop = runner.train_loop
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    now = rate(fresh.replay(loop.iter, loop.epoch, len(loop.dataloader) if by_epoch else None))
    for line, moves_rate in changes:
        runner.logger.info(line + (f'; the learning rate goes on at {now}' if moves_rate else ''))


def _compare_batches(runner: Any, meta: dict, filename: str) -> None:
    """Refuse other images in an iteration, or another number of iterations in an update.

    Positions in the data, schedules and iteration counts all count iterations, so an equal product is not enough.
    """
    images, counts = run_state.total_batch(runner), run_state.accumulative_counts(runner)
    before, counts_before = meta.get('total_batch'), meta.get('accumulative_counts')
    if images == (images if before is None else before) and counts == (counts if counts_before is None
                                                                      else counts_before):
        return
    then = run_state.batch_text(before or images, meta.get('processes'), counts_before or counts)
    now = run_state.batch_text(images, runner.world_size, counts)
    raise CheckpointError(f'{filename} was trained with {then}, this run has {now}.\nSet processes x '
                          f'train_dataloader.batch_size to {before or images} and optim_wrapper.accumulative_counts to '
                          f'{counts_before or counts}: both have to be the same, not their product alone.\n'
                          'Or start from its weights with load_from and no --resume.')


def save(runner: Any, path: str, optimizer: bool, schedulers: bool, meta: Optional[dict], by_epoch: bool) -> None:
    """Write a checkpoint; a file of that name is replaced once the new one is whole.

    Args:
        runner: The runner.
        path: The file.
        optimizer: Whether to keep what a run needs to go on.
        schedulers: Whether to keep the state of the learning-rate schedules.
        meta: Facts to keep in the file.
        by_epoch: Whether the file is written at the end of an epoch, not of an iteration.

    Raises:
        CheckpointError: If it cannot be written; says what was needed and from what the run can go on.
    """
    here = dict(epoch=runner.epoch + by_epoch, iter=runner.iter + (not by_epoch))
    # Hooks of MMEngine's keep a state to come back to in the checkpoint, so they see it before it is written.
    checkpoint = run_state.capture(runner, {**here, **(meta or {})}, optimizer, schedulers)
    runner.call_hook('before_save_checkpoint', checkpoint=checkpoint)
    try:
        files.write_atomic(checkpoint, path)
    except CheckpointError as error:
        raise CheckpointError(f'{error}\n{way_on(runner.work_dir)}') from error
