"""Predictions for files, folders and arrays in one call."""
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
from mmengine.config import Config
from torch import nn

import segkit
from segkit.apis.inference import Image, init_model, predict_images, require_device
from segkit.engine.run_folder import write_picture
from segkit.errors import ConfigError, DataError
from segkit.evaluation.palette_png import write_palette_png
from segkit.registry import INFERENCERS, TRANSFORMS
from segkit.structures import SegDataSample

# Short names of data sets, as MMSegmentation's inferencer takes them.
ALIASES = {
    'voc': 'PascalVOC', 'pascal_voc': 'PascalVOC', 'voc12': 'PascalVOC', 'voc12aug': 'PascalVOC', 'ade': 'ADE20K',
    'ade20k': 'ADE20K', 'cityscapes': 'Cityscapes', 'cocostuff': 'COCOStuff', 'cocostuff10k': 'COCOStuff',
    'cocostuff164k': 'COCOStuff', 'coco-stuff': 'COCOStuff', 'coco_stuff10k': 'COCOStuff',
    'coco_stuff164k': 'COCOStuff', 'pcontext': 'PascalContext', 'pascal_context': 'PascalContext',
    'voc2010': 'PascalContext', 'loveda': 'LoveDA', 'potsdam': 'Potsdam', 'vaihingen': 'ISPRS', 'isaid': 'iSAID',
    'stare': 'STARE', 'lip': 'LIP', 'mapillary_v1': 'MapillaryDataset_v1', 'mapillary_v2': 'MapillaryDataset_v2',
    'bdd100k': 'BDD100K',
}
SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm')


@INFERENCERS.register_module()
class MMSegInferencer:
    """Predicts images, and draws and stores what was predicted.

    Reference: MMSegmentation's class of this name, whose arguments it takes. Different from it: files are named
    after their images, index masks carry the dataset's palette, and a name of the model zoo stands for the config of
    that name in this checkout, without weights.

    Args:
        model: A config file, the name of one below configs/, a loaded config, or a model from
            :func:`segkit.apis.init_model`; None takes the config that the weights' file holds.
        weights: A checkpoint file or URL.
        classes: Class names, instead of those the checkpoint names.
        palette: (r, g, b) of each class, 0 to 255, instead of the checkpoint's.
        dataset_name: A dataset whose classes and palette to take: a registered one, such as 'PascalVOCDataset', or
            one of MMSegmentation's short names, such as 'voc'.
        device: Where it runs, which has to be there; None takes CUDA where there is some, else the CPU.
        unsafe: Let the file of weights run whatever code it contains, if it asks for some. Only for files you made or
            trust.

    Shape:
        images (H, W, 3) uint8 BGR -> index masks (H, W).

    Raises:
        ConfigError: If the config, the device, the classes or the palette cannot be used.
        CheckpointError: If the weights cannot be read or do not fit.
    """

    def __init__(self,
                 model: Union[str, Path, Config, nn.Module, None] = None,
                 weights: Optional[str] = None,
                 classes: Optional[Sequence[str]] = None,
                 palette: Optional[Sequence[Sequence[int]]] = None,
                 dataset_name: Optional[str] = None,
                 device: Optional[str] = None,
                 unsafe: bool = False) -> None:
        from segkit.visualization import SegLocalVisualizer

        if not isinstance(model, nn.Module):
            if device is not None:
                require_device(device)
            model = init_model(_config_of(model), weights, device, unsafe=unsafe)
        self.model = model
        meta = dict(model.dataset_meta)
        if dataset_name is not None:
            meta = dict(_dataset_of(dataset_name).METAINFO)
        meta = dict(classes=tuple(classes or meta['classes']), palette=palette or meta.get('palette'))
        for key in ('classes', 'palette'):
            if meta[key] is not None and len(meta[key]) != model.num_classes:
                raise ConfigError(f'{key}: the model has {model.num_classes} classes, got {len(meta[key])} {key}.')
        self.visualizer = SegLocalVisualizer(**meta)
        self._load = TRANSFORMS.build(dict(type='LoadImageFromFile'))

    @staticmethod
    def list_models() -> list[str]:
        """The names that ``model`` may be: those of the configs below configs/."""
        return sorted(_configs())

    def __call__(self,
                 inputs: Union[Image, Sequence[Image]],
                 return_datasamples: bool = False,
                 batch_size: int = 1,
                 return_vis: bool = False,
                 show: bool = False,
                 wait_time: float = 0,
                 out_dir: str = '',
                 img_out_dir: str = 'vis',
                 pred_out_dir: str = 'pred',
                 opacity: float = 0.5,
                 with_labels: bool = True) -> Union[dict[str, Any], SegDataSample, list[SegDataSample]]:
        """Predict.

        Args:
            inputs: A file, a folder, an (H, W, 3) uint8 BGR array, or a list of files and arrays.
            return_datasamples: Return the samples, their scores included, instead of a dict.
            batch_size: How many images of equal size go through the network together.
            return_vis: Also return the drawn pictures.
            show: Open a window for each picture.
            wait_time: How long a window waits, in seconds; 0 waits for a key.
            out_dir: Folder for pictures and index masks; '' stores nothing.
            img_out_dir: Folder for the pictures inside ``out_dir``; '' stores none.
            pred_out_dir: Folder for the index masks inside ``out_dir``; '' stores none.
            opacity: Weight of a class's colour over the photo, 0 to 1.
            with_labels: Whether to add the legend.

        Returns:
            ``dict(predictions, visualization)``: index masks (H, W) and RGB pictures, lists for several images,
            the thing itself for one.

        Raises:
            DataError: If an image cannot be read, or a folder holds none.
        """
        images = list_inputs(inputs)
        names = file_names(images)
        drawn = return_vis or show or (out_dir and img_out_dir)
        samples, masks, pictures = [], [], []
        for number, (image, sample) in enumerate(self.stream(images, batch_size, return_datasamples)):
            masks.append(index_mask(sample))
            name = names[number]
            if return_datasamples:
                samples.append(sample)
            if drawn:
                picture = self.draw(image, masks[-1], opacity, with_labels)
                if return_vis:
                    pictures.append(picture)
                if show:
                    self.visualizer.show(picture, win_name=name, wait_time=wait_time)
                if out_dir and img_out_dir:
                    write_picture(Path(out_dir, img_out_dir, f'{name}.png'), picture)
            if out_dir and pred_out_dir:
                self.write_mask(Path(out_dir, pred_out_dir, f'{name}.png'), masks[-1])
        one = len(images) == 1
        if return_datasamples:
            return samples[0] if one else samples
        result = dict(predictions=masks[0] if one else masks)
        if return_vis:
            result['visualization'] = pictures[0] if one else pictures
        return result

    def stream(self, images: Sequence[Image], batch_size: int = 1,
               keep_logits: bool = False) -> Iterator[tuple[Image, SegDataSample]]:
        """Each image with its prediction, as soon as it is there."""
        yield from zip(images, predict_images(self.model, images, batch_size, keep_logits))

    def draw(self, image: Image, mask: np.ndarray, opacity: float = 0.5, with_labels: bool = True) -> np.ndarray:
        """Tint an image by class; (H', W', 3) uint8 RGB, with the legend at the right."""
        if not isinstance(image, np.ndarray):
            image = self._load.transform(dict(img_path=str(image)))['img']
        self.visualizer.alpha = opacity
        return self.visualizer.draw_overlay(np.ascontiguousarray(image[..., ::-1]), mask, legend=with_labels)

    def write_mask(self, path: Path, mask: np.ndarray) -> None:
        """Write an index mask (H, W) as palette PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        colours = self.visualizer.colours
        write_palette_png(str(path), mask, [tuple(int(v) for v in c) for c in colours[:self.model.num_classes]])


def _dataset_of(name: str) -> type:
    """The class of a data set's registered or short name."""
    from segkit.registry import DATASETS
    known = ALIASES.get(name.lower(), name)
    return DATASETS.get(known if known == name or 'Dataset' in known else f'{known}Dataset')


def _config_of(model: Union[str, Path, Config, None]) -> Union[str, Path, Config, None]:
    """The file that a bare config name stands for; anything else as it is."""
    if model is None or isinstance(model, Config):
        return model
    if Path(model).suffix or Path(model).name != str(model) or Path(model).exists():
        return model
    files = _configs()
    configs = Path(segkit.__file__).parents[1] / 'configs'
    if model not in files:
        near = difflib.get_close_matches(str(model), files, n=1)
        raise ConfigError(f'model: {model!r} is no config file, and no config of that name is below {configs}.'
                          + (f'\nNearest: {near[0]}' if near else ''))
    return files[model]


def _configs() -> dict[str, Path]:
    """The concrete config files of this checkout by their names."""
    configs = Path(segkit.__file__).parents[1] / 'configs'
    return {path.stem: path for path in sorted(configs.rglob('*.py')) if '_base_' not in path.parts}


def list_inputs(inputs: Union[Image, Sequence[Image]]) -> list[Image]:
    """The images of a file, a folder, an array or a list.

    Raises:
        DataError: If a file is not there, or a folder holds no image, or it is an address of the web.
    """
    if isinstance(inputs, np.ndarray):
        return [inputs]
    if isinstance(inputs, (list, tuple)):
        return list(inputs)
    if '://' in str(inputs):
        raise DataError(f'{inputs}: images are read from files, not from addresses.\nDownload it, and give the path.')
    path = Path(inputs)
    if path.is_dir():
        found = sorted(str(p) for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not found:
            raise DataError(f'{path} holds no image ({", ".join(SUFFIXES)}).')
        return found
    if not path.is_file():
        raise DataError(f'No such image or folder: {path}')
    return [str(path)]


def file_names(images: Sequence[Image]) -> list[str]:
    """A name for what is written of each image: its own, with its number where another image has the same."""
    stems = [f'{number:08d}' if isinstance(image, np.ndarray) else Path(image).stem
             for number, image in enumerate(images)]
    return [stem if stems.count(stem) == 1 else f'{stem}_{number}' for number, stem in enumerate(stems)]


def index_mask(sample: SegDataSample) -> np.ndarray:
    """The predicted class of each pixel, (H, W)."""
    return sample.pred_sem_seg.data[0].cpu().numpy()
