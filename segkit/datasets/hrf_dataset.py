"""HRF."""
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class HRFDataset(BaseSegDataset):
    """HRF, blood vessels in high-resolution photos of the retina: background and vessel.

    Reference: Budai et al., Robust Vessel Segmentation in Fundus Images, International Journal of Biomedical Imaging
    2013.

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

    def __init__(self, img_suffix: str = '.png', seg_map_suffix: str = '.png', reduce_zero_label: bool = False,
                 **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, reduce_zero_label=reduce_zero_label,
                         **kwargs)
