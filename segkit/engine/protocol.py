"""How predictions are made before they are scored, in words for the line under the table."""
import os
from typing import Any

from mmengine.runner import BaseLoop
from torch import nn

from segkit.engine.run_state import bare


def tell(loop: BaseLoop, dataloader: Any, model: nn.Module) -> BaseLoop:
    """Tell the metrics of a validation or test loop its protocol.

    Args:
        loop: The loop; metrics with an attribute ``protocol`` get a dict. Those with an attribute ``skipped`` get the
            list to which the loop's data add what they skip.
        dataloader: The config of the loop's data.
        model: The model, maybe inside DDP or a test-time augmentation.

    Returns:
        The loop.
    """
    dataset = dataloader.get('dataset', {}) if isinstance(dataloader, dict) else {}
    facts = dict(split=_split(dataset), **_views(dataset.get('pipeline') or []), **_network(model))
    for metric in loop.evaluator.metrics:
        if hasattr(metric, 'protocol'):
            metric.protocol = {key: value for key, value in facts.items() if value is not None}
        if hasattr(metric, 'skipped') and hasattr(loop.dataloader, 'skipped'):
            metric.skipped = loop.dataloader.skipped.passing
    return loop


def _split(dataset: dict) -> Any:
    """The split list, or the folder of the images where there is none."""
    lists = dataset.get('ann_file')
    if lists:
        return ' + '.join(os.path.basename(one) for one in ([lists] if isinstance(lists, str) else lists))
    return (dataset.get('data_prefix') or {}).get('img_path')


def _views(pipeline: list) -> dict[str, str]:
    """What is done to an image before the network sees it."""
    for step in pipeline:
        if step['type'] == 'TestTimeAug':
            choices = step['transforms']
            sizes = [_resize(t) for group in choices for t in group if t['type'] == 'Resize']
            flips = any(t.get('prob', 0) > 0 for group in choices for t in group if t['type'] == 'RandomFlip')
            fusion = 'flip' if flips else ''
            scales = f'{len(sizes)} scales ({", ".join(sizes)})' if len(sizes) > 1 else ''
            return {'resize': sizes[0] if len(sizes) == 1 else 'none' if not sizes else None,
                    'test-time augmentation': ' and '.join(filter(None, (scales, fusion))) or 'none'}
    sizes = [_resize(step) for step in pipeline if step['type'].startswith('Resize')]
    return {'resize': ', '.join(sizes) or 'none', 'test-time augmentation': 'none'}


def _resize(step: dict) -> str:
    if step.get('scale_factor') is not None:
        return f'x{step["scale_factor"]}'
    scale = step.get('scale')
    if scale is None:
        return step['type']
    size = 'x'.join(map(str, scale)) if isinstance(scale, (list, tuple)) else str(scale)
    return f'{"within" if step.get("keep_ratio") else "to"} {size} (w x h)'


def _network(model: nn.Module) -> dict[str, Any]:
    """Output stride, whole image or windows, the fusion of several sizes and of several views, post-processing."""
    net = bare(model)
    test_cfg = getattr(net, 'test_cfg', None) or {}
    stride = test_cfg.get('output_stride') or getattr(getattr(net, 'backbone', None), 'output_stride', None)
    windows = None
    if test_cfg.get('mode') == 'slide':
        windows = f'{test_cfg.get("crop_size")} every {test_cfg.get("stride")} (h, w)'
    sizes = getattr(net, 'scales', None)  # those that MultiScaleEncoderDecoder sees beside the input's own
    fused = 'maximum over ' + ', '.join(f'x{scale:g}' for scale in (1, *sizes)) if sizes else None
    fusion = getattr(model, 'fusion', None) or getattr(getattr(model, 'module', None), 'fusion', None)
    crf = getattr(net, 'crf', None)
    return {'output stride': stride, 'windows': windows, 'sizes': fused, 'fusion': fusion,
            'post-processing': None if crf is None else str(crf)}
