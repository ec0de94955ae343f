"""One checkpoint in several test modes; the body of tools/analysis/test_modes.py."""
import argparse
import copy
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from segkit.apis.arguments import Parser, add_cfg_options, add_unsafe_load, load, say, started
from segkit.apis.output_folders import data_folders, refuse_inputs
from segkit.apis.used_overrides import judge_of_test

if TYPE_CHECKING:
    from mmengine.config import Config

    from segkit.apis.mode_scores import Mode

EXAMPLE = """example:
  python tools/analysis/test_modes.py CONFIG CHECKPOINT
  python tools/analysis/test_modes.py CONFIG CHECKPOINT --output-strides 16 8 --scales 0.5 0.75 1 1.25 1.5 1.75
Rows: the test pipeline at each output stride; at the last of them also the views of tta_pipeline, averaged as
tta_model.fusion says, without their mirror images (MS) and with them (MS + flip). Each row is what tools/test.py gives
for that mode. DIR gets test_modes.json and test_modes.md.
"""
SCORES = ('mIoU', 'mAcc', 'aAcc')
REDRAWN = 0.2  # seconds
MIRRORED = [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0.0, 1.0)]


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line."""
    parser = Parser('test_modes.py', description='Scores of one checkpoint at several output strides, with scales and '
                    'with mirror images, in one table.', epilog=EXAMPLE,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('--output-strides', type=int, nargs='+', metavar='N', help='(default: that of the training, '
                        'then that of model.test_cfg where it is another)')
    parser.add_argument('--scales', type=float, nargs='+', metavar='FACTOR', help='scales of MS (default: those of '
                        'tta_pipeline)')
    parser.add_argument('--out-dir', metavar='DIR', help='where the table goes (default: test_modes/ in the run '
                        'folder)')
    parser.add_argument('--work-dir', metavar='DIR', help='the run folder (default: work_dir of the config, else '
                        './work_dirs/<name of the config>)')
    parser.add_argument('--device', default='cuda:0', help='cuda:N or cpu (default: cuda:0, or cpu where there is no '
                        'CUDA)')
    add_cfg_options(parser)
    add_unsafe_load(parser)
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    parser.set_defaults(launcher='none')
    return parser.parse_intermixed_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Test, print and write.

    Raises:
        ConfigError: If the config has no test data with labels, or the network cannot predict in a mode.
        CheckpointError: If the checkpoint cannot be read, or does not fit.
        DataError: If a file of the data cannot be used.
    """
    from segkit.apis.own_config import refuse_no_file

    args = parse_args(argv)
    refuse_no_file(args.checkpoint)
    with started(args):
        cfg = load(args, judge=judge_of_test(tta=True))
        folder = Path(args.out_dir or Path(cfg.work_dir, 'test_modes'))
        refuse_inputs('--out-dir', folder, data_folders(cfg, 'test'))
        facts = evaluate(cfg, args)
        print(table(facts))
        for path in write(folder, facts):
            print(path)


def evaluate(cfg: 'Config', args: argparse.Namespace) -> dict[str, Any]:
    """Test a loaded config in every mode; gives the facts that are printed and written."""
    import torch
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope

    from segkit.apis import test
    from segkit.apis.inference import init_model
    from segkit.apis.mode_scores import ModeScores
    from segkit.checkpoint import fetch
    from segkit.engine.checks.cross_checks import check_num_classes
    from segkit.engine.console import Console
    from segkit.engine.data_loading import build_data_loader
    from segkit.engine.run_state import other_classes
    from segkit.errors import CheckpointError
    from segkit.registry import MODELS

    test.prepare(cfg, argparse.Namespace(config=args.config, checkpoint=args.checkpoint, out=None, save_probs=None,
                                         crf=False, show_dir=None, tta=False))
    init_default_scope('segkit')
    MMLogger.get_current_instance().handlers = [Console()]
    fetch(args.checkpoint)
    views = tta_steps(cfg, args.scales)
    metric, around = _metric(cfg), _around(cfg)
    model = init_model(cfg, args.checkpoint, args.device)
    model.test_cfg['keep_logits'] = False
    tta = MODELS.build(dict(around, module=model)).eval()
    modes = modes_of(model, views, args.output_strides, metric)
    scores = ModeScores(tta, modes, cfg.model.decode_head.get('dilations') is not None,
                        (cfg.get('test_cfg') or {}).get('fp16', False))
    loader = build_data_loader(_with_views(cfg, views), None, training=False)
    check_num_classes(model, loader.dataset, 'test')
    meta = loader.dataset.metainfo
    difference = other_classes(model.dataset_meta.get('classes'), meta.get('classes'), args.checkpoint)
    if difference is not None:
        raise CheckpointError(f'{difference}\nUse the checkpoint and the dataset of one config.')
    say(f'{len(loader.dataset)} images, {len(modes)} modes: {", ".join(mode.name for mode in modes)}')
    for mode in modes:
        mode.metric.dataset_meta = meta
        mode.metric.skipped = getattr(getattr(loader, 'skipped', None), 'passing', ())
    _follow(scores.passes(loader), len(loader))
    MMLogger.get_current_instance().handlers = [Console(30)]  # each metric would print its table of classes
    rows = [_row(mode, len(loader.dataset)) for mode in modes]
    device = next(model.parameters()).device
    return dict(
        config=str(args.config), checkpoint=str(args.checkpoint), device=torch.cuda.get_device_name(device)
        if device.type == 'cuda' else 'CPU', torch=torch.__version__,
        images=modes[0].metric.last_report.images, skipped=len(modes[0].metric.last_report.skipped),
        split=_listed(cfg), scales=[_size(step) for step in _resizes(views)] if views else [],
        fusion=tta.fusion if any(mode.fused for mode in modes) else None, modes=rows)


def tta_steps(cfg: 'Config', scales: Optional[Sequence[float]]) -> Optional[list]:
    """The steps of the test-time augmentation, at the given scales, without labels: the first view has those.

    Args:
        cfg: Its ``tta_pipeline`` is read; not changed.
        scales: Factors in place of the pipeline's; None keeps those.

    Returns:
        The pipeline; None where there is nothing to do.

    Raises:
        ConfigError: If a scale is not above 0, or the pipeline has no TestTimeAug.
    """
    from segkit.errors import ConfigError

    if scales and min(scales) <= 0:
        raise ConfigError(f'--scales: expected factors above 0, got {min(scales):g}.')
    steps = copy.deepcopy(cfg.get('tta_pipeline'))
    if steps is None and not scales:
        say('the config has no tta_pipeline, hence no rows of scales and mirror images; --scales asks for some')
        return None
    if steps is None:
        steps = [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=[MIRRORED,
                                                                                      [dict(type='PackSegInputs')]])]
    several = [step for step in steps if step['type'] == 'TestTimeAug']
    if len(several) != 1:
        raise ConfigError(f'tta_pipeline: expected one TestTimeAug among its steps, got {len(several)}.')
    groups = [[one for one in group if one['type'] != 'LoadAnnotations'] for group in several[0]['transforms']]
    if scales:
        groups = [group for group in groups if not all(one['type'] == 'Resize' for one in group)]
        groups.insert(0, [dict(type='Resize', scale_factor=scale, keep_ratio=True) for scale in scales])
    several[0]['transforms'] = [group for group in groups if group]
    return [step for step in steps if step['type'] != 'LoadAnnotations']


def modes_of(model: Any, views: Optional[list], strides: Optional[Sequence[int]], metric: dict) -> list['Mode']:
    """The rows of the table.

    Args:
        model: The segmentor.
        views: From :func:`tta_steps`.
        strides: Output strides; None takes the network's own ones.
        metric: Config of the metric, of which each mode gets its own.
    """
    from segkit.apis.mode_scores import Mode
    from segkit.registry import METRICS

    if not strides:
        strides = [getattr(model.backbone, 'output_stride', None), model.test_cfg['output_stride']]
        strides = [stride for stride in strides if stride is not None] or [None]
    strides = list(dict.fromkeys(strides))
    modes = [Mode('single' if stride is None else f'OS{stride}', METRICS.build(metric), stride) for stride in strides]
    if views:
        several, flips = len(_resizes(views)) > 1, any(one.get('prob') for one in _choices(views, 'RandomFlip'))
        for flipped in [False] * several + [True] * flips:
            name = ' + '.join(filter(None, (modes[len(strides) - 1].name, 'MS' * several, 'flip' * flipped)))
            modes.append(Mode(name, METRICS.build(metric), strides[-1], fused=True, flipped=flipped))
    return modes


def _choices(views: list, kind: str) -> list[dict]:
    groups = next(step['transforms'] for step in views if step['type'] == 'TestTimeAug')
    return [one for group in groups for one in group if one['type'] == kind]


def _resizes(views: list) -> list[dict]:
    return _choices(views, 'Resize')


def _size(step: dict) -> Any:
    return step['scale_factor'] if step.get('scale_factor') is not None else step.get('scale')


def _metric(cfg: 'Config') -> dict:
    from segkit.engine.checks.config_parts import metrics_of
    from segkit.errors import ConfigError

    ours = [dict(part.cfg) for part in metrics_of(cfg, 'test')
            if part.cfg['type'] == 'IoUMetric' and not part.cfg.get('format_only')]
    if not ours:
        raise ConfigError('test_evaluator has no IoUMetric that compares with labels, whose scores are wanted.\n'
                          "Set test_evaluator=dict(type='IoUMetric'), and a test_dataloader with labels.")
    return {**ours[0], 'output_dir': None, 'num_worst': 0}


def _around(cfg: 'Config') -> dict:
    """The config of the test-time augmentation around the network."""
    from segkit.errors import ConfigError
    from segkit.models.segmentors.seg_tta_model import SegTTAModel
    from segkit.registry import MODELS

    around = dict(cfg.get('tta_model') or dict(type='SegTTAModel'))
    kind = MODELS.get(around['type']) if isinstance(around['type'], str) else around['type']
    if not issubclass(kind, SegTTAModel):
        raise ConfigError(f'tta_model.type: modes share views as SegTTAModel averages them; got {kind.__name__}.\n'
                          'Test each mode with tools/test.py, or set tta_model.type=SegTTAModel.')
    return around


def _with_views(cfg: 'Config', views: Optional[list]) -> dict:
    """The config of the test data, whose samples have the test pipeline's view and those of the augmentation."""
    from segkit.engine.kept_photos import keeping, looks_at_photos

    loader = copy.deepcopy(cfg.test_dataloader)
    dataset = loader.dataset
    while 'dataset' in dataset:  # wrappers
        dataset = dataset.dataset
    pipelines = [dataset.pipeline, *([views] if views else [])]
    if looks_at_photos(cfg):
        pipelines = [keeping(steps) for steps in pipelines]
    dataset.pipeline = [dict(type='SeveralPipelines', pipelines=pipelines)]
    return loader


def _listed(cfg: 'Config') -> Any:
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset.get('ann_file') or (dataset.get('data_prefix') or {}).get('img_path')


def _follow(passes: Any, total: int) -> None:
    """Go through the passes and say how far they are: on a terminal in place, else at each tenth."""
    from segkit.engine.console import Console
    from segkit.engine.hooks.progress_hook import duration

    console, start, drawn = Console(), time.perf_counter(), 0.0
    for done in passes:
        now = time.perf_counter()
        text = f'{done}/{total} batches  left {duration((total - done) * (now - start) / done)}'
        if console.terminal:
            if now - drawn >= REDRAWN:
                drawn = now
                console.live(text)
        elif 10 * done // total != 10 * (done - 1) // total and done < total:
            say(text)
    console.clear()
    say(f'{total} batches in {duration(time.perf_counter() - start)}')


def _row(mode: 'Mode', images: int) -> dict[str, Any]:
    scores = mode.metric.evaluate(images)
    prefix = f'{mode.metric.prefix}/' if mode.metric.prefix else ''
    return dict(mode=mode.name, output_stride=mode.output_stride, views=mode.views,
                **{name: scores[prefix + name] for name in SCORES},
                seconds_per_image=mode.seconds / max(mode.metric.last_report.images, 1))


def _cells(facts: dict[str, Any]) -> list[list[str]]:
    rows = [['Mode', 'Views', *SCORES, 's/image']]
    return rows + [[row['mode'], str(row['views']), *(f'{row[name]:.2f}' for name in SCORES),
                    f'{row["seconds_per_image"]:.3f}'] for row in facts['modes']]


def _legend(facts: dict[str, Any]) -> str:
    averaged = dict(prob='probabilities', logit='scores', exp='exponentials of the scores').get(facts['fusion'])
    parts = [f'{facts["images"]:,} images' + (f' ({facts["skipped"]} skipped)' if facts['skipped'] else '')]
    if averaged:
        sizes = ', '.join(map(str, facts['scales']))
        parts.append((f'MS: {sizes}; ' if len(facts['scales']) > 1 else '') + f'{averaged} of the views averaged')
    return '; '.join([*parts, f's/image: from a loaded batch to its classes, {facts["device"]}'])


def table(facts: dict[str, Any]) -> str:
    """The table for the console, with what its words mean under it."""
    from terminaltables import AsciiTable
    shown = AsciiTable(_cells(facts))
    shown.justify_columns = {i: 'right' for i in range(1, 6)}
    return f'{shown.table}\n{_legend(facts)}'


def write(folder: Path, facts: dict[str, Any]) -> list[Path]:
    """Write the facts as JSON, undefined scores as null, and the table as Markdown; gives the files."""
    from segkit.engine.run_folder import write_bytes

    head, *body = _cells(facts)
    lines = [f'# {Path(facts["checkpoint"]).name}', '', f'`{facts["config"]}`, `{facts["checkpoint"]}`', '',
             f'| {" | ".join(head)} |', '|:--|' + '--:|' * (len(head) - 1)]
    lines += [f'| {" | ".join(cells)} |' for cells in body] + ['', f'{_legend(facts)}.', '']
    plain = dict(facts, modes=[{key: None if value != value else value for key, value in row.items()}
                               for row in facts['modes']])
    files = [folder / 'test_modes.json', folder / 'test_modes.md']
    write_bytes(files[0], (json.dumps(plain, indent=1) + '\n').encode())
    write_bytes(files[1], '\n'.join(lines).encode())
    return files
