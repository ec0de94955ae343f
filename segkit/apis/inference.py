"""A model from config and checkpoint, and its predictions on images; MMSegmentation's three functions."""
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import print_log
from torch import nn

from segkit.apis.own_config import is_checkpoint, stored_config
from segkit.checkpoint import load_file, load_weights, state_dict_of, trusting
from segkit.config import load_config
from segkit.engine.checks import same_function
from segkit.engine.run_state import dataset_meta_of
from segkit.errors import CheckpointError, ConfigError, DataError
from segkit.registry import DATASETS, MODELS, TRANSFORMS
from segkit.structures import SegDataSample

Image = Union[str, Path, np.ndarray]
DEFAULT_DEVICE = 'cuda:0'


def init_model(config: Union[str, Path, Config, None] = None,
               checkpoint: Union[str, Path, None] = None,
               device: Optional[str] = 'cuda:0',
               cfg_options: Optional[dict] = None,
               unsafe: bool = False) -> nn.Module:
    """Build a segmentor for prediction.

    Args:
        config: A config file, or a loaded config. None takes the one that the checkpoint holds, without running code
            from it; a checkpoint in this place does too.
        checkpoint: A file or URL; None leaves random weights, and that is said.
        device: Where it runs. None takes CUDA where there is some, else the CPU. 'cuda:0', which scripts for
            MMSegmentation say, runs on the CPU where there is no CUDA, and that is said; another one has to be there.
        cfg_options: Overrides for a config file or the checkpoint's config.
        unsafe: Let the checkpoint run whatever code it contains, if it asks for some. Only for files you made or
            trust.

    Returns:
        The segmentor in eval mode, with ``cfg`` and ``dataset_meta`` (classes, palette) as attributes.

    Raises:
        ConfigError: If the config cannot be used, or the device is not there.
        CheckpointError: If the checkpoint cannot be read, or does not fit model or classes.
    """
    with trusting(unsafe):
        return _init_model(config, checkpoint, device, cfg_options)


def _init_model(config: Any, checkpoint: Any, device: Optional[str], cfg_options: Optional[dict]) -> nn.Module:
    if checkpoint is None and is_checkpoint(config):
        config, checkpoint = None, config
    if config is None and checkpoint is None:
        raise ConfigError('init_model needs a config, or a checkpoint that holds its config (or both); got neither.')
    if isinstance(config, Config):
        cfg = config
        if cfg_options:
            cfg.merge_from_dict(cfg_options)
    else:
        cfg = load_config(stored_config(checkpoint) if config is None else config, cfg_options)
    there = torch.cuda.is_available()
    if device == DEFAULT_DEVICE and not there:
        print_log(f'{device} is not available; predicting on the CPU', 'current')
    if device is None or device == DEFAULT_DEVICE:
        device = DEFAULT_DEVICE if there else 'cpu'
    require_device(device)
    model = MODELS.build(cfg.model)
    meta = dataset_meta_of_config(cfg)
    if checkpoint is None:
        print_log('no checkpoint: the predictions are those of random weights', 'current', level=30)
    else:
        content = load_file(checkpoint)
        load_weights(model, state_dict_of(content, str(checkpoint)), source=str(checkpoint))
        difference = same_function.difference(content, cfg.model, str(checkpoint))
        if difference is not None:
            print_log(difference, 'current', level=30)
        meta = dataset_meta_of(content) or meta
    classes = meta.get('classes')
    if classes is not None and len(classes) != model.num_classes:
        raise CheckpointError(f'The model has {model.num_classes} classes, but {checkpoint or "the config"} names '
                              f'{len(classes)}.\nUse a config and a checkpoint that belong together.')
    if classes is None:
        meta = dict(classes=tuple(f'class {i}' for i in range(model.num_classes)), palette=meta.get('palette'))
    model.dataset_meta = meta
    model.cfg = cfg
    if 'keep_logits' not in (cfg.model.get('test_cfg') or {}) and isinstance(getattr(model, 'test_cfg', None), dict):
        model.test_cfg['keep_logits'] = True  # a run keeps none, but who asks for one image may want its scores
    return model.to(device).eval()


def require_device(device: str) -> None:
    """Raise ConfigError unless this machine has the device."""
    try:
        kind = torch.device(device)
        if kind.type not in ('cuda', 'cpu'):
            torch.zeros(1, device=kind).item()
    except Exception as error:  # each kind of device has errors of its own
        raise ConfigError(f'device (--device): expected cuda:N or cpu, got {device!r}.') from error
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind.type == 'cuda' and (kind.index or 0) >= gpus:
        raise ConfigError(f"device (--device): {device} is not there; this machine shows {gpus or 'no'} "
                          f"GPU{'' if gpus == 1 else 's'} to torch.\nGive another one, or none: that takes "
                          'a GPU where there is one, else the CPU.')


def dataset_meta_of_config(cfg: Config) -> dict:
    """Classes and palette of the config's dataset, as far as they are known without its images."""
    for name in ('test_dataloader', 'val_dataloader', 'train_dataloader'):
        dataset = (cfg.get(name) or {}).get('dataset') or {}
        while 'dataset' in dataset:
            dataset = dataset['dataset']
        if 'type' in dataset:
            kind = DATASETS.get(dataset['type']) if isinstance(dataset['type'], str) else dataset['type']
            packed = kind.said_by_files(dataset).get('metainfo') if hasattr(kind, 'said_by_files') else None
            meta = {**getattr(kind, 'METAINFO', {}), **(packed or {}), **(dataset.get('metainfo') or {})}
            if isinstance(meta.get('classes'), (list, tuple)):
                return dict(classes=tuple(meta['classes']), palette=meta.get('palette'))
    return {}


def inference_model(model: nn.Module, img: Union[Image, Sequence[Image]]) -> Union[SegDataSample, list[SegDataSample]]:
    """Predict one image or several.

    Args:
        model: From :func:`init_model`.
        img: A file, an (H, W, 3) uint8 BGR array, or a list of them.

    Returns:
        A sample with ``pred_sem_seg`` (1, H, W) and ``seg_logits`` (K, H, W) at the image's own size; a list of them
        for a list. (Scores of many photos need much memory: MMSegInferencer keeps none.)

    Raises:
        DataError: If a file cannot be read, or an array is not of that form.
    """
    if isinstance(img, (list, tuple)):
        return list(predict_images(model, img))
    return next(predict_images(model, [img]))


@torch.no_grad()
def predict_images(model: nn.Module, images: Sequence[Image], batch_size: int = 1,
                   keep_logits: bool = True) -> Iterator[SegDataSample]:
    """Predict images in order.

    Images that the network sees at different sizes are not put into one batch: padding would change their edges.

    Args:
        model: From :func:`init_model`.
        images: Files, or (H, W, 3) uint8 BGR arrays.
        batch_size: How many images of equal size go through the network together.
        keep_logits: Whether ``seg_logits`` may be in the samples; they are if ``model.test_cfg.keep_logits`` says so.
    """
    load, prepare = prediction_pipeline(model.cfg)
    batch: list[dict] = []
    for image in images:
        sample = prepare(read_image(image, load))
        if batch and (len(batch) == batch_size or batch[0]['inputs'].shape != sample['inputs'].shape):
            yield from _predict(model, batch, keep_logits)
            batch = []
        batch.append(sample)
    if batch:
        yield from _predict(model, batch, keep_logits)


def _predict(model: nn.Module, batch: list[dict], keep_logits: bool) -> list[SegDataSample]:
    samples = model.test_step(dict(inputs=[sample['inputs'] for sample in batch],
                                   data_samples=[sample['data_samples'] for sample in batch]))
    for sample in samples:
        if not keep_logits and 'seg_logits' in sample:
            del sample.seg_logits
    return samples


def prediction_pipeline(cfg: Config) -> tuple[Any, Compose]:
    """The test pipeline without labels: the transform that loads an image, and those behind it.

    Raises:
        ConfigError: If the config has no pipeline that begins with loading an image.
    """
    steps = cfg.get('test_pipeline')
    for name in ('test_dataloader', 'val_dataloader'):
        if steps is None and cfg.get(name):
            dataset = cfg[name]['dataset']
            while 'dataset' in dataset:
                dataset = dataset['dataset']
            steps = dataset.get('pipeline')
    if not steps or not steps[0]['type'].startswith('LoadImage'):
        raise ConfigError('Prediction needs test_dataloader.dataset.pipeline (or test_pipeline), whose first transform '
                          'is LoadImageFromFile.')
    transforms = [TRANSFORMS.build(step) for step in steps if not step['type'].startswith('LoadAnnotations')]
    return transforms[0], Compose(transforms[1:])


def read_image(image: Image, load: Any) -> dict:
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise DataError('An image given as array is (H, W, 3) uint8 in BGR order, as cv2.imread reads it;\n'
                            f'got shape {tuple(image.shape)}, {image.dtype}. '
                            'cv2.cvtColor turns grey (GRAY2BGR) and RGBA (RGBA2BGR) into BGR.')
        return dict(img=image, img_path=None, img_shape=image.shape[:2], ori_shape=image.shape[:2], seg_fields=[])
    if not isinstance(image, (str, Path)):
        raise DataError(f'An image is a path or an (H, W, 3) uint8 BGR array; got {type(image).__name__}.')
    try:
        loaded = load(dict(img_path=str(image), seg_fields=[]))
    except DataError as error:  # what it advises for a dataset does not apply
        raise DataError(f'{str(error).splitlines()[0]}\nGive the path of an image file that OpenCV reads.') from error
    if loaded is None:  # LoadImageFromFile(ignore_empty=True)
        raise DataError(f"'{image}' cannot be read as an image.")
    return loaded


def show_result_pyplot(model: nn.Module,
                       img: Image,
                       result: SegDataSample,
                       opacity: float = 0.5,
                       title: str = '',
                       draw_gt: bool = True,
                       draw_pred: bool = True,
                       wait_time: float = 0,
                       show: bool = True,
                       with_labels: bool = True,
                       save_dir: Optional[str] = None,
                       out_file: Optional[str] = None) -> np.ndarray:
    """Draw a prediction over its image.

    Args:
        model: From :func:`init_model`; tells classes and palette.
        img: A file, or an (H, W, 3) uint8 RGB array.
        result: From :func:`inference_model`.
        opacity: Weight of a class's colour over the photo, 0 to 1.
        title: Of the window, and the picture's name in ``save_dir``.
        draw_gt: Whether to draw ``result.gt_sem_seg``, if it is there.
        draw_pred: Whether to draw ``result.pred_sem_seg``.
        wait_time: How long the window waits, in seconds; 0 waits for a key.
        show: Whether to open a window.
        with_labels: Whether to add the legend.
        save_dir: A folder in which the picture is kept under vis_data/vis_image.
        out_file: A file to write the picture to.

    Returns:
        (H', W', 3) uint8 RGB.
    """
    from segkit.visualization import SegLocalVisualizer

    model = getattr(model, 'module', model)
    if not isinstance(img, np.ndarray):
        loaded = TRANSFORMS.build(dict(type='LoadImageFromFile')).transform(dict(img_path=str(img)))
        img = loaded['img'][..., ::-1].copy()
    backends = [dict(type='LocalVisBackend')] if save_dir is not None else None
    visualizer = SegLocalVisualizer(vis_backends=backends, save_dir=save_dir, alpha=opacity, **model.dataset_meta)
    visualizer.add_datasample(title or 'result', img, result, draw_gt=draw_gt, draw_pred=draw_pred, show=show,
                              wait_time=wait_time, out_file=out_file, with_labels=with_labels)
    return visualizer.get_image()
