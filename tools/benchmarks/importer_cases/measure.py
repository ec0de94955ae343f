"""Make a case's file, import it with the real tool, and compare the written checkpoint with the source."""
import contextlib
import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from torch import nn

from importer_cases import gluoncv_names, mmsegmentation
from importer_cases.case import Case, Reference
from segkit.apis import import_weights
from segkit.apis.importers import SOURCES
from segkit.apis.importers.plan import Plan
from segkit.apis.importers.proof import Difference, differences, fixed_image
from segkit.apis.inference import init_model
from segkit.checkpoint import load_file, load_weights, state_dict_of
from segkit.config import load_config
from segkit.registry import BACKBONES, MODELS

SIDES = dict(gluoncv=gluoncv_names.SIDE, mmseg=mmsegmentation.SIDE)


@dataclass(frozen=True)
class Row:
    """What was found of a case.

    Attributes:
        tensors: Tensors of the file, and how many of them are used.
        found: One difference for each head, or one for a backbone alone.
        version: What the program said that was compared with; empty where it runs in this process.
    """

    case: Case
    tensors: tuple[int, int]
    found: list[Difference]
    version: str = ''


def measure(case: Case, folder: Path, python: Optional[str] = None) -> Row:
    """Run one case; its files lie in ``folder``.

    Args:
        case: Which one.
        folder: An empty folder.
        python: The interpreter for ``case.python``.
    """
    file, out, image = folder / f'theirs{case.suffix}', folder / 'ours.pth', fixed_image(*case.size)
    options, version = list(case.options), ''
    if case.python is None:
        case.write(file)
    else:
        np.save(folder / 'image.npy', image.numpy())
        version = _beside(python, case.python, options.pop(0), folder, file)
    with contextlib.redirect_stdout(io.StringIO()):
        import_weights.main([case.source, str(file), str(out), '--no-proof', *options])
    weights = state_dict_of(import_weights.read(str(file)))
    plan, model = SOURCES[case.source].plan(weights), _built(out)
    if case.python is not None:
        found = np.load(file.with_suffix('.npz'))
        wanted = {part: torch.from_numpy(found[part]) for part in ('decode_head', 'auxiliary_head')}

        def reference(seen: torch.Tensor) -> dict[str, torch.Tensor]:
            return wanted
    else:
        reference = _reference(case, plan, weights, model)
    used = sum(plan.name_of(key) is not None for key in weights)
    return Row(case, (len(weights), used), differences(model, reference, image), version)


def _beside(python: str, name: str, what: str, folder: Path, file: Path) -> str:
    done = subprocess.run([python, str(SIDES[name]), what, str(folder / 'image.npy'), str(file)], capture_output=True,
                          text=True)
    if done.returncode:
        raise SystemExit(f'{python} {SIDES[name].name} ended with {done.returncode}:\n{done.stderr[-2000:]}')
    return done.stdout.strip().splitlines()[-1]


def _reference(case: Case, plan: Plan, weights: dict, model: nn.Module) -> Reference:
    return case.reference(weights) if case.reference else plan.reference(weights, model)


def _built(out: Path) -> nn.Module:
    """The network of a checkpoint, with its weights, from the file alone."""
    content = load_file(out)
    if 'config_json' in content['meta']:
        return init_model(str(out), device='cpu')
    model = BACKBONES.build(json.loads(content['meta']['backbone']))
    load_weights(model, content['state_dict'])
    return model.eval()


def misread(case: Case, folder: Path, changes: Mapping[str, Any], raw: bool = False) -> Difference:
    """What the weights give where one thing is taken for another that fits as well.

    Args:
        case: Which file.
        folder: An empty folder.
        changes: Overrides of the source's config.
        raw: Whether the weights are copied as they are, under our names.
    """
    file, image = folder / f'theirs{case.suffix}', fixed_image(*case.size)
    case.write(file)
    weights = state_dict_of(load_file(file))
    plan = SOURCES[case.source].plan(weights)
    cfg = load_config(import_weights.CONFIGS / plan.config, {**plan.changes, **changes}, say=import_weights.quiet)
    model = MODELS.build(cfg.model)
    load_weights(model, {plan.name_of(key): value if raw else plan.value(key, value) for key, value in weights.items()})
    return differences(model.eval(), _reference(case, plan, weights, model), image)[0]
