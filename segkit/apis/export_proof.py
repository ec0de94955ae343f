"""An exported file beside the network it was made of, on photos."""
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from segkit import ops
from segkit.apis.export_plan import Plan
from segkit.apis.inference import prediction_pipeline, read_image
from segkit.apis.mmseg_inferencer import list_inputs
from segkit.datasets.image_header import read_header
from segkit.datasets.leaves import leaves
from segkit.datasets.scenes import draw_scene
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS
from segkit.structures import SegDataSample

LEAST = 0.999  # share of a photo's pixels whose classes have to be the same
# How far scores may be from the network's, as a share of their range where that is above 1, and probabilities: rounding
# gives 1e-6 to 1e-5 of the range, and weights in another scale would change no class.
FARTHEST = 1e-3
LOOKED_AT = 60  # images of a dataset among which some of different sizes are chosen
SCENES = (150, 420)  # smallest and largest side of generated ones, in pixels


@dataclass
class Row:
    """What was found on one image.

    Attributes:
        name: Of the image.
        photo: Its (h, w) as a prediction gives it.
        seen: The (h, w) that the network saw.
        difference: The largest of two scores (logits) of the same pixel and class.
        lowest, highest: The scores of the network.
        agreement: Share of the photo's pixels with the same class, 0 to 1.
        found: How many classes the network found.
        inside: The share for the classes that the file itself gives; None where it gives none.
        probability: The largest difference of its probabilities; None where it gives none.
    """
    name: str
    photo: tuple[int, int]
    seen: tuple[int, int]
    difference: float
    lowest: float
    highest: float
    agreement: float
    found: list[int]
    inside: Optional[float] = None
    probability: Optional[float] = None

    @property
    def holds(self) -> bool:
        """Whether the file does what the network does."""
        shares = [share for share in (self.agreement, self.inside) if share is not None]
        return (bool(np.isfinite(self.difference))
                and self.difference <= FARTHEST * max(1, self.highest - self.lowest)
                and all(share >= LEAST for share in shares)
                and (self.probability is None or self.probability <= FARTHEST))

    def facts(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)

    def __str__(self) -> str:
        inside = '' if self.inside is None else f', of the classes in the file {self.inside:.4%}'
        inside += '' if self.probability is None else f', probabilities differ by {self.probability:.1e} at most'
        return (f'{self.name}: {_by(self.photo)}, network sees {_by(self.seen)}: scores {self.lowest:.3g} to '
                f'{self.highest:.3g} differ by {self.difference:.1e} at most, agreement {self.agreement:.4%}{inside}')


def _by(size: Sequence[int]) -> str:
    return 'x'.join(map(str, size))


def chosen(cfg: Config, given: Sequence[str], number: int) -> tuple[list[tuple[str, Any]], str]:
    """Images to compare on: those that are given, else of the test data, else generated scenes.

    Args:
        cfg: A loaded config.
        given: Files and folders.
        number: How many at most; as many different sizes as there are.

    Returns:
        (name, file or (H, W, 3) uint8 BGR array) each, and what they are, in words.

    Raises:
        DataError: If a given one is not there.
    """
    if given:
        paths = [path for one in given for path in list_inputs(one)]
        return [(Path(path).name, path) for path in _of_many_sizes(paths, number)], 'given images'
    try:
        paths = _test_images(cfg)
    except (DataError, ConfigError, OSError):  # the data of a training need not lie where its network is exported
        paths = []
    if paths:
        return [(Path(path).name, path) for path in _of_many_sizes(paths, number)], 'photos of the test data'
    rng = np.random.default_rng(0)
    return ([(f'scene {i}', np.ascontiguousarray(draw_scene(rng, SCENES)[0].astype(np.uint8))) for i in range(number)],
            'generated scenes, since the test data are not here (--images FILE|FOLDER takes photos of yours)')


def _test_images(cfg: Config) -> list[str]:
    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader')
    if not loader:
        return []
    data = next(leaves(DATASETS.build(loader['dataset'])), None)
    steps = range(0, len(data), max(1, len(data) // LOOKED_AT)) if data is not None else ()
    paths = [data.get_data_info(i).get('img_path') for i in steps]
    return [path for path in paths if isinstance(path, str) and Path(path).is_file()]


def _of_many_sizes(paths: Sequence[str], number: int) -> list[str]:
    """Paths of at most ``number`` images: first one of each size, then others."""
    sizes: dict[Any, str] = {}
    for path in paths:
        header = read_header(path)
        sizes.setdefault(header.turned_size if header else path, path)
    first = list(sizes.values())
    return (first + [path for path in paths if path not in first])[:number]


def compare(model: nn.Module, exported: nn.Module, plan: Plan,
            photos: Sequence[tuple[str, Any]]) -> Iterator[Union[Row, str]]:
    """Predict images with both, through the pipeline that the file holds.

    Where the file takes any size, parts of the first image with odd sides are compared too.

    Args:
        model: The segmentor, in eval mode on the CPU.
        exported: Of :func:`segkit.apis.exported_model.init_exported`.
        plan: What the file holds.
        photos: Name, and file or array.

    Yields:
        What was found, or in words why an image cannot be compared on: a file of a fixed size does not take it.
    """
    for name, inputs, sample in _inputs(exported.cfg, plan, photos):
        try:
            yield _row(model, exported, name, inputs, sample)
        except ConfigError as error:
            if plan.size is None:
                raise
            yield f'{name}, left out: {str(error).splitlines()[0]}'


def _inputs(cfg: Config, plan: Plan, photos: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, Tensor, SegDataSample]]:
    load, prepare = prediction_pipeline(cfg)
    for number, (name, image) in enumerate(photos):
        packed = prepare(read_image(image, load))
        inputs = packed['inputs']
        yield name, inputs, packed['data_samples']
        if number == 0 and plan.size is None:
            for parts in ((5, 7), (3, 4)):
                height, width = (max(side * part // 8 | 1, plan.smallest | 1)
                                 for side, part in zip(inputs.shape[-2:], parts))
                if height <= inputs.shape[-2] and width <= inputs.shape[-1]:
                    yield f'{name}, a part', inputs[:, :height, :width].contiguous(), SegDataSample()


@torch.no_grad()
def _row(model: nn.Module, exported: nn.Module, name: str, inputs: Tensor, sample: SegDataSample) -> Row:
    ours, theirs = sample.clone(), sample.clone()
    with _recorded(model, 'scores') as wanted, by_scores_alone(model):
        model.test_step(dict(inputs=[inputs], data_samples=[ours]))
    with _recorded(exported.backbone, 'file') as given, by_scores_alone(exported):
        exported.test_step(dict(inputs=[inputs], data_samples=[theirs]))
    logits = [found[0] for found in wanted]
    pairs = list(zip(logits, (found['logits'] for found in given), strict=True))
    masks = [one.pred_sem_seg.data[0] for one in (ours, theirs)]
    seen = model.data_preprocessor(dict(inputs=[inputs]), False)['inputs'].shape[-2:]
    row = Row(name, tuple(masks[0].shape), tuple(seen), _largest((a - b).abs() for a, b in pairs),
              -_largest(-a for a in logits), _largest(logits),
              float((masks[0] == masks[1]).double().mean()), masks[0].unique().tolist())
    if 'classes' in given[0]:
        size = inputs.shape[-2:] if exported.backbone.taken['channel_order'] else seen
        scores = ops.resize_logits(logits[0], seen, model.align_corners)[..., :size[0], :size[1]]
        classes = ops.predicted_classes(scores, model.decode_head.threshold)
        row.inside = float((given[0]['classes'] == classes).double().mean())
        if 'probabilities' in given[0]:
            shares = scores.softmax(1) if scores.shape[1] > 1 else scores.sigmoid()
            row.probability = float((given[0]['probabilities'] - shares).abs().max())
    return row


def _largest(tensors: Iterable[Tensor]) -> float:
    """Of all their numbers; NaN where one is NaN, which Python's max may pass over."""
    return float(torch.stack([tensor.max() for tensor in tensors]).max())


@contextmanager
def by_scores_alone(*models: nn.Module) -> Iterator[None]:
    """Classes without ``test_cfg.crf``: it looks at photos, which parts of photos and noise are not."""
    held = [model.crf for model in models]
    try:
        for model in models:
            model.crf = None
        yield
    finally:
        for model, crf in zip(models, held):
            model.crf = crf


@contextmanager
def _recorded(owner: Any, name: str) -> Iterator[list]:
    """What a function that is an attribute returns, each time it is called."""
    function, found = getattr(owner, name), []

    def call(*args: Any) -> Any:
        found.append(function(*args))
        return found[-1]

    own = vars(owner).get(name)
    object.__setattr__(owner, name, call)
    try:
        yield found
    finally:
        if own is None:
            object.__delattr__(owner, name)
        else:
            object.__setattr__(owner, name, own)
