"""The runner: MMEngine's, with segkit's data loading, checkpoints and a quiet console."""
import itertools
import logging
import os
import warnings
from collections.abc import Callable
from typing import Any, Optional, Union

import torch
from mmengine.config import Config
from mmengine.dist import get_dist_info, is_distributed, master_only
from mmengine.logging import MMLogger
from mmengine.registry import FUNCTIONS
from mmengine.runner import BaseLoop, Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

from segkit import launchers
from segkit.engine import (
    checkpointing,
    class_weights,
    compiling,
    determinism,
    environment,
    kept_photos,
    protocol,
    recipe,
    run_start,
    run_state,
)
from segkit.engine.checks import cross_checks, frozen_norms, run_arguments
from segkit.engine.console import Console
from segkit.engine.data_loading import build_data_loader
from segkit.engine.full_disk import full_disk_explained
from segkit.engine.loader_processes import death_explained, ended_behind
from segkit.engine.lost_processes import loss_explained
from segkit.engine.run_config import RunConfig
from segkit.engine.schedule import fill_ends
from segkit.engine.stop_request import StopRequest
from segkit.errors import ConfigError
from segkit.registry import RUNNERS

_RUNS = itertools.count()


@RUNNERS.register_module()
class SegRunner(Runner):
    """Trains, validates and tests what a config describes.

    Reference: MMEngine's Runner, whose arguments it takes. Different from it: training samples are decided by
    (seed, position), batches are joined by segkit's collate, checkpoints are written atomically and read without
    running code from them, weights that do not fit are an error, processes without CUDA talk over gloo, the run
    folder is the work directory itself, environment and config go to files, and a poly schedule without ``end``
    ends with the training. Without ``randomness.seed`` the seed is 0, so that a command repeats.

    Args:
        *args: As for :class:`mmengine.runner.Runner`.
        **kwargs: As for :class:`mmengine.runner.Runner`.
    """

    # MMEngine makes a folder for each start inside work_dir; here a training's files lie in work_dir directly, and
    # those of a test in work_dir/test, where they replace none of the training's.
    _log_dir = property(lambda self: self._work_dir if self._train_loop is not None else self.test_dir,
                        lambda self, value: None)

    @property
    def test_dir(self) -> str:
        """Where a test writes; with test-time augmentation another folder, so that both results stay."""
        return os.path.join(self._work_dir, 'test_tta' if 'module' in (self.cfg.get('model') or {}) else 'test')

    def __init__(self, *args: Any, cfg: Optional[Config] = None, randomness: Optional[dict] = None,
                 **kwargs: Any) -> None:
        randomness = dict(randomness or {})
        randomness['seed'] = run_arguments.seed(randomness.get('seed'))
        if cfg is not None:
            cfg = RunConfig.of(cfg if isinstance(cfg, Config) else Config(cfg))
        self.log_interval = 1  # iterations between logged ones; ProgressHook sets it
        self.validated_at: Optional[int] = None  # the iteration of the last validation on record; likewise
        self.validated_scores: dict[str, float] = {}  # its scores, where a resumed run does not validate again
        self.stop_request: Optional[StopRequest] = None  # in a training, what signals ask for
        self.typed_seed: Optional[int] = None  # that a command line asks for; a run that is resumed has to have it
        given = kept_photos.with_photos(run_arguments.complete(kwargs))
        notices = cross_checks.check(given)
        given['env_cfg'], overruled = determinism.prepare(randomness, given.get('env_cfg') or {})
        super().__init__(*args, cfg=cfg, randomness=randomness, **given)
        if not isinstance(self.cfg, RunConfig):
            self.cfg = RunConfig.of(self.cfg)
        for line in [*notices, *overruled]:
            self.logger.info(line)

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'SegRunner':
        """A runner from a config; where ``auto_scale_lr.enable`` is set, its learning rate is scaled first."""
        cfg, lines = recipe.settled(cfg, launchers.number_of_processes(cfg.get('launcher', 'none')))
        runner = super().from_cfg(cfg)
        for line in lines:
            runner.logger.info(line)
        return runner

    # -- console and environment --------------------------------------------------------------------------------

    def setup_env(self, env_cfg: dict) -> None:
        """Start the processes' group and set what OpenCV, cuDNN and the operating system are to do."""
        self._timeout = (env_cfg.get('dist_cfg') or {}).get('timeout')  # seconds
        if self.distributed and not is_distributed():
            environment.start_process_group(self.launcher, env_cfg.get('dist_cfg') or {})
        run_arguments.check_start_method((env_cfg.get('mp_cfg') or {}).get('mp_start_method'))
        super().setup_env(env_cfg)
        # Logger, message hub and visualizer are kept by the run's name, which has the time in seconds in it.
        number = next(_RUNS)
        self._timestamp += f'_{number}' if number else ''

    def build_logger(self, log_level: Union[int, str] = 'INFO', log_file: Optional[str] = None,
                     **kwargs: Any) -> MMLogger:
        """A logger that writes plain lines to the console and everything to ``log_file`` (train.log or test.log)."""
        name = 'train.log' if self._train_loop is not None else 'test.log'
        log_file = log_file or os.path.join(self._log_dir, name)
        logger = MMLogger.get_instance(name=self._experiment_name, logger_name='segkit', log_level=log_level,
                                       log_file=log_file, file_mode='a', **kwargs)
        logger.handlers = [h for h in logger.handlers if isinstance(h, logging.FileHandler)]
        for handler in logger.handlers:  # on a full disk logging would print a stack trace for each line and go on
            handler.handleError = _raise_again
        self.console = Console(log_level if get_dist_info()[0] == 0 else logging.ERROR)
        logger.handlers.append(self.console)
        return logger

    def build_visualizer(self, visualizer: Union[Visualizer, dict, None] = None) -> Visualizer:
        """The visualizer of the config.

        Raises:
            ConfigError: If it writes for a program, such as TensorBoard, that is not installed.
        """
        backends = (visualizer or {}).get('vis_backends') or [] if not isinstance(visualizer, Visualizer) else []
        run_arguments.check_backends(backends)
        if isinstance(visualizer, dict):  # a config names it, and a second run in this process needs its own
            visualizer = dict(visualizer, name=f'{visualizer.get("name", "visualizer")}_{self._experiment_name}')
        with run_arguments.named('visualizer', visualizer):
            return run_start.put_off(super().build_visualizer(visualizer))

    def register_hook(self, hook: Any, priority: Any = None) -> None:
        """Add a hook."""
        with run_arguments.named('default_hooks or custom_hooks', hook):
            super().register_hook(hook, priority)

    def _log_env(self, env_cfg: dict) -> None:
        self._start: Optional[dict] = env_cfg  # to be written when all is built
        several = f', {self.world_size} processes' if self.world_size > 1 else ''
        self.logger.info(f'run folder {self._log_dir} (config.py, environment.txt), '
                         f'{environment.device_name()}{several}, seed {self.seed}'
                         f'{", deterministic" if self.deterministic else ""}')

    def get_hooks_info(self) -> str:
        """The names of the hooks; MMEngine's text lists them once for each stage, 80 lines."""
        return ', '.join(type(hook).__name__ for hook in self.hooks)

    def dump_config(self) -> None:
        """Nothing yet: a start may still be refused; see :mod:`segkit.engine.run_start`."""

    def set_randomness(self, seed: int, diff_rank_seed: bool = False, deterministic: bool = False) -> None:
        """Seed this process; ``diff_rank_seed`` gives each process random numbers of its own outside of the training.

        What is trained on, and each step's dropout, is decided by the run's one seed (and the process's number) in any
        case, and that one is kept in checkpoints.
        """
        super().set_randomness(seed, diff_rank_seed, deterministic)
        self._seed = seed

    def is_logged_iter(self) -> bool:
        """Whether the training iteration at hand is one whose losses and accuracies are logged."""
        return (self.iter + 1) % self.log_interval == 0 or self.iter + 1 == self.max_iters

    # -- model ---------------------------------------------------------------------------------------------------

    def build_model(self, model: Union[nn.Module, dict]) -> nn.Module:
        """The segmentor."""
        with run_arguments.named('model', model):
            return super().build_model(class_weights.settle(self, model))

    def wrap_model(self, model_wrapper_cfg: Optional[dict], model: nn.Module) -> nn.Module:
        """Move the model to its device and, with several processes, wrap it for gradient exchange."""
        if self.distributed:  # SyncBN keeps its buffers alike by itself, and plain BN's are each process's own
            device = [torch.cuda.current_device()] if torch.cuda.is_available() else None
            defaults = dict(type='MMDistributedDataParallel', device_ids=device, broadcast_buffers=False,
                            find_unused_parameters=self.cfg.get('find_unused_parameters', False))
            model_wrapper_cfg = {**defaults, **(model_wrapper_cfg or {})}
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='.*broadcast_buffers', category=FutureWarning)
            return super().wrap_model(model_wrapper_cfg, model)

    def _init_model_weights(self) -> None:
        if self._resume or self._load_from:  # all comes from the checkpoint; pretrained weights need not be there
            return
        model = run_state.bare(self.model)
        model._dump_init_info = lambda: None  # MMEngine writes two lines for each parameter
        super()._init_model_weights()
        del model._dump_init_info

    # -- loops and their data ------------------------------------------------------------------------------------

    @staticmethod
    def build_dataloader(dataloader: Union[DataLoader, dict], seed: Optional[int] = None,
                         diff_rank_seed: bool = False, training: bool = False) -> DataLoader:
        """A DataLoader; see :func:`segkit.engine.data_loading.build_data_loader`."""
        if isinstance(dataloader, DataLoader):
            return dataloader
        return build_data_loader(dataloader, seed, training)

    def build_train_loop(self, loop: Union[BaseLoop, dict]) -> BaseLoop:
        """The training loop, its data seeded draw by draw."""
        if isinstance(loop, BaseLoop):
            return loop
        loop = dict(loop)
        if 'type' not in loop:
            loop['type'] = 'EpochBasedTrainLoop' if loop.pop('by_epoch', True) else 'IterBasedTrainLoop'
        self.param_schedulers = fill_ends(self.param_schedulers, loop)
        self._train_dataloader = self.build_dataloader(self._train_dataloader, self.seed, training=True)
        return self._checked(super().build_train_loop(loop), 'training')

    def build_val_loop(self, loop: Union[BaseLoop, dict]) -> BaseLoop:
        """The validation loop; its metrics are told how predictions are made."""
        if isinstance(loop, BaseLoop):
            return loop
        loop = super().build_val_loop(dict(type='ValLoop', **loop) if 'type' not in loop else loop)
        loop = protocol.tell(loop, self._val_dataloader, self.model)
        return self._checked(loop, 'validation')

    def build_test_loop(self, loop: Union[BaseLoop, dict]) -> BaseLoop:
        """The test loop; its metrics are told how predictions are made."""
        if isinstance(loop, BaseLoop):
            return loop
        loop = super().build_test_loop(dict(type='TestLoop', **loop) if 'type' not in loop else loop)
        loop = protocol.tell(loop, self._test_dataloader, self.model)
        return self._checked(loop, 'test')

    def _checked(self, loop: BaseLoop, name: str) -> BaseLoop:
        """Look at the files of a loop's data, before anything is computed from them."""
        short = dict(training='train', validation='val').get(name, name)
        cross_checks.check_num_classes(run_state.bare(self.model), loop.dataloader.dataset, short)
        if short == 'train':
            cross_checks.check_smallest_batch(run_state.bare(self.model), loop.dataloader)
            if line := frozen_norms.moving(run_state.bare(self.model)):
                self.logger.warning(line)
        elif short == 'val' and isinstance(self._train_loop, BaseLoop):
            line = cross_checks.same_files(self._train_loop.dataloader.dataset, loop.dataloader.dataset)
            if line is not None:
                self.logger.info(line)
        skipped, found = getattr(loop.dataloader, 'skipped', None), {}
        check = FUNCTIONS.get('check_dataset')
        if check is not None and self.rank == 0 and not self._resume:  # a resumed run has looked at them already
            self.logger.info(f'{name}: {check(loop.dataloader.dataset, found=found)}')
        if skipped is not None:
            skipped.name = short
            skipped.add_found(found)
        return loop

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """The optimizer in its wrapper."""
        with run_arguments.named('optim_wrapper', optim_wrapper):
            built = super().build_optim_wrapper(optim_wrapper)
        return run_arguments.usable(built, run_state.bare(self.model))

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """The schedules of learning rate and momentum."""
        # Schedules count iterations; where gradients are gathered over several, the first of these end without a step.
        warnings.filterwarnings('ignore', message='Detected call of `scheduler.step', category=UserWarning)
        with run_arguments.named('param_scheduler', scheduler):
            return super().build_param_scheduler(scheduler)

    def train(self) -> nn.Module:
        """Train; returns the model.

        Raises:
            ConfigError: If the model cannot learn the dataset's classes, or a value cannot be used.
            CheckpointError: If a checkpoint cannot be read or does not fit.
            DataError: If a file of the data cannot be used.
        """
        wanted = self.cfg.get('compile')
        self._to_compile = compiling.plan(run_state.bare(self.model), wanted)
        if difference := recipe.difference(self.cfg, self.world_size):
            self.logger.info(difference)
        with environment.memory_explained(), compiling.explained(wanted), death_explained(self):
            with (full_disk_explained(self.work_dir, training=True), determinism.refusals_explained(),
                  loss_explained(self, training=True), ended_behind(self),
                  StopRequest(self.launcher != 'none', self._timeout) as self.stop_request):
                return super().train()

    def _maybe_compile(self, target: str) -> None:
        """Compile the parts that ``compile`` of the config names, once the weights are there."""
        if target != 'train_step' or not self._to_compile:
            return
        done, left_out = compiling.apply(self._to_compile, run_state.bare(self.model), self.world_size)
        if done:
            self.logger.info(f'compile: {", ".join(done)}; the first iterations take longer; validations run without')
            if self.val_loop is not None:
                self.val_loop.run = compiling.uncompiled(self.val_loop.run)
        if left_out:
            self.logger.warning(f'compile: {", ".join(left_out)} runs uncompiled: its batch norm is synchronised over '
                                f'{self.world_size} processes, which torch.compile cannot take in one piece')

    def val(self) -> dict:
        """Validate; returns the scores."""
        with (environment.memory_explained(), death_explained(), determinism.refusals_explained(),
              loss_explained(self), ended_behind(self)):
            return super().val()

    def test(self) -> dict:
        """Test; returns the scores."""
        with environment.memory_explained(), full_disk_explained(self.work_dir, training=False), death_explained():
            with determinism.refusals_explained(), loss_explained(self), ended_behind(self):
                return super().test()

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def load_or_resume(self) -> None:
        """Load ``load_from``, or go on from it where ``resume`` is set; once."""
        if not self._has_loaded:
            self._load_from = checkpointing.source(self)
            if self._load_from is not None:
                if self._resume:
                    self.resume(self._load_from)
                else:
                    self.load_checkpoint(self._load_from, strict=True)
                self._has_loaded = True
        if self._start is not None:
            self._start = run_start.write(self, self._start)

    def load_checkpoint(self, filename: str, map_location: Union[str, Callable] = 'cpu', strict: bool = True) -> dict:
        """Load weights and return the whole checkpoint; see :func:`segkit.engine.checkpointing.load`."""
        return checkpointing.load(self, filename, map_location, strict)

    def resume(self, filename: str, resume_optimizer: bool = True, resume_param_scheduler: bool = True,
               map_location: Union[str, Callable] = 'cpu') -> None:
        """Go on from a checkpoint; see :func:`segkit.engine.checkpointing.resume`."""
        checkpointing.resume(self, filename, resume_optimizer, resume_param_scheduler, map_location)

    @master_only
    def save_checkpoint(self, out_dir: str, filename: str, file_client_args: Optional[dict] = None,
                        save_optimizer: bool = True, save_param_scheduler: bool = True, meta: Optional[dict] = None,
                        by_epoch: bool = True, backend_args: Optional[dict] = None) -> None:
        """Write a checkpoint to ``out_dir/filename``; see :func:`segkit.engine.checkpointing.save`."""
        if file_client_args or backend_args:
            raise ConfigError('Checkpoints are written to a local folder; file_client_args and backend_args do not '
                              'apply.\nSet default_hooks.checkpoint.out_dir to a mounted folder.')
        checkpointing.save(self, os.path.join(out_dir, filename), save_optimizer, save_param_scheduler, meta, by_epoch)


def _raise_again(record: logging.LogRecord) -> None:
    """What a log file's handler does with an error of its own: the run stops, as where any other file is full."""
    raise  # logging calls this while it handles the exception
