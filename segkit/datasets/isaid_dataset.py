"""iSAID."""
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class iSAIDDataset(BaseSegDataset):
    """iSAID, objects in aerial photos: 15 classes and background, void 255.

    Reference: Zamir et al., iSAID: A Large-scale Dataset for Instance Segmentation in Aerial Images, CVPR Workshops
    2019. In spite of their suffix the masks hold class indices: MMSegmentation's converter cuts the coloured ones into
    tiles and writes them anew under the old names.

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
        classes=('background', 'ship', 'store_tank', 'baseball_diamond', 'tennis_court', 'basketball_court',
                 'Ground_Track_Field', 'Bridge', 'Large_Vehicle', 'Small_Vehicle', 'Helicopter', 'Swimming_pool',
                 'Roundabout', 'Soccer_ball_field', 'plane', 'Harbor'),
        palette=[[0, 0, 0], [0, 0, 63], [0, 63, 63], [0, 63, 0], [0, 63, 127], [0, 63, 191], [0, 63, 255],
                 [0, 127, 63], [0, 127, 127], [0, 0, 127], [0, 0, 191], [0, 0, 255], [0, 191, 127], [0, 127, 191],
                 [0, 127, 255], [0, 100, 155]])

    def __init__(self, img_suffix: str = '.png', seg_map_suffix: str = '_instance_color_RGB.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
