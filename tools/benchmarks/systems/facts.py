"""Every source system's config, with the figures that it has to have; they stand here, not in the configs."""
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[3]
# Folders in which every config is a source system's; of other folders only the files of the table are.
FOLDERS = ('deeplabv3_gluoncv', 'deeplabv3_tf', 'deeplabv2', 'pspnet_toolbox', 'deeplabv3_toolbox', 'vortex',
           'deeplabv3_paper')


@dataclass(frozen=True)
class Recipe:
    """Learning rate and weight decay of a system.

    Attributes:
        base: Learning rate of the first step, without a multiplier.
        last: Whether poly reaches 0 at the last step (1 - i / (N - 1)) or one step behind it (1 - i / N).
        decay: Weight decay, without a multiplier.
        held: Steps before the rate begins to fall: with batches accumulated, those ahead of the first update.
        groups: (pattern of a parameter's name, multiplier of the rate, multiplier of the decay); the first that is
            found in the name counts, else both are 1. ``<norm>`` stands for a batch norm's name and its ``.weight``.
    """

    base: float
    last: bool
    decay: float
    groups: tuple[tuple[str, float, float], ...] = ()
    held: int = 0

    def rate(self, name: str, step: int, steps: int) -> float:
        """The learning rate of a parameter at a step, 0 to ``steps`` - 1."""
        share = max(step - self.held, 0) / (steps - 1 if self.last else steps)
        return self.base * self._multipliers(name)[0] * (1 - share)**0.9

    def decay_of(self, name: str) -> float:
        return self.decay * self._multipliers(name)[1]

    def _multipliers(self, name: str) -> tuple[float, float]:
        return next((found[1:] for found in self.groups if re.search(found[0], name)), (1.0, 1.0))


@dataclass(frozen=True)
class System:
    """One config.

    Attributes:
        name: What the tool calls it.
        config: Below configs/.
        parameters: Of the whole network at its size, auxiliary heads included.
        recipe: None for a config that is counted but not trained, since another one differs in nothing but size.
        data: Which data it trains on: 'voc', 'coco' or 'cityscapes'.
        frozen: Number of batch norms' factors that do not learn; their statistics do not move either.
        after: The system from whose run it goes on; it is the file's ``load_from``.
        weights: File of the pack that it starts from, through its converter.
        tta: Whether its test-time augmentation is tried too.
        overfits: Whether it learns a batch by heart; a phase that differs in rate and data alone need not again.
    """

    name: str
    config: str
    parameters: int
    recipe: Optional[Recipe]
    data: str = 'voc'
    frozen: int = 0
    after: Optional[str] = None
    weights: Optional[str] = None
    tta: bool = False
    overfits: bool = True

    @property
    def path(self) -> Path:
        return ROOT / 'configs' / self.config

    @property
    def stem(self) -> str:
        """The name of its run folder."""
        return Path(self.config).stem


HEADS_X10 = ((r'^(decode|auxiliary)_head\.', 10, 1),)
BIASES_X20 = ((r'^decode_head\..*bias$', 20, 0), (r'^decode_head\.', 10, 1))
# Norms lie at bn.* and bn1 to bn3 of the blocks, and behind a shortcut's convolution, whose number is 0.
CONVOLUTIONS_DECAY = ((r'bias$|\bbn\d?\.weight$|downsample\.1\.weight$', 1, 0),)

GLUONCV = 'deeplabv3_gluoncv/deeplabv3-gluoncv_{}s-d8_4xb4-{}-480x480.py'
TF = 'deeplabv3_tf/deeplabv3-tf_{}-d16-mg124_1xb4-600k_voc12aug-513x513.py'
V2 = 'deeplabv2/deeplabv2{}_r101-d8_{}_voc12aug-321x321.py'
TOOLBOX = '{0}_toolbox/{0}-toolbox_r101s-d8{1}_4xb2-40k_cityscapes-769x769.py'
VORTEX = 'vortex/vortex_{}v2-{}_voc12{}-512x512.py'
PAPER = 'deeplabv3_paper/deeplabv3-paper_r101-{}-mg124_4xb4-30k_voc12{}-513x513.py'
MOBILE = 'mobilenet_v2/mobilenet-v2-d8_deeplabv3-pool_1xb16-30k_voc12-513x513.py'


def _gluoncv(rate: float) -> Recipe:
    return Recipe(rate, True, 1e-4, HEADS_X10)


_V2 = Recipe(2.5e-4, False, 5e-4, BIASES_X20)
_TOOLBOX = Recipe(0.01, False, 5e-4)
_PAPER = Recipe(0.007, False, 1e-4, CONVOLUTIONS_DECAY)

# The order is that of their start; a chain comes first, since its parts wait for each other.
SYSTEMS = (
    System('gluoncv-1', GLUONCV.format('r101', '173468_coco'), 61_119_978, _gluoncv(0.01), data='coco'),
    System('paper-1', PAPER.format('d16', 'aug'), 58_040_661, _PAPER),
    System('gluoncv-2', GLUONCV.format('r101', '33069_voc12aug'), 61_119_978, _gluoncv(0.001), after='gluoncv-1',
           overfits=False),
    System('vortex-1', VORTEX.format('r50', 'd16_4xb4-30k', 'aug'), 39_042_517, Recipe(0.007, False, 2e-4)),
    System('gluoncv-3', GLUONCV.format('r101', '4575_voc12'), 61_119_978, _gluoncv(0.0001), after='gluoncv-2',
           tta=True, overfits=False),
    System('paper-2', PAPER.format('d8', ''), 58_040_661, Recipe(0.001, False, 1e-4, CONVOLUTIONS_DECAY),
           frozen=108_416, after='paper-1', tta=True),
    System('deeplabv2-msc', V2.format('-msc', '1xb1-200k'), 44_048_532, replace(_V2, held=9), frozen=105_344),
    System('deeplabv2', V2.format('', '1xb10-20k'), 44_048_532, _V2, frozen=105_344),
    System('deeplabv2-largefov', V2.format('-largefov', '1xb10-20k'), 42_887_253, _V2, frozen=105_344),
    System('pspnet-toolbox', TOOLBOX.format('pspnet', ''), 70_437_350, _TOOLBOX, data='cityscapes'),
    System('deeplabv3-toolbox', TOOLBOX.format('deeplabv3', '-ohem'), 63_226_854, _TOOLBOX, data='cityscapes',
           tta=True),
    System('vortex-2', VORTEX.format('r50', 'd8_4xb2-30k', ''), 39_042_517, Recipe(0.001, False, 2e-4),
           frozen=48_640, after='vortex-1'),
    System('deeplabv3-tf', TF.format('r50'), 39_048_533, Recipe(0.01, False, 1e-4, CONVOLUTIONS_DECAY)),
    System('mobilenet-v2', MOBILE, 2_113_557, Recipe(1e-4, False, 4e-5), frozen=33_088,
           weights='weights/deeplabv3_mnv2_pascal_trainval.pth'),
    System('gluoncv-r50-1', GLUONCV.format('r50', '173468_coco'), 42_127_850, None),
    System('gluoncv-r50-2', GLUONCV.format('r50', '33069_voc12aug'), 42_127_850, None),
    System('gluoncv-r50-3', GLUONCV.format('r50', '4575_voc12'), 42_127_850, None),
    System('deeplabv3-tf-r101', TF.format('r101'), 58_040_661, None),
    System('pspnet-toolbox-ohem', TOOLBOX.format('pspnet', '-ohem'), 70_437_350, None),
    System('deeplabv3-toolbox-plain', TOOLBOX.format('deeplabv3', ''), 63_226_854, None),
    System('vortex-r101-1', VORTEX.format('r101', 'd16_4xb4-30k', 'aug'), 58_034_645, None),
    System('vortex-r101-2', VORTEX.format('r101', 'd8_4xb2-30k', ''), 58_034_645, None),
    System('paper-2-trainval', PAPER.format('d8', 'trainval'), 58_040_661, None),
)
BY_NAME = {system.name: system for system in SYSTEMS}
