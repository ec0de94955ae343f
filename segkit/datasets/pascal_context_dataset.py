"""PASCAL Context with its background."""
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.registry import DATASETS

# In the order of the files' labels.
_CLASSES = (
    'background, aeroplane, bag, bed, bedclothes, bench, bicycle, bird, boat, book, bottle, building, bus, cabinet, '
    'car, cat, ceiling, chair, cloth, computer, cow, cup, curtain, dog, door, fence, floor, flower, food, grass, '
    'ground, horse, keyboard, light, motorbike, mountain, mouse, person, plate, platform, pottedplant, road, rock, '
    'sheep, shelves, sidewalk, sign, sky, snow, sofa, table, track, train, tree, truck, tvmonitor, wall, water, '
    'window, wood')
_COLORS = (
    '787878 b47878 06e6e6 503232 04c803 787850 8c8c8c cc05ff e6e6e6 04fa07 e005ff ebff07 96053d 787846 08ff33 ff0652 '
    '8fff8c ccff04 ff3307 cc4603 0066c8 3de6fa ff0633 0b66ff ff0747 ff09e0 0907e6 dcdcdc ff095c 7009ff 08ffd6 07ffe0 '
    'ffb806 0aff47 ff290a 07ffff e0ff08 6608ff ff3d06 ffc207 ff7a08 00ff14 ff0829 ff0599 0633ff eb0cff a09614 00a3ff '
    '8c8c8c fa0a0f 14ff00 1fff00 ff1f00 ffe000 99ff00 0000ff ff4700 00ebff 00adff 1f00ff')


@DATASETS.register_module()
class PascalContextDataset(BaseSegDataset):
    """PASCAL Context: 59 classes and background (class 0), in photos of PASCAL VOC 2010.

    Reference: Mottaghi et al., The Role of Context for Object Detection and Semantic Segmentation in the Wild, CVPR
    2014. Background is a class here; :class:`PascalContextDataset59` leaves it out.

    Args:
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        reduce_zero_label: Read 0 as void and k + 1 as class k; the files are not stored so.
        **kwargs: As for :class:`BaseSegDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    METAINFO = dict(
        classes=tuple(_CLASSES.split(', ')),
        palette=[list(bytes.fromhex(color)) for color in _COLORS.split()])

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', reduce_zero_label: bool = False,
                 **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, reduce_zero_label=reduce_zero_label,
                         **kwargs)
