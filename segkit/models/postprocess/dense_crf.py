"""Fully connected CRF: probabilities moved so that alike and near pixels have the same class."""
import math
from collections.abc import Callable
from typing import Union

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from segkit.errors import ConfigError, DataError
from segkit.models.postprocess.permutohedral import PermutohedralLattice, TooFineError
from segkit.registry import POSTPROCESSORS

LEAST = 1e-5  # what a smaller probability is taken for
TINY = 1e-20
ROW = 8  # classes are filled up to a multiple of this, a vector register of float32

# Factors before and behind a kernel's sums, of the sums of its weights (N,).
NORMALIZATIONS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    'symmetric': lambda sums: ((sums + TINY).rsqrt(),) * 2,
    'before': lambda sums: (1 / (sums + TINY), torch.ones_like(sums)),
    'after': lambda sums: (torch.ones_like(sums), 1 / (sums + TINY)),
    'none': lambda sums: (torch.ones_like(sums),) * 2,
}


@POSTPROCESSORS.register_module()
class DenseCRF:
    """A fully connected CRF with a spatial and a bilateral Gaussian kernel, solved by mean field.

    Every pixel asks every other one for its class. A neighbour counts by the spatial kernel
    ``pos_w exp(-|dp|^2 / (2 pos_xy_std^2))``, which removes specks, and by the bilateral one
    ``bi_w exp(-|dp|^2 / (2 bi_xy_std^2) - |dc|^2 / (2 bi_rgb_std^2))``, which counts pixels of like colour c within a
    wider distance, so that classes end where colours change. Pixels of different classes cost the weight (Potts).

    Reference:
        Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", NIPS 2011;
        names and defaults are those of kazuto1011's DeepLabV2 with ResNet-101 (its CRF section: ITER_MAX 10, POS_W 3,
        POS_XY_STD 1, BI_W 4, BI_XY_STD 67, BI_RGB_STD 3), whose set for VGG-16 is POS_XY_STD 2, POS_W 2, BI_XY_STD 65.
        Results are those of pydensecrf, which wraps the authors' code: a pixel's own share stays in the sums, and
        probabilities below 1e-5 are taken for 1e-5. Two public repositories have 67 and 1 exchanged as bi_rgb_std and
        bi_xy_std; such values are told of.

    Args:
        iter_max: Steps of the mean field, above 0.
        pos_w: Weight of the spatial kernel; 0 leaves it out.
        pos_xy_std: Its standard deviation, in pixels.
        bi_w: Weight of the bilateral kernel; 0 leaves it out.
        bi_xy_std: Its standard deviation in space, in pixels.
        bi_rgb_std: Its standard deviation in colour, in steps of the 256 of each channel.
        normalization: What a kernel's weights are divided by: with the sum of each pixel's weights, 'symmetric' the
            square roots of the pixel's and the neighbour's, 'before' the neighbour's, 'after' the pixel's, 'none'.

    Shape:
        probabilities (K, H, W), photo (H, W, 3) -> probabilities (K, H, W).

    Raises:
        ConfigError: If a value is out of range.
    """

    def __init__(self, iter_max: int = 10, pos_w: float = 3, pos_xy_std: float = 1, bi_w: float = 4,
                 bi_xy_std: float = 67, bi_rgb_std: float = 3, normalization: str = 'symmetric') -> None:
        if not isinstance(iter_max, int) or iter_max < 1:
            raise ConfigError(f'DenseCRF.iter_max: expected a whole number of at least 1; got {iter_max!r}.')
        for key, value, least in (('pos_w', pos_w, 0), ('bi_w', bi_w, 0), ('pos_xy_std', pos_xy_std, TINY),
                                  ('bi_xy_std', bi_xy_std, TINY), ('bi_rgb_std', bi_rgb_std, TINY)):
            if not isinstance(value, (int, float)) or not least <= value < math.inf:
                raise ConfigError(f'DenseCRF.{key}: expected a number {"of at least 0" if not least else "above 0"}; '
                                  f'got {value!r}.')
        if pos_w == bi_w == 0:
            raise ConfigError('DenseCRF: with pos_w=0 and bi_w=0 nothing would change; give one of them a weight, or '
                              'leave the CRF out.')
        if normalization not in NORMALIZATIONS:
            raise ConfigError(f'DenseCRF.normalization must be one of {", ".join(NORMALIZATIONS)}; got '
                              f'{normalization!r}.')
        if bi_w and bi_xy_std <= 5 and bi_rgb_std >= 30:
            print_log(f'DenseCRF: bi_xy_std={bi_xy_std:g} pixels and bi_rgb_std={bi_rgb_std:g} colour steps look '
                      'exchanged, as in two public copies of DeepLabV2, whose values are bi_xy_std=67 and '
                      'bi_rgb_std=3', 'current', level=30)
        self.iter_max = iter_max
        self.pos_w, self.pos_xy_std = pos_w, pos_xy_std
        self.bi_w, self.bi_xy_std, self.bi_rgb_std = bi_w, bi_xy_std, bi_rgb_std
        self.normalization = normalization

    @torch.no_grad()
    def __call__(self, probabilities: Tensor, photo: Union[np.ndarray, Tensor]) -> Tensor:
        """Refine the probabilities of one photo.

        Args:
            probabilities: (K, H, W), from 0 to 1, the sum over the classes 1; on any device.
            photo: (H, W, 3) uint8 RGB as the file has it, not normalised.

        Returns:
            (K, H, W) float32, on the device of the probabilities.

        Raises:
            DataError: If they are no probabilities or no such photo, or differ in size.
            ConfigError: If a standard deviation is too small for the photo.
        """
        photo = photo.cpu().numpy() if isinstance(photo, Tensor) else photo
        check_inputs(probabilities, photo)
        probabilities = probabilities.float()
        classes, height, width = probabilities.shape
        kernels = self._kernels(photo, probabilities.device)
        # Pixels are rows, so that the lattices fetch all classes of a pixel at once; the rows are filled up with
        # classes of probability 0.
        unary = probabilities.new_full((height * width, -(-classes // ROW) * ROW), -math.inf, dtype=torch.float32)
        unary[:, :classes] = probabilities.reshape(classes, -1).t().clamp(LEAST, 1).log()
        beliefs = unary.softmax(dim=1)
        for _ in range(self.iter_max):
            scores = kernels[0].filter(beliefs)
            for kernel in kernels[1:]:
                scores += kernel.filter(beliefs)
            scores += unary
            torch.softmax(scores, dim=1, out=beliefs)
        return beliefs[:, :classes].t().reshape(classes, height, width)

    def _kernels(self, photo: np.ndarray, device: torch.device) -> list[PermutohedralLattice]:
        """The kernels over the pixels of a photo, weighted and normalised."""
        height, width = photo.shape[:2]
        where = np.indices((height, width), np.float32)[::-1].reshape(2, -1)  # x, y
        colours = photo.reshape(-1, 3).T.astype(np.float32)
        found = []
        for weight, parts in ((self.pos_w, [(where, 'pos_xy_std')]),
                              (self.bi_w, [(where, 'bi_xy_std'), (colours, 'bi_rgb_std')])):
            if weight == 0:
                continue
            features = np.concatenate([values / np.float32(getattr(self, key)) for values, key in parts]).T
            try:
                lattice = PermutohedralLattice(np.ascontiguousarray(features), device)
            except TooFineError:
                smallest = min((key for _, key in parts), key=lambda key: getattr(self, key))
                raise ConfigError(f'DenseCRF.{smallest}={getattr(self, smallest):g} is too small for a photo of '
                                  f'{height}x{width} (h, w): its pixels lie too many standard deviations apart.\n'
                                  f'The usual value is {1 if smallest == "pos_xy_std" else 3}.') from None
            sums = lattice.filter(torch.ones(height * width, ROW, device=device))[:, 0]
            before, after = NORMALIZATIONS[self.normalization](sums)
            lattice.scale(before, after * weight)
            found.append(lattice)
        return found

    def __repr__(self) -> str:
        return (f'DenseCRF(iter_max={self.iter_max}, pos_w={self.pos_w:g}, pos_xy_std={self.pos_xy_std:g}, '
                f'bi_w={self.bi_w:g}, bi_xy_std={self.bi_xy_std:g}, bi_rgb_std={self.bi_rgb_std:g}, '
                f'normalization={self.normalization!r})')


def check_inputs(probabilities: Tensor, photo: np.ndarray) -> None:
    """Refuse what DenseCRF cannot refine.

    Raises:
        DataError: If they are no probabilities or no photo, or differ in size.
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise DataError(f'DenseCRF: expected the photo as (H, W, 3) uint8 RGB; got {photo.dtype} of shape '
                        f'{tuple(photo.shape)}.\nGive it as the file has it, before it is normalised: bi_rgb_std '
                        'counts steps from 0 to 255.')
    if probabilities.ndim != 3 or tuple(probabilities.shape[1:]) != photo.shape[:2]:
        raise DataError(f'DenseCRF: probabilities of shape {tuple(probabilities.shape)} (K, H, W) do not fit a photo '
                        f'of {photo.shape[0]}x{photo.shape[1]} (h, w).\nResize the scores to the photo.')
    sums = probabilities.sum(dim=0, dtype=torch.float32)
    if not bool(((sums - 1).abs() < 0.01).all()) or bool((probabilities < 0).any()):
        raise DataError(f'DenseCRF: expected probabilities, which are at least 0 and sum to 1 over the classes; got '
                        f'values from {float(probabilities.min()):.3g} to {float(probabilities.max()):.3g} and sums '
                        f'from {float(sums.min()):.3g} to {float(sums.max()):.3g}.\nScores become probabilities by '
                        'softmax.')
