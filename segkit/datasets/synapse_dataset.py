"""Synapse."""
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class SynapseDataset(BaseSegDataset):
    """Synapse, organs in slices of abdominal CT: 8 classes and background.

    Reference: the multi-atlas labeling challenge "Beyond the Cranial Vault", MICCAI 2015, with the choice of 8 organs
    of Chen et al., TransUNet, arXiv:2102.04306.

    Args:
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        **kwargs: As for :class:`BaseSegDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    METAINFO = dict(
        classes=('background', 'aorta', 'gallbladder', 'left_kidney', 'right_kidney', 'liver', 'pancreas', 'spleen',
                 'stomach'),
        palette=[[0, 0, 0], [0, 0, 255], [0, 255, 0], [255, 0, 0], [0, 255, 255], [255, 0, 255], [255, 255, 0],
                 [60, 255, 255], [240, 240, 240]])

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
