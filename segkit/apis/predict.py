"""The body of tools/predict.py."""
import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from segkit.apis.arguments import (
    Parser,
    add_cfg_options,
    add_crf,
    add_unsafe_load,
    crf_first,
    started,
    use_crf,
)
from segkit.apis.output_folders import refuse_file, refuse_inputs
from segkit.apis.own_config import CHECKPOINTS, CONFIGS, is_checkpoint, is_exported, refuse_no_file, stored_config
from segkit.apis.used_overrides import judge_of_prediction
from segkit.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np

EXAMPLE = """example:
  python tools/predict.py photos/ configs/demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py runs/a/best_mIoU.pth \\
      --out-dir predictions
  python tools/predict.py photo.jpg runs/a/best_mIoU.pth      (the config in the checkpoint; .safetensors too)
  python tools/predict.py photos/ model.onnx                  (a file of tools/export.py)
For each image DIR gets NAME_overlay.jpg (classes over the photo, with a legend), NAME_mask.png (class indices as
palette PNG) and NAME.json (share of the area of each class, and the values of a CRF that decided them).
"""


def parser() -> argparse.ArgumentParser:
    """The command line of predict.py."""
    p = Parser('predict.py', description='Predict the classes of photos.', epilog=EXAMPLE,
               formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('source', metavar='IMAGE|FOLDER', help='an image, or a folder of images')
    p.add_argument('config', nargs='?', help='a config file (default: the config that the checkpoint holds)')
    p.add_argument('checkpoint', help='a checkpoint file or URL, or a file of export.py')
    p.add_argument('--out-dir', metavar='DIR', default='predictions',
                   help='where the predictions are written (default: %(default)s)')
    p.add_argument('--device', help='cuda:N or cpu (default: cuda:0, or cpu where there is no CUDA)')
    p.add_argument('--opacity', type=_share, default=0.5, metavar='0..1',
                   help='weight of the colours over the photo (default: 0.5)')
    add_crf(p)
    add_cfg_options(p)
    add_unsafe_load(p)
    p.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return p


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'expected 0 to 1, got {text}')
    return value


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Predict what the command line says.

    Raises:
        ConfigError: If a file stands in the place of another.
        DataError: If there are no such images, or some could not be read.
    """
    args = parser().parse_intermixed_args(argv)  # options may stand between the files
    _check_order(args)
    with started(args):
        predict(args)


def predict(args: argparse.Namespace) -> None:
    """Predict what parsed arguments say.

    Raises:
        ConfigError: If the predictions would lie among the images.
        DataError: At the end, if images could not be read; the others are predicted before.
    """
    from mmengine.logging import MMLogger

    from segkit.apis.inference import init_model, require_device
    from segkit.apis.mmseg_inferencer import MMSegInferencer, index_mask, list_inputs
    from segkit.config import load_config
    from segkit.engine.console import Console
    from segkit.engine.run_folder import write_picture

    MMLogger.get_current_instance().handlers = [Console()]
    if args.device is not None:
        require_device(args.device)
    images = list_inputs(args.source)
    refuse_inputs('--out-dir', args.out_dir, {Path(path).parent for path in images})
    refuse_file('--out-dir', args.out_dir)
    stems = [Path(path).stem for path in images]
    if is_exported(args.checkpoint):
        if args.crf:
            raise ConfigError(f'--crf needs the network; {args.checkpoint} is a file of export.py, which has none '
                              'behind it.\nGive the checkpoint that it was made of.')
        model = init_model(args.config, args.checkpoint, args.device, args.cfg_options)
    else:
        cfg = load_config(args.config or stored_config(args.checkpoint), args.cfg_options,
                          prepare=crf_first(args), judge=judge_of_prediction)
        if args.crf:
            use_crf(cfg)
        model = init_model(cfg, args.checkpoint, args.device)
    inferencer = MMSegInferencer(model)
    crf = getattr(model, 'crf', None)  # asked for here, in the config, or in a file of export.py
    if crf is not None:
        print(f'{crf} decides the classes (docs/crf.md)', flush=True)
    out, unreadable = Path(args.out_dir), []
    for done, path in enumerate(images, 1):
        try:
            mask = index_mask(next(inferencer.stream([path]))[1])
        except DataError as error:
            unreadable.append(error)
            _say(done, len(images), f'{path}: not readable', keep=True)
            continue
        same = stems.count(Path(path).stem) > 1  # photo.jpg and photo.png must not overwrite each other's results
        stem = out / (Path(path).name if same else Path(path).stem)
        write_picture(stem.with_name(stem.name + '_overlay.jpg'), inferencer.draw(path, mask, args.opacity))
        inferencer.write_mask(stem.with_name(stem.name + '_mask.png'), mask)
        shares = shares_of(mask, inferencer.visualizer.classes)
        stem.with_name(stem.name + '.json').write_text(json.dumps(dict(
            image=str(path), size=dict(height=mask.shape[0], width=mask.shape[1]), checkpoint=args.checkpoint,
            **({} if crf is None else dict(crf=str(crf))), share=shares), indent=1))
        text = ', '.join(f'{name} {share:.1%}' for name, share in list(shares.items())[:5])
        _say(done, len(images), f'{os.path.basename(path)}: {text}', keep=len(images) == 1)
    print(f'{len(images) - len(unreadable)} of {len(images)} images predicted, see {out}')
    if unreadable:
        raise DataError(f'{len(unreadable)} of {len(images)} images could not be read. The first one:\n{unreadable[0]}')


def _check_order(args: argparse.Namespace) -> None:
    first = Path(args.source).suffix.lower()
    if first not in CONFIGS + CHECKPOINTS:
        refuse_no_file(args.checkpoint)
    if args.config is None:
        wrong = first in CONFIGS or not (is_checkpoint(args.checkpoint) or is_exported(args.checkpoint))
        given = f'{args.source} as image, {args.checkpoint} as checkpoint'
    else:
        second = Path(args.config).suffix.lower()
        wrong = first in CONFIGS or (second and second not in CONFIGS)
        given = f'{args.source} as image, {args.config} as config, {args.checkpoint} as checkpoint'
    if wrong or first in CHECKPOINTS:
        raise ConfigError(f'The order is: predict.py IMAGE|FOLDER CONFIG CHECKPOINT.\nGot {given}.\n'
                          'CONFIG may be left out where the checkpoint holds its config.')


def shares_of(mask: 'np.ndarray', classes: Sequence[str]) -> dict[str, float]:
    """Class name to share of the area (0 to 1), the largest first, of the classes that occur in a mask (H, W)."""
    import numpy as np
    counts = np.bincount(mask.ravel(), minlength=len(classes))
    return {classes[i]: round(float(counts[i] / mask.size), 6) for i in np.argsort(-counts, kind='stable') if counts[i]}


def _say(done: int, total: int, text: str, keep: bool) -> None:
    """One line that is rewritten on a terminal; elsewhere a line for each image, so that a log shows the progress."""
    if sys.stdout.isatty():
        sys.stdout.write(f'\r\x1b[2K{done}/{total} {text}' + ('\n' if keep or done == total else ''))
        sys.stdout.flush()
    else:
        print(f'{done}/{total} {text}', flush=True)
