"""ISPRS Vaihingen."""
from segkit.datasets.potsdam_dataset import PotsdamDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class ISPRSDataset(PotsdamDataset):
    """ISPRS Vaihingen, a town from above: the classes of Potsdam, stored as 1 to 6, 0 is a border that does not count.

    Reference: the 2D Semantic Labeling Contest of the ISPRS, Vaihingen. The masks are grey PNGs that MMSegmentation's
    converter makes of the coloured ones, in tiles.

    Args:
        **kwargs: As for :class:`PotsdamDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """
