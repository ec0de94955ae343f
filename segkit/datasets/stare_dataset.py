"""STARE."""
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class STAREDataset(BaseSegDataset):
    """STARE, blood vessels of the retina: background and vessel.

    Reference: Hoover et al., Locating Blood Vessels in Retinal Images by Piecewise Threshold Probing of a Matched
    Filter Response, IEEE Transactions on Medical Imaging 2000. ``.ah`` names the first of its two observers.

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
        classes=('background', 'vessel'),
        palette=[[120, 120, 120], [6, 230, 230]])

    def __init__(self, img_suffix: str = '.png', seg_map_suffix: str = '.ah.png', reduce_zero_label: bool = False,
                 **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, reduce_zero_label=reduce_zero_label,
                         **kwargs)
