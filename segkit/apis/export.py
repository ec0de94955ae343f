"""A checkpoint as a file for other runtimes, proven on photos; the body of tools/export.py."""
import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Optional

from segkit.apis.arguments import Parser, add_cfg_options, add_unsafe_load, say, started
from segkit.apis.own_config import CONFIGS, EXPORTED, is_checkpoint, is_exported, refuse_no_file, stored_config
from segkit.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

    from segkit.apis.export_plan import Plan
    from segkit.apis.export_proof import Row

EXAMPLE = """example:
  python tools/export.py work_dirs/mine/best_mIoU.pth --out model.onnx
  python tools/export.py CONFIG CHECKPOINT --out model.onnx --size 512 512 --with-preprocess --with-postprocess
  python tools/predict.py photos/ model.onnx --out-dir predictions       (through ONNX Runtime)
The file takes float32 images (N, 3, H, W) as the config's preprocessor gives them, or bytes (N, H, W, 3) with
--with-preprocess, and gives `logits` (N, K, h, w) of the network; with --with-postprocess also `classes` (N, H, W) of
each pixel of the image. It holds classes, palette, preprocessing and the test pipeline as JSON. It is compared with the
network on photos before it gets its name; one with other classes on 0.1 % of the pixels of any photo, or with scores
that differ by 0.1 % of their range, is not kept.
"""


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line."""
    p = Parser('export.py', description='Export a network to ONNX or torch.export, and prove the file on photos.',
               epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('config', nargs='?', help='a config file (default: the config that the checkpoint holds)')
    p.add_argument('checkpoint', help='a checkpoint file or URL')
    p.add_argument('--out', metavar='FILE', required=True, help='the file to write')
    p.add_argument('--format', choices=tuple(EXPORTED), help='(default: by the suffix of FILE, .onnx or .pt2)')
    size = p.add_mutually_exclusive_group()
    size.add_argument('--size', type=int, nargs=2, metavar=('H', 'W'), help='height and width in pixels of the images, '
                      'one at a time; the test pipeline in the file then resizes photos to that')
    size.add_argument('--dynamic', action='store_true', help='any size and number of images (the default, but for '
                      "mode='slide', whose default is the size of its windows)")
    p.add_argument('--with-preprocess', action='store_true', help='bytes in: normalising and padding in the file')
    p.add_argument('--channel-order', choices=('rgb', 'bgr'), help='of the bytes (default: rgb)')
    p.add_argument('--with-postprocess', action='store_true', help='classes out: resizing and the largest score of '
                   'each pixel in the file')
    p.add_argument('--probabilities', action='store_true', help='with --with-postprocess: also the probability of each '
                   'class')
    p.add_argument('--images', nargs='+', metavar='FILE|FOLDER', default=[], help='photos to compare on (default: the '
                   'test data of the config, else generated scenes)')
    p.add_argument('--num-images', type=int, default=5, metavar='N', help='how many of them (default: 5)')
    p.add_argument('--latency', action='store_true', help='also time a prediction with the network and with the file')
    add_cfg_options(p)
    add_unsafe_load(p)
    p.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return p.parse_intermixed_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Export what the command line says.

    Raises:
        ConfigError: If a file cannot hold it, or a package is missing.
        CheckpointError: If the checkpoint cannot be used, or the file does not do what the network does.
    """
    args = parse_args(argv)
    kind = _checked(args)
    with started(args):
        from segkit.apis.export_files import require_for
        require_for(kind)
        export(args, kind)


def _checked(args: argparse.Namespace) -> str:
    """The format, of arguments that fit each other."""
    refuse_no_file(args.checkpoint)
    if is_exported(args.checkpoint):
        raise ConfigError(f'{args.checkpoint} is an exported file; the checkpoint that it was made of was expected.')
    wrong = not is_checkpoint(args.checkpoint) or args.config and Path(args.config).suffix.lower() not in CONFIGS
    if wrong:
        raise ConfigError('The order is: export.py CONFIG CHECKPOINT, or CHECKPOINT alone where it holds its config.\n'
                          f'Got {" ".join(filter(None, (args.config, args.checkpoint)))}.')
    suffix = Path(args.out).suffix.lower()
    kind = args.format or next((name for name, end in EXPORTED.items() if end == suffix), None)
    if kind is None or suffix != EXPORTED[kind]:
        raise ConfigError(f'--out {args.out}: expected a name that ends with '
                          f'{" or ".join([EXPORTED[kind]] if kind else EXPORTED.values())}'
                          f'{f" (--format {kind})" if kind else ""}.')
    if Path(args.out).is_dir():
        raise ConfigError(f'--out {args.out} is a folder; the name of a new file was expected.')
    for option, needs in (('channel_order', 'with_preprocess'), ('probabilities', 'with_postprocess')):
        if getattr(args, option) and not getattr(args, needs):
            raise ConfigError(f'--{option.replace("_", "-")} is read only with --{needs.replace("_", "-")}.')
    if args.num_images < 1:
        raise ConfigError(f'--num-images: expected at least 1, got {args.num_images}.')
    return kind


def export(args: argparse.Namespace, kind: str) -> 'list[Row]':
    """Export what parsed arguments say; prints lines and returns what was found on the photos."""
    from mmengine.logging import MMLogger

    from segkit.apis.export_plan import outside_of, plan_for, refuse_large
    from segkit.apis.inference import init_model
    from segkit.apis.used_overrides import judge_of_prediction
    from segkit.config import load_config
    from segkit.engine.console import Console

    MMLogger.get_current_instance().handlers = [Console()]
    cfg = load_config(args.config or stored_config(args.checkpoint), args.cfg_options, say=say,
                      judge=judge_of_prediction)
    model = init_model(cfg, args.checkpoint, 'cpu')
    model.test_cfg['keep_logits'] = False
    order = (args.channel_order or 'rgb') if args.with_preprocess else None
    plan = plan_for(model, args.size, args.dynamic, order, args.with_postprocess, args.probabilities)
    if kind == 'onnx':
        refuse_large(model)
    for line in described(model, plan):
        say(line)
    for key, value in outside_of(model).items():
        say(f'NOT in the file: model.test_cfg.{key}={value}, which acts on the scores; predict.py does it, '
            'another program has to do it itself')
    return write_proven(model, cfg, plan, kind, Path(args.out), args.images, args.num_images, args.latency)


def described(model: 'nn.Module', plan: 'Plan') -> list[str]:
    """What is going to be exported, in words."""
    size = (f'any size from {plan.smallest} pixels a side, any number' if plan.size is None else
            f'{plan.size[0]}x{plan.size[1]} pixels (h, w), one at a time')
    image = (f'bytes (N, H, W, 3) in {plan.channel_order.upper()} order' if plan.channel_order else
             'float32 (N, 3, H, W), as the preprocessor gives them')
    lines = [f'{type(model.decode_head).__name__} on {type(model.backbone).__name__}, {model.num_classes} classes',
             f'images: {size}, {image}', f'gives: {", ".join(plan.outputs)}']
    if plan.resizes:
        lines.append(f'photos are resized to {plan.size[0]}x{plan.size[1]} whatever their shape, as the file takes no '
                     'other size; --dynamic keeps the test pipeline of the config')
    if model.test_cfg['mode'] == 'slide':
        lines.append(f"the network of one window: mode='slide', crop_size={tuple(model.test_cfg['crop_size'])}, "
                     f"stride={tuple(model.test_cfg['stride'])} is done by predict.py, not by the file")
    return lines


def write_proven(model: 'nn.Module', cfg: 'Config', plan: 'Plan', kind: str, out: Path, images: Sequence[str] = (),
                 number: int = 5, latency: bool = False) -> 'list[Row]':
    """Export, compare on photos, and give the file its name.

    Args:
        model: A segmentor of :func:`segkit.apis.init_model`, on the CPU.
        cfg: Its config.
        plan: What the file is to hold.
        kind: 'onnx' or 'torch-export'.
        out: The file.
        images: Photos to compare on; none takes those of the test data.
        number: How many of them.
        latency: Whether to time both.

    Raises:
        CheckpointError: If the file disagrees; what was at ``out`` is left as it was.
        ConfigError: If torch cannot export the network, or no image has a size that the file takes.
    """
    from segkit.apis import export_files
    from segkit.apis.export_proof import FARTHEST, LEAST, chosen, compare
    from segkit.apis.exportable import ExportableNetwork, graph_of
    from segkit.apis.exported_model import init_exported

    photos, what = chosen(cfg, images, number)
    say('recording the network (some seconds to a minute)')
    graph = graph_of(ExportableNetwork(model, plan))
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix='.export-') as folder:
        draft = Path(folder, out.name)
        say(f'writing {out}')
        export_files.write(graph, kind, draft, plan.outputs, facts_of(model, cfg, plan))
        exported = init_exported(draft, 'cpu', unsafe=True)  # written a moment ago
        say(f'comparing with the network on {len(photos)} {what}')
        rows = []
        for row in compare(model, exported, plan, photos):
            rows += [] if isinstance(row, str) else [row]
            say(f'  {row}')
        if not rows:
            raise ConfigError('No image has a size that the file takes, so it cannot be proven.\nGive others '
                              '(--images), or --dynamic.')
        worst = min(rows, key=lambda row: (row.holds, row.agreement, -row.difference))
        if not worst.holds:
            raise CheckpointError(f'The file disagrees with the network, and is not kept: {worst}.\n'
                                  f'Of each image {LEAST:.1%} of the pixels must have the same class, and scores may '
                                  f'differ by\n{FARTHEST:.1%} of their range (or by {FARTHEST}, where that is less '
                                  f'than 1), probabilities by {FARTHEST}.')
        say(summary(rows))
        if latency:
            _time(model, exported, kind, plan, rows)
        if out.exists():
            say(f'replaces the {out} that was there')
        draft.replace(out)
    say(f'{out}: {out.stat().st_size / 1e6:,.1f} MB')
    say(f'python tools/predict.py IMAGE|FOLDER {out} --out-dir predictions'
        + (' --unsafe-load' if kind == 'torch-export' else ''))
    return rows


def summary(rows: 'Sequence[Row]') -> str:
    """What was found on all images, in one line."""
    pixels = [row.photo[0] * row.photo[1] for row in rows]
    share = sum(row.agreement * count for row, count in zip(rows, pixels)) / sum(pixels)
    found = {number for row in rows for number in row.found}
    few = ('; the network found one class everywhere, so the agreement says little' if len(found) == 1 else
           f'; {len(found)} classes occur')
    return (f'all: scores {min(row.lowest for row in rows):.3g} to {max(row.highest for row in rows):.3g} differ by '
            f'{max(row.difference for row in rows):.1e} at most, agreement {share:.4%} of {sum(pixels):,} pixels{few}')


def facts_of(model: 'nn.Module', cfg: 'Config', plan: 'Plan') -> dict[str, Any]:
    """What stands in the file beside the network."""
    import torch

    import segkit
    from segkit.apis.export_pipeline import pipeline_in_file
    from segkit.apis.export_plan import host_test_cfg, outside_of
    from segkit.engine.run_config import plain

    prepare = plain(cfg.model.get('data_preprocessor') or {}, pairs=True)
    head = model.decode_head
    config = dict(test_pipeline=plain(pipeline_in_file(cfg, plan), pairs=True), data_preprocessor=prepare,
                  test_cfg=plain(host_test_cfg(model.test_cfg), pairs=True))
    if cfg.get('custom_imports'):
        config['custom_imports'] = plain(cfg.custom_imports)
    meta = plain(dict(model.dataset_meta))
    return dict(
        classes=meta['classes'], palette=meta.get('palette'),
        preprocessing=dict(prepare, in_file=plan.channel_order is not None, channel_order=plan.channel_order),
        segkit=dict(
            segkit_version=segkit.__version__, torch_version=torch.__version__.split('+')[0], config=config,
            network=dict(head=type(head).__name__, backbone=type(model.backbone).__name__,
                         num_classes=model.num_classes, out_channels=head.out_channels, threshold=head.threshold,
                         align_corners=model.align_corners),
            input=plan.facts(model.align_corners), outputs=plan.outputs, not_in_file=plain(outside_of(model))))


def _time(model: 'nn.Module', exported: 'nn.Module', kind: str, plan: 'Plan', rows: 'Sequence[Row]') -> None:
    import torch

    from segkit.apis.export_proof import by_scores_alone
    from segkit.apis.latency import in_turns

    size = plan.size or rows[0].photo
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    steps = {'torch, eager': lambda: model.test_step(dict(inputs=[image])),
             'ONNX Runtime' if kind == 'onnx' else 'torch.export': lambda: exported.test_step(dict(inputs=[image]))}
    say(f'from {size[0]}x{size[1]} bytes to classes, on the CPU with {torch.get_num_threads()} threads, in turns:')
    with by_scores_alone(model, exported):
        timings = in_turns(steps, torch.device('cpu'))
    for name, timing in timings.items():
        say(f'  {name}: {timing}')
