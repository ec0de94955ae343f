"""A checkpoint as others need it: without what only its run needs; the body of tools/analysis/publish_model.py."""
import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Optional

from segkit.apis.arguments import Parser, add_unsafe_load, say
from segkit.apis.own_config import WRITTEN

if TYPE_CHECKING:
    import torch
    from torch import nn

# What `meta` keeps: the names of the classes at either place, the network's config, and what the file is.
KEPT = ('dataset_meta', 'CLASSES', 'PALETTE', 'config_json', 'preprocessing', 'iter', 'epoch', 'best_name',
        'best_score', 'imported', 'imported_from', 'backbone', 'segkit_version', 'mmseg_version', 'mmengine_version',
        'mmcv_version')
OF_ONE_MACHINE = ('work_dir', 'load_from', 'resume', 'launcher')
CHECKED_SIZE = (97, 129)

EXAMPLE = """example:
  python tools/analysis/publish_model.py work_dirs/a/best_mIoU.pth deeplabv3_scenes.pth
writes deeplabv3_scenes-<the first 8 digits of its sha256>.pth: weights, classes, palette, preprocessing and the config
as JSON; deeplabv3_scenes.safetensors gives the same in the format of safetensors (pip install safetensors), which every
tool here reads too. Weights are those that a test of the file would use; of a run with EMAHook, the average. A file of
MMSegmentation's has its config as Python text, which is not run: give it with --config.
"""


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line; its order is MMSegmentation's."""
    parser = Parser('publish_model.py', description='Make a checkpoint ready to be given away: smaller, named by its '
                    'hash, and checked.', epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('in_file', help='checkpoint')
    parser.add_argument('out_file', help='name of the new file, .pth or .safetensors; the hash is '
                        'put behind it')
    parser.add_argument('--config', help='the network\'s config, for a checkpoint that does not hold it; it is stored '
                        'in the new file')
    add_unsafe_load(parser)
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Write the file, check it, and say what became of it.

    Raises:
        ConfigError: If the name of the new file is no name of a checkpoint.
        CheckpointError: If the file cannot be read or written, does not fit its config, or does not predict as the old
            one does.
    """
    args = parse_args(argv)
    from segkit.checkpoint import trusting
    with trusting(args.unsafe_load):
        publish(args.in_file, args.out_file, args.config)


def publish(in_file: str, out_file: str, config: Optional[str] = None) -> Path:
    """Write a published checkpoint; the new file is there only if it was checked.

    Args:
        in_file: A checkpoint, or an address.
        out_file: Its folder and the beginning of its name; a suffix ``.pth`` or ``.safetensors`` is put behind the
            hash and says the format, ``.pth`` where there is none.
        config: Config file of the network, where the checkpoint does not hold it.

    Returns:
        The new file.
    """
    from segkit.apis.own_config import refuse_no_file
    from segkit.checkpoint import fetch, hash_file, load_file, move, write_atomic
    from segkit.errors import ConfigError

    refuse_no_file(in_file)
    out = Path(out_file).expanduser()
    if out.is_dir() or out.suffix not in ('', *WRITTEN):
        raise ConfigError(f'{out_file}: expected the name of a new checkpoint, such as {out.stem or "model"}.pth.')
    stem, suffix = (out.stem, out.suffix) if out.suffix else (out.name, WRITTEN[0])
    before = load_file(in_file)
    after = published(before, config)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix='.publish-') as folder:
        draft = Path(folder, stem + suffix)
        write_atomic(after, draft)
        digest = hash_file(draft).read_text().split()[0]
        name = f'{stem}-{digest[:8]}{suffix}'
        final = draft.rename(draft.with_name(name))
        hash_file(final).write_text(f'{digest}  {name}\n')
        checked = _check(in_file, final, config)
        final = move(final, out.parent)
    dropped = [key for key in before if key not in after]
    say(f'{fetch(in_file).stat().st_size / 1e6:,.1f} MB -> {final.stat().st_size / 1e6:,.1f} MB'
        + (f'; left out: {", ".join(map(str, dropped))}' if dropped else ''))
    say(f'kept in meta: {", ".join(after["meta"])}')
    say(checked)
    say(str(final))
    return final


def published(checkpoint: Mapping, config: Optional[str] = None) -> dict:
    """What is kept of a checkpoint.

    Args:
        checkpoint: What was read.
        config: Config file of the network, to be stored in the place of the checkpoint's own.

    Raises:
        CheckpointError: If weights are NaN or infinite.
    """
    from segkit.checkpoint import state_dict_of
    from segkit.errors import CheckpointError

    meta = checkpoint.get('meta')
    meta = dict(meta) if isinstance(meta, Mapping) else {}
    kept = {key: meta[key] for key in KEPT if meta.get(key) is not None}
    if config is not None:
        from segkit.config import load_config
        from segkit.engine.run_config import plain
        cfg = load_config(config, say=say)
        kept['config_json'] = json.dumps(plain(cfg.to_dict(), pairs=True))
        kept['preprocessing'] = plain(cfg.model.get('data_preprocessor') or {})
    if 'config_json' in kept:
        values = json.loads(kept['config_json'])
        kept['config_json'] = json.dumps({k: v for k, v in values.items() if k not in OF_ONE_MACHINE})
    elif meta.get('cfg'):
        lines = str(meta['cfg']).splitlines()
        kept['cfg'] = '\n'.join(line for line in lines if line.split('=')[0].strip() not in OF_ONE_MACHINE)
    weights = state_dict_of(checkpoint)
    broken = [key for key, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise CheckpointError(f'{len(broken)} weights are not finite (NaN or infinite), the first is {broken[0]}.\n'
                              'Publish an earlier checkpoint of the run.')
    # Copies, since a view would be written with all of the memory that it looks into.
    return dict(meta=kept, state_dict={key: value.clone() for key, value in weights.items()})


def _check(in_file: str, file: Path, config: Optional[str]) -> str:
    """Load the new file and compare it with the old one; returns what was found, in words.

    Raises:
        CheckpointError: If they differ.
    """
    import torch

    from segkit.checkpoint import load_file, state_dict_of
    from segkit.errors import CheckpointError

    content = load_file(file)
    new, old = state_dict_of(content), state_dict_of(load_file(in_file))
    wrong = [key for key in {**old, **new} if key not in old or key not in new or not torch.equal(old[key], new[key])]
    if wrong:
        raise CheckpointError(f'{file.name} does not hold the weights that were written, such as {wrong[0]}.\nNothing '
                              'was published.')
    if 'config_json' not in content['meta']:
        return (f'{len(new)} tensors are equal bit by bit; its prediction was not tried, since the checkpoint holds no '
                'config that can be read (--config gives one)')
    difference = largest_difference(in_file, file, config)
    if difference != 0:
        raise CheckpointError(f'{file.name} does not predict as {in_file} does: the scores differ by up to '
                              f'{difference:.3g}.\nNothing was published.')
    size = 'x'.join(map(str, CHECKED_SIZE))
    return f'loaded again; largest difference of its scores on a random image of {size} pixels: {difference:g}'


def largest_difference(in_file: str, file: Path, config: Optional[str] = None) -> float:
    """Between the scores of two checkpoints for a random image, each built as a user would; infinite for NaN.

    Args:
        in_file: The one, of the config that it holds or of ``config``.
        file: The other, of the config that it holds.
        config: A config file.
    """
    import torch

    from segkit.apis.inference import init_model

    image = torch.randint(0, 256, (1, 3, *CHECKED_SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    one, other = (_scores(init_model(source, weights, 'cpu'), image)
                  for source, weights in ((config, in_file), (None, str(file))))
    difference = (one - other).abs().max()
    return float('inf') if torch.isnan(difference) else float(difference)


def _scores(model: 'nn.Module', image: 'torch.Tensor') -> 'torch.Tensor':
    import torch
    with torch.no_grad():
        return model(model.data_preprocessor(dict(inputs=image))['inputs'], mode='tensor')
