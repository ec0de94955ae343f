"""Pictures of what a network's modules give for a photo; the body of tools/analysis/feature_maps.py."""
import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from segkit.apis.arguments import Parser, add_cfg_options, add_unsafe_load, say

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

USUAL = ('backbone.layer4', 'decode_head.bottleneck', 'decode_head.block')

EXAMPLE = """example:
  python tools/analysis/feature_maps.py CONFIG CHECKPOINT photo.jpg --out-dir maps
  python tools/analysis/feature_maps.py CONFIG CHECKPOINT photo.jpg --out-dir maps --layers backbone.layer3 --target dog
For each layer DIR gets PHOTO_LAYER_mean.jpg (the mean over the channels, over the photo) and PHOTO_LAYER_channels.png
(the channels of the largest means); for each target PHOTO_LAYER_cam_CLASS.jpg (where the layer sees the class,
Seg-Grad-CAM).
"""


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line."""
    parser = Parser('feature_maps.py', description='Show what modules of a network give for a photo, and where they '
                    'see a class.', epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('image', help='a photo')
    parser.add_argument('--out-dir', required=True, metavar='DIR', help='where the pictures go')
    parser.add_argument('--layers', nargs='+', metavar='NAME', help='modules, such as backbone.layer3 or '
                        'backbone.layer4[1] (default: those of backbone.layer4, decode_head.bottleneck and '
                        'decode_head.block that there are)')
    parser.add_argument('--topk', type=int, default=16, metavar='N', help='channels to show (default: 16)')
    parser.add_argument('--target', nargs='+', default=[], metavar='CLASS', help='classes to look for, by name or '
                        'number')
    parser.add_argument('--device', default='cuda:0', help='cuda:N or cpu (default: cuda:0, or cpu where there is no '
                        'CUDA)')
    add_cfg_options(parser)
    add_unsafe_load(parser)
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_intermixed_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Write the pictures.

    Raises:
        ConfigError: If there is no such layer or class, or ``--topk`` is below one.
        DataError: If the photo cannot be read.
    """
    args = parse_args(argv)
    from segkit.checkpoint import trusting
    with trusting(args.unsafe_load):
        draw(args)


def draw(args: argparse.Namespace) -> None:
    """Write what parsed arguments say."""
    from mmengine.logging import MMLogger

    from segkit.apis.activations import class_index, layer_name, scores_and_maps, seg_grad_cam
    from segkit.apis.inference import init_model
    from segkit.apis.output_folders import refuse_inputs
    from segkit.apis.own_config import refuse_no_file
    from segkit.apis.used_overrides import judge_of_prediction
    from segkit.config import load_config
    from segkit.engine.console import Console
    from segkit.engine.run_folder import write_picture
    from segkit.errors import ConfigError
    from segkit.visualization import heat

    MMLogger.get_current_instance().handlers = [Console()]
    if args.topk < 1:
        raise ConfigError(f'--topk takes a number of channels, at least 1; got {args.topk}.')
    refuse_no_file(args.checkpoint)
    refuse_inputs('--out-dir', args.out_dir, {Path(args.image).parent})
    cfg = load_config(args.config, args.cfg_options, say=say, judge=judge_of_prediction)
    model = init_model(cfg, args.checkpoint, args.device)
    modules = dict(model.named_modules())
    layers = [layer_name(model, name) for name in args.layers] if args.layers else (
        [name for name in USUAL if name in modules] or ['backbone'])
    classes = model.dataset_meta['classes']
    targets = [(classes[index], index) for index in (class_index(classes, name) for name in args.target)]
    inputs, photo = network_input(model, args.image)
    height, width = photo.shape[:2]
    full = inputs.shape[-2:]

    def visible(values: 'torch.Tensor') -> 'np.ndarray':
        """What lies over the photo, without the padding."""
        rows, columns = (-(-size * photo_size // whole) for size, photo_size, whole in
                         zip(values.shape[-2:], (height, width), full))
        return values[..., :rows, :columns].float().cpu().numpy()

    def write(name: str, kind: str, picture: 'np.ndarray') -> None:
        path = Path(args.out_dir, f'{Path(args.image).stem}_{name}_{kind}')
        write_picture(path, picture)
        print(path, flush=True)

    _, maps = scores_and_maps(model, inputs, layers)
    for name in layers:
        values = visible(maps[name])
        mean = values.mean(axis=0)
        say(f'{name}: {"x".join(map(str, values.shape))} (C x h x w), mean over the channels {mean.min():.3g} to '
            f'{mean.max():.3g}')
        write(name, 'mean.jpg', heat.over_photo(photo, mean, float(mean.min()), float(mean.max())))
        strongest = (-values.mean(axis=(1, 2))).argsort(kind='stable')[:args.topk].tolist()
        write(name, 'channels.png', heat.channel_grid(
            values, strongest, f'{name}: the {len(strongest)} of {len(values)} channels of the largest means'))
    for label, index in targets:
        found, pixels = seg_grad_cam(model, inputs, layers, index)
        whole = pixels == full[0] * full[1]
        say(f'{label}: ' + ('no pixel is predicted as it, or every one; its scores everywhere are taken' if whole else
                            f'the scores of the {pixels:,} pixels predicted as it are taken'))
        for name in layers:
            values = visible(found[name])
            write(name, f'cam_{label.replace("/", "_").replace(" ", "_")}.jpg',
                  heat.over_photo(photo, values, 0.0, float(values.max())))


def network_input(model: 'nn.Module', image: str) -> tuple['torch.Tensor', 'np.ndarray']:
    """A photo as the network sees it in a test: (1, 3, H, W), and its colours without padding, (h, w, 3) uint8 RGB."""
    from segkit.apis.inference import prediction_pipeline, read_image

    load, prepare = prediction_pipeline(model.cfg)
    sample = prepare(read_image(image, load))
    batch = model.data_preprocessor(dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']]))
    height, width = batch['data_samples'][0].metainfo['img_shape'][:2]
    return batch['inputs'], model.data_preprocessor.restore(batch['inputs'])[0, :height, :width].numpy()
