"""PASCAL Context without its background."""
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.pascal_context_dataset import PascalContextDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class PascalContextDataset59(BaseSegDataset):
    """PASCAL Context's 59 classes, stored as 1 to 59; its background, 0, does not count.

    Reference: as for :class:`PascalContextDataset`, whose files these are.

    Args:
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        reduce_zero_label: Read 0 as void and k + 1 as class k, as the files are stored.
        **kwargs: As for :class:`BaseSegDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    METAINFO = {key: values[1:] for key, values in PascalContextDataset.METAINFO.items()}

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', reduce_zero_label: bool = True,
                 **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, reduce_zero_label=reduce_zero_label,
                         **kwargs)
