"""Images, labels and weights that both sides compute with."""
import zlib

import numpy as np
import torch

# (h, w). Odd, so that no stride divides them; small, so that ResNet-101 takes a second or two on one core.
EVAL_SIZE = (65, 97)
EVAL_ORIGINAL = (74, 111)
TRAIN_SIZE = (49, 65)
TRAIN_BATCH = 3  # with two, the batch norm behind an image pool sees two values and its gradient is all rounding
VIEWS = ((0.75, False), (0.75, True), (1.25, False), (1.25, True))  # scale, flipped
SLIDE_CROP = 49  # the window's longer side where a file predicts in windows; its stride keeps its share


def image(seed: int, height: int, width: int) -> torch.Tensor:
    """(3, h, w) uint8: smooth areas with noise, so that neighbouring pixels are alike as in photos."""
    rng = np.random.RandomState(seed)
    coarse = rng.randint(0, 256, (3, -(-height // 16), -(-width // 16)))
    smooth = np.kron(coarse, np.ones((1, 16, 16), int))[:, :height, :width]
    return torch.from_numpy((smooth + rng.randint(-30, 31, smooth.shape)).clip(0, 255).astype(np.uint8))


def labels(seed: int, height: int, width: int, num_classes: int) -> torch.Tensor:
    """(1, h, w) int64: areas of classes, and a fifth of the pixels void (255)."""
    rng = np.random.RandomState(seed)
    coarse = rng.randint(0, num_classes, (-(-height // 8), -(-width // 8)))
    values = np.kron(coarse, np.ones((8, 8), int))[:height, :width]
    values[rng.rand(height, width) < 0.2] = 255
    return torch.from_numpy(values[None].astype(np.int64))


def fill(model: torch.nn.Module) -> None:
    """Draw all weights and statistics of a model, each from its key, so that nothing is 0, 1 or tiny.

    Convolutions keep the size of what passes them (He et al., 2015). The last norm of a residual block is small, or a
    hundred layers would multiply what they add up. The classifier's scores differ by several units.
    """
    state = model.state_dict()
    for key, value in state.items():
        if key.endswith('num_batches_tracked'):
            continue
        # NumPy promises this generator's bits for good; even values of variance 1 take a quarter of normal ones' time.
        bits = np.frombuffer(np.random.RandomState(zlib.crc32(key.encode())).bytes(4 * value.numel()), '<i4')
        drawn = bits.astype(np.float32).reshape(tuple(value.shape))
        drawn *= np.float32(12**0.5 / 2**32)
        if key.endswith('running_var'):
            drawn = np.abs(0.3 * drawn) + 0.7
        elif value.dim() == 4:
            drawn *= np.float32((2.0 / np.prod(drawn.shape[1:]))**0.5)
        elif key.endswith('weight'):
            drawn = (0.2 if _ends_block(key, state) else 1.0) * (1 + 0.2 * drawn)
        else:
            drawn *= 0.1
        value.copy_(torch.from_numpy(drawn))


def _ends_block(key: str, state: dict) -> bool:
    """Whether a norm's weight is that of the last norm of a residual block."""
    block, _, name = key.removesuffix('.weight').rpartition('.')
    return name == 'bn3' or name == 'bn2' and f'{block}.bn3.weight' not in state
