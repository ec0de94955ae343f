"""Which classes are taken for which; the body of tools/analysis/confusion_matrix.py."""
import argparse
import copy
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from segkit.apis.arguments import Parser, add_cfg_options, add_unsafe_load, say
from segkit.apis.output_folders import data_folders, refuse_inputs

if TYPE_CHECKING:
    import torch
    from mmengine.config import Config

    from segkit.evaluation import Report
    from segkit.structures import SkippedSample

EXAMPLE = """example:
  python tools/test.py CONFIG CHECKPOINT --out predictions
  python tools/analysis/confusion_matrix.py CONFIG predictions out
  python tools/analysis/confusion_matrix.py CONFIG CHECKPOINT out       (predicts first)
DIR gets confusion_matrix.csv, confusion_matrix.png (pixels) and confusion_matrix_normalized.png (per cent of each true
class). Predictions are matched with images by their names.
"""


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line; its order is MMSegmentation's."""
    parser = Parser('confusion_matrix.py', description='Confusion matrix of the test data: counted, drawn, and '
                    'the pairs of classes that are confused most.', epilog=EXAMPLE,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('prediction_path', metavar='PREDICTIONS', help='folder of predictions, as test.py --out writes '
                        'them, or a checkpoint to predict with')
    parser.add_argument('save_dir', metavar='DIR', help='where the files go')
    parser.add_argument('--most', type=int, default=10, metavar='N', help='pairs to print (default: 10)')
    parser.add_argument('--show', action='store_true', help='open the normalised picture in a window too')
    add_cfg_options(parser)
    add_unsafe_load(parser)
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Count, write and print.

    Raises:
        ConfigError: If the config has no test data, or ``DIR`` is read from.
        DataError: If predictions are missing or do not fit the labels.
    """
    args = parse_args(argv)
    from segkit.checkpoint import trusting
    with trusting(args.unsafe_load):
        _main(args)


def _main(args: argparse.Namespace) -> None:
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope

    from segkit.apis.used_overrides import judge_of_test
    from segkit.config import load_config
    from segkit.engine.console import Console
    from segkit.engine.run_folder import write_confusion
    from segkit.errors import ConfigError
    from segkit.registry import VISUALIZERS

    cfg = load_config(args.config, args.cfg_options, say=say, judge=judge_of_test(tta=False))
    if cfg.get('test_dataloader') is None:
        raise ConfigError(f'{args.config} has no test_dataloader (and no val_dataloader), whose labels are needed.')
    refuse_inputs('DIR', args.save_dir, data_folders(cfg, 'test'))
    init_default_scope('segkit')
    MMLogger.get_current_instance().handlers = [Console()]  # where the metric prints its table
    if os.path.isdir(os.path.expanduser(args.prediction_path)):
        report = count(cfg, Path(args.prediction_path).expanduser())
    else:
        report = predict(cfg, args)
    draw = VISUALIZERS.build(dict(type='SegLocalVisualizer', name=f'confusion-{args.save_dir}', classes=report.classes))
    files = write_confusion(Path(args.save_dir), report, draw)
    print(pairs_text(report, args.most))
    for path in files:
        print(path)
    if args.show:
        draw.show(draw.draw_confusion_matrix(report.confusion, normalize=True), win_name='confusion matrix')


def predict(cfg: 'Config', args: argparse.Namespace) -> 'Report':
    """Test with a checkpoint, as test.py does; its files go to test/ below ``save_dir``."""
    from segkit.apis import test
    from segkit.checkpoint import fetch
    from segkit.engine import SegRunner

    cfg.launcher, cfg.work_dir = 'none', args.save_dir
    given = argparse.Namespace(config=args.config, checkpoint=args.prediction_path, out=None, save_probs=None,
                               crf=False, show_dir=None, tta=False)
    fetch(given.checkpoint)
    test.prepare(cfg, given)
    if cfg.get('default_hooks'):
        cfg.default_hooks.report = None
    runner = SegRunner.from_cfg(cfg)
    runner.test()
    return _report_of(runner.test_evaluator.metrics)


def _report_of(metrics: Sequence[Any]) -> 'Report':
    from segkit.errors import ConfigError
    for metric in metrics:
        if getattr(metric, 'last_report', None) is not None:
            return metric.last_report
    raise ConfigError('test_evaluator has no IoUMetric that compares with labels, whose confusion matrix is needed.\n'
                      "Set test_evaluator=dict(type='IoUMetric').")


def count(cfg: 'Config', folder: Path) -> 'Report':
    """Compare predictions in files with the labels of the test data.

    Args:
        cfg: A loaded config.
        folder: Palette or grey PNG files of class indices, called as the images are.

    Raises:
        DataError: If a prediction is missing, or does not fit its label.
    """
    from segkit.datasets.leaves import leaves
    from segkit.engine.checks.config_parts import datasets_of, metrics_of
    from segkit.errors import ConfigError
    from segkit.registry import DATASETS, METRICS
    from segkit.structures import SkippedSample

    loader = copy.deepcopy(cfg.test_dataloader)
    for part in datasets_of(dict(test_dataloader=loader), 'test'):
        steps = [step for step in part.cfg.get('pipeline') or () if step['type'] == 'LoadAnnotations']
        part.cfg['pipeline'] = steps or [dict(type='LoadAnnotations')]
    dataset = DATASETS.build(loader.dataset)
    if not list(leaves(dataset)):
        raise ConfigError(f'test_dataloader.dataset.type: predictions can be matched with the images of a dataset of '
                          f'segkit or a subclass of BaseSegDataset; got {type(dataset).__name__}.')
    ours = [dict(part.cfg) for part in metrics_of(cfg, 'test') if part.cfg['type'] == 'IoUMetric']
    metric = METRICS.build({**(ours[0] if ours else dict(type='IoUMetric')), 'output_dir': None, 'format_only': False})
    metric.dataset_meta = dataset.metainfo
    metric.protocol = dict(predictions=str(folder))
    metric.skipped = []
    for sample in _samples(dataset, _matched(dataset, folder)):
        if isinstance(sample, SkippedSample):
            metric.skipped.append((sample.file, sample.reason))
        else:
            metric.process({}, [sample])
    metric.evaluate(len(dataset))
    return metric.last_report


def _matched(dataset: Any, folder: Path) -> list[Path]:
    """The prediction of each image.

    Raises:
        DataError: If some are missing.
    """
    from segkit.errors import DataError
    from segkit.structures import SkippedSample

    names = [Path(dataset.get_data_info(i)['img_path']).stem for i in range(len(dataset))]
    files = [folder / f'{name}.png' for name in names]
    missing = [file for i, file in enumerate(files)
               if not file.is_file() and not isinstance(dataset[i], SkippedSample)]
    if missing:
        raise DataError(f'{folder}: {len(missing)} of {len(files)} predictions are missing, the first is '
                        f'{missing[0].name}.\nWrite them with tools/test.py CONFIG CHECKPOINT --out {folder}, with the '
                        'same data.')
    others = len(list(folder.glob('*.png'))) - len(set(files))
    if others:
        say(f'{others} other PNG files in {folder} are of no image of the test data')
    return files


def _samples(dataset: Any, files: Sequence[Path]) -> Iterator[Union[dict, 'SkippedSample']]:
    """Prediction and label of each image, in the form that metrics take; what the dataset skips as it is."""
    import numpy as np
    import torch

    from segkit.datasets.transforms.image_file import decode_mask, read_bytes
    from segkit.errors import DataError
    from segkit.structures import SkippedSample

    def part(array: np.ndarray) -> dict[str, 'torch.Tensor']:
        return dict(data=torch.from_numpy(np.ascontiguousarray(array))[None])

    live = sys.stdout.isatty()
    for i, file in enumerate(files):
        if live:
            print(f'\r{i + 1}/{len(files)}', end='' if i + 1 < len(files) else '\n', flush=True)
        loaded = dataset[i]
        if isinstance(loaded, SkippedSample):
            yield loaded
            continue
        mask = decode_mask(read_bytes(str(file)), str(file))
        if mask.ndim != 2:
            raise DataError(f'{file} holds colours; class indices were expected (palette or grey PNG, as test.py --out '
                            'writes them).')
        mask = mask.astype(np.int64)
        if loaded.get('reduce_zero_label'):  # test.py writes the numbering of the dataset's own files
            if (mask == 0).any():
                raise DataError(f'{file}: 0 is no class of a prediction where reduce_zero_label is set; 1 to K were '
                                'expected, as test.py --out writes them.')
            mask -= 1
        label = loaded['gt_seg_map']
        yield dict(pred_sem_seg=part(mask), gt_sem_seg=part(label), img_path=loaded['img_path'],
                   seg_map_path=loaded['seg_map_path'], ori_shape=label.shape)


def pairs_text(report: 'Report', most: int) -> str:
    """The table of the most confused pairs."""
    from terminaltables import AsciiTable
    pairs = report.confused_pairs(most)
    if not pairs:
        return 'no pixel was predicted as another class'
    table = AsciiTable([['True', 'Predicted as', 'Pixels', 'of the class', 'of all errors'],
                        *([pair.true, pair.predicted, f'{pair.pixels:,}', f'{pair.of_class:.1%}',
                           f'{pair.of_errors:.1%}'] for pair in pairs)])
    table.justify_columns = {2: 'right', 3: 'right', 4: 'right'}
    return f'the {len(pairs)} most frequent confusions:\n{table.table}'
