"""Where a system starts from, since no ImageNet weights can be fetched."""
from pathlib import Path
from typing import Any, Optional

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.apis.import_weights import import_weights
from systems.facts import System

BATCHES = 4  # of which batch norms' statistics are measured
IMAGES = 4  # in each of them
FACTOR = 0.2  # of batch norms whose factors are 0 at first, at the end of residual blocks; trained ones are small too
SOURCES = {'weights/deeplabv3_mnv2_pascal_trainval.pth': 'mobilenet-v2-pool'}  # of import_weights.py


def first_weights(system: System, cfg: Any, pack: Optional[Path], file: Path) -> str:
    """Write a checkpoint to start from; say in words what it is.

    Args:
        system: Which one.
        cfg: Its reduced config.
        pack: Where real weights may be.
        file: The checkpoint to write.
    """
    if system.weights is not None and pack is not None:
        import_weights(SOURCES[system.weights], str(pack / system.weights), str(file))
        return 'real weights'
    _measured(cfg, file, bool(system.frozen))
    return 'random'


def _measured(cfg: Any, file: Path, frozen: bool) -> None:
    """Random weights whose batch norms have the statistics of some batches.

    Random statistics (0 and 1) would let a network explode or die whose batch norms are frozen. Where they are, factors
    that are 0 at first, at the end of a residual block, would stay so, and the block with them: they become 0.2.
    """
    from segkit.checkpoint import write_atomic
    from segkit.registry import MODELS
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model._dump_init_info = lambda: None  # MMEngine writes two lines for each parameter
    model.init_weights()
    for norm in norms_of(model):
        if frozen and norm.affine and not norm.weight.any():
            torch.nn.init.constant_(norm.weight, FACTOR)
    measure(model, cfg)
    write_atomic(dict(meta={}, state_dict=model.state_dict()), file)


def norms_of(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def measure(model: nn.Module, cfg: Any) -> None:
    """Set the statistics of all batch norms to the means over some batches of a reduced config's training data."""
    from segkit.engine import SegRunner
    norms = norms_of(model)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = None  # the plain mean over the batches
        norm.reset_running_stats()
    loader = dict(cfg.train_dataloader, batch_size=IMAGES)
    batches = iter(SegRunner.build_dataloader(loader, seed=1, training=True))
    with torch.no_grad():
        for _ in range(BATCHES):
            data = model.data_preprocessor(next(batches), True)
            feats = model.backbone(data['inputs'])
            for _, _, head in model._heads():
                head(feats)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum


def settle(path: str, model: nn.Module, cfg: Any) -> None:
    """Measure the statistics of a trained model anew, and put them into its checkpoint, for a phase that freezes them.

    So few steps leave running statistics far behind the weights: at once frozen, they let the next phase diverge.
    """
    from segkit.checkpoint import load_file, write_atomic
    measure(model, cfg)
    checkpoint = load_file(path)
    checkpoint['state_dict'] = model.state_dict()
    write_atomic(checkpoint, path)
