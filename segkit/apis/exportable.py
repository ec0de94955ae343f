"""A network as one function of an image, in the form that a file of ONNX or torch.export can hold."""
import copy
from collections.abc import Callable
from typing import Optional

import torch
from torch import Tensor, nn

from segkit import ops
from segkit.apis.export_plan import Plan
from segkit.errors import ConfigError

BATCH = 2  # of the example for any size: a batch of one would be taken for the only one


class ExportableNetwork(nn.Module):
    """An image to scores, with what stands before and behind the network where that is wanted.

    The network is that of a prediction: at ``test_cfg.output_stride``, in eval mode.

    Args:
        model: A segmentor; it is copied.
        plan: What the file is to hold.

    Shape:
        (N, 3, H, W) float32, or (N, H, W, 3) uint8 with ``plan.channel_order`` -> logits (N, K, h, w) float32, as the
        head gives them; with ``plan.classes`` also classes (N, H, W) uint8 (int32 above 255 classes), at the image's
        size; with ``plan.probabilities`` also probabilities (N, K, H, W) float32.
    """

    def __init__(self, model: nn.Module, plan: Plan) -> None:
        super().__init__()
        with model.at_test_stride():
            self.model = copy.deepcopy(model).eval()
        self.plan = plan
        for module in self.model.modules():
            if getattr(module, 'inplace', None) is True:  # says the same and takes ONNX's exporter twice as long
                module.inplace = False
        if plan.size is None:
            _open_sizes(self.model)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        plan, head = self.plan, self.model.decode_head
        height, width = image.shape[1:3] if plan.channel_order else image.shape[2:]
        if plan.channel_order:
            image = self._prepared(image)
        logits, = self.model.scores(image, [head])
        found = [logits]
        if plan.classes or plan.probabilities:
            scores = ops.resize_logits(logits, image.shape[-2:], self.model.align_corners)
            if plan.channel_order and self.model.data_preprocessor.test_cfg:
                scores = _cut(scores, height, width)
        if plan.classes:
            classes = ops.predicted_classes(scores, head.threshold)
            found.append(classes.to(torch.uint8 if self.model.num_classes <= 255 else torch.int32))
        if plan.probabilities:
            found.append(scores.softmax(1) if scores.shape[1] > 1 else scores.sigmoid())
        return tuple(found)

    def _prepared(self, image: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 -> (N, 3, H', W') float32, as the segmentor's preprocessor does it with BGR."""
        prepare = self.model.data_preprocessor
        image = image.permute(0, 3, 1, 2).to(torch.float32)
        if prepare.swap_channels == (self.plan.channel_order == 'bgr'):
            image = image.flip(1)
        if prepare.normalize:
            image = (image - prepare.mean) / prepare.std
        if prepare.test_cfg:
            for dim, side in zip((-2, -1), self._padded(image.shape[-2:])):
                image = _filled(image, dim, side, prepare.pad_val)
        return image

    def _padded(self, size: tuple[int, int]) -> tuple[int, int]:
        """``data_preprocessor.padded_size`` of sizes that may be open."""
        least, divisor = (self.model.data_preprocessor.test_cfg.get(key) for key in ('size', 'size_divisor'))
        if divisor:
            return tuple((side + divisor - 1) // divisor * divisor for side in size)
        return tuple(torch.sym_max(side, wanted) for side, wanted in zip(size, least))


def graph_of(network: ExportableNetwork) -> torch.export.ExportedProgram:
    """Record the network for its plan's size, or for any size and number of images.

    Raises:
        ConfigError: If torch cannot record it, with what it says.
    """
    plan = network.plan
    # An example for any size has sides of which no two maps are equal.
    height, width = plan.size or (3 * plan.smallest, 4 * plan.smallest + 5)
    shape = (height, width, 3) if plan.channel_order else (3, height, width)
    example = torch.zeros(1 if plan.size else BATCH, *shape, dtype=torch.uint8 if plan.channel_order else torch.float32)
    dims: Optional[tuple] = None
    if plan.size is None:
        first = 1 if plan.channel_order else 2
        dims = ({0: torch.export.Dim('batch', min=1), first: torch.export.Dim('height', min=plan.smallest),
                 first + 1: torch.export.Dim('width', min=plan.smallest)},)
    try:
        with torch.no_grad():
            return torch.export.export(network, (example,), dynamic_shapes=dims, strict=False)
    except Exception as error:  # parts of the user's may do anything, and torch has no common class for its refusals
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
        hint = '' if plan.size else '\n--size H W exports a network whose size cannot be left open.'
        raise ConfigError(f'torch.export cannot record {type(network.model.decode_head).__name__} on '
                          f'{type(network.model.backbone).__name__}: {first}{hint}\n--debug shows where.') from error


class _AveragePool(nn.Module):
    """``nn.AdaptiveAvgPool2d`` as two products with matrices.

    Args:
        cells: (rows, columns) of the result.

    Shape:
        (N, C, h, w) -> (N, C, rows, columns).
    """

    def __init__(self, cells: tuple[int, int]) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        rows, columns = (_shares(length, cells, x) for length, cells in zip(x.shape[-2:], self.cells))
        return rows @ x @ columns.transpose(0, 1)


def _shares(length: int, cells: int, like: Tensor) -> Tensor:
    """(cells, length): what each pixel counts in the mean of cell i, which is floor(i l / n) to ceil((i + 1) l / n)."""
    cell = torch.arange(cells, device=like.device)[:, None]
    pixel = torch.arange(length, device=like.device)
    first, end = cell * length // cells, ((cell + 1) * length + cells - 1) // cells
    return ((pixel >= first) & (pixel < end)).to(like.dtype) / (end - first).to(like.dtype)


class _HalvingPool(nn.Module):
    """``nn.AvgPool2d`` of 2x2 pixels that counts a last odd row or column alone, as ResNetV1d's shortcuts have it.

    Shape:
        (N, C, h, w) -> (N, C, h / 2, w / 2), rounded up.
    """

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        for dim in (-2, -1):
            # The last one twice has itself as its mean; behind an even number nothing is added.
            x = _repeated(x, dim, (x.shape[dim] + 1) // 2 * 2)
        return nn.functional.avg_pool2d(x, 2)


class _UpwardMaxPool(nn.Module):
    """``nn.MaxPool2d(3, 2, 1, ceil_mode=True)``, as the stem of DeepLabV2's ResNet has it.

    Shape:
        (N, C, h, w) -> (N, C, h / 2, w / 2), rounded down, plus 1.
    """

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        for dim in (-2, -1):
            # The window beyond an even number sees the last one alone; beside an odd number there is none.
            x = _repeated(x, dim, x.shape[dim] // 2 * 2 + 1)
        return nn.functional.max_pool2d(x, 3, 2, 1)


def _open_sizes(module: nn.Module) -> None:
    """Put what a graph can hold for maps of any size in the place of pools that it can hold for one."""
    for name, child in module.named_children():
        instead = _instead_of(child)
        if instead is None:
            _open_sizes(child)
        else:
            setattr(module, name, instead())


def _instead_of(module: nn.Module) -> Optional[Callable[[], nn.Module]]:
    if isinstance(module, nn.AdaptiveAvgPool2d):
        given = module.output_size
        cells = tuple(given) if isinstance(given, (tuple, list)) else (given, given)
        return None if cells == (1, 1) or None in cells else lambda: _AveragePool(cells)
    if isinstance(module, nn.AvgPool2d) and module.ceil_mode and not module.count_include_pad:
        sides = {*_pair(module.kernel_size), *_pair(module.stride)}
        if sides == {1}:
            return nn.Identity
        if sides == {2} and _pair(module.padding) == (0, 0):
            return _HalvingPool
    if isinstance(module, nn.MaxPool2d) and module.ceil_mode:
        numbers = [_pair(getattr(module, key)) for key in ('kernel_size', 'stride', 'padding', 'dilation')]
        if numbers == [(3, 3), (2, 2), (1, 1), (1, 1)]:
            return _UpwardMaxPool
    return None


def _pair(value: object) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


# Slices and paddings compare sizes, which closes a size that is to be left open; what chooses rows by number does not.
def _repeated(x: Tensor, dim: int, side: int) -> Tensor:
    """Enlarge one side by its last row or column."""
    return x.index_select(dim, torch.arange(side, device=x.device).clamp(max=x.shape[dim] - 1))


def _filled(x: Tensor, dim: int, side: int, value: float) -> Tensor:
    """Enlarge one side by rows or columns of a value."""
    inside = (torch.arange(side, device=x.device) < x.shape[dim]).view(-1, *[1] * (-1 - dim))
    return _repeated(x, dim, side).where(inside, torch.full((), value, dtype=x.dtype, device=x.device))


def _cut(x: Tensor, height: int, width: int) -> Tensor:
    """``x[..., :height, :width]``."""
    for dim, side in ((-2, height), (-1, width)):
        x = x.index_select(dim, torch.arange(side, device=x.device))
    return x
