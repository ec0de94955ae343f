"""Pages of samples as the network sees them; the body of tools/analysis/browse_dataset.py."""
import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from segkit.apis.arguments import Parser, add_cfg_options
from segkit.apis.output_folders import data_folders, refuse_inputs

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config

PAGE = 16


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line."""
    parser = Parser(
        description='Show what the network really sees: images after the whole pipeline and the preprocessor, with '
        'their labels over them.', epilog='example: python tools/analysis/browse_dataset.py '
        'configs/demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py --number 16')
    parser.add_argument('config', help='config file')
    parser.add_argument('--output-dir', metavar='DIR', help='where the pages go (default: work_dirs/browse/<config>)')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train', help='default: train')
    parser.add_argument('--number', type=int, default=32, metavar='N', help='samples to show (default: 32)')
    parser.add_argument('--show', action='store_true', help='open each page in a window too')
    parser.add_argument('--not-show', dest='show', action='store_false', help='only write the pages (the default)')
    add_cfg_options(parser)
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Write the pages.

    Raises:
        ConfigError: If the config has no such split, or ``--number`` is below one.
    """
    args = parse_args(argv)
    from segkit.config import load_config
    from segkit.errors import ConfigError

    cfg = load_config(args.config, args.cfg_options, say=print)
    if args.number < 1:
        raise ConfigError(f'--number takes the number of samples to show, at least 1; got {args.number}.')
    if cfg.get(f'{args.split}_dataloader') is None:
        raise ConfigError(f'{args.config} has no {args.split}_dataloader: there is nothing to show for --split '
                          f'{args.split}.')
    out_dir = Path(args.output_dir or Path('work_dirs/browse', Path(args.config).stem))
    refuse_inputs('--output-dir', out_dir, data_folders(cfg, args.split))
    for path in write_pages(cfg, args.split, args.number, out_dir, args.show):
        print(path)


def write_pages(cfg: 'Config', split: str, number: int, out_dir: Path, show: bool = False) -> Iterator[Path]:
    """Write pages of samples, and yield the path of each.

    Args:
        cfg: A loaded config.
        split: 'train', 'val' or 'test'.
        number: How many samples, from the first the run would draw.
        out_dir: Folder, made if it is not there.
        show: Whether to open each page in a window.
    """
    import cv2
    from mmengine.registry import init_default_scope

    from segkit.engine.checks import run_arguments
    from segkit.engine.data_loading import build_data_loader
    from segkit.registry import MODELS, VISUALIZERS

    init_default_scope('segkit')
    seed = run_arguments.seed((cfg.get('randomness') or {}).get('seed'))
    loader = build_data_loader({**cfg[f'{split}_dataloader'], 'num_workers': 0}, seed, split == 'train')
    preprocessor = cfg.model.get('data_preprocessor') or dict(type='SegDataPreProcessor')
    visualizer = VISUALIZERS.build(dict(type='SegLocalVisualizer', name=f'browse-{out_dir}-{split}'))
    visualizer.dataset_meta = loader.dataset.metainfo
    total = min(number, len(loader.dataset)) if split != 'train' else number
    samples = _samples(loader, MODELS.build(preprocessor), split == 'train')
    out_dir.mkdir(parents=True, exist_ok=True)
    for start in range(0, total, PAGE):
        count = min(PAGE, total - start)
        heading = f'{split}, samples {start + 1} to {start + count}, as the network sees them (seed {seed})'
        page = visualizer.draw_samples_mosaic([next(samples) for _ in range(count)], heading)
        path = out_dir / f'{split}_{start // PAGE + 1:03d}.jpg'
        cv2.imwrite(str(path), cv2.cvtColor(page, cv2.COLOR_RGB2BGR))
        if show:
            visualizer.show(page, win_name=heading)
        yield path


def _samples(loader, preprocessor, training: bool) -> Iterator[tuple['np.ndarray', 'np.ndarray']]:
    """Image (H, W, 3) uint8 RGB, as the preprocessor restores it, and the labels over it (H, W), one by one."""
    import numpy as np

    from segkit.visualization.overlay import over_padded

    for batch in loader:
        batch = preprocessor(batch, training)
        for k, image in enumerate(preprocessor.restore(batch['inputs']).numpy()):
            sample = batch['data_samples'][k]
            if training:
                label = batch['labels'][k].numpy()
            elif 'gt_sem_seg' in sample:
                # At the photo's own size, as scores are counted; the network sees it resized and padded.
                label = over_padded(sample.gt_sem_seg.data[0].numpy(), sample.img_shape[:2], image.shape[:2])
            else:
                label = np.full(image.shape[:2], 255)
            yield image, label
