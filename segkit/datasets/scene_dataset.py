"""The generated scenes."""
from segkit.datasets.pascal_voc_dataset import PascalVOCDataset
from segkit.datasets.scenes import CLASSES
from segkit.palette import bright_palette
from segkit.registry import DATASETS


@DATASETS.register_module()
class SceneDataset(PascalVOCDataset):
    """Scenes that ``tools/dataset_converters/generate_scenes.py`` makes: 8 kinds of objects and background.

    Reference: none outside; the files lie as PASCAL VOC's do, so that a run on them walks the same code.

    Args:
        **kwargs: As for :class:`PascalVOCDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    METAINFO = dict(classes=CLASSES, palette=bright_palette(CLASSES))

    def missing_hint(self, path: str) -> str:
        """Name the command that makes the scenes."""
        return f'Make the scenes: python tools/dataset_converters/generate_scenes.py {self.data_root}'
