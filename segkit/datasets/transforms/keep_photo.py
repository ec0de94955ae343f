"""The photo as it was loaded, kept beside what the network will see."""
import numpy as np
from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError, DataError
from segkit.registry import TRANSFORMS

PLACE = "Put dict(type='KeepPhoto') right behind LoadImageFromFile."


@TRANSFORMS.register_module()
class KeepPhoto(BaseTransform):
    """Copies ``img`` to ``photo``, which no other transform touches and PackSegInputs packs.

    Post-processing such as DenseCRF looks at the photo at its own size and in its own colours, while the network is
    given a resized or mirrored one. With ``model.test_cfg.crf`` this transform is put into the pipelines of tests and
    predictions by itself.

    Shape:
        photo: (H, W, 3) uint8, BGR as it was loaded.

    Raises:
        ConfigError: If ``img`` no longer has the size of the photo.
        DataError: If the photo is not of three channels with values from 0 to 255.
    """

    def transform(self, results: dict) -> dict:
        """Add ``photo`` (H, W, 3) to ``results``."""
        img = results['img']
        if tuple(img.shape[:2]) != tuple(results['ori_shape']):
            raise ConfigError(f"KeepPhoto: {results.get('img_path')} was changed to {img.shape[0]}x{img.shape[1]} "
                              f'(h, w) before it could be kept; as loaded it has {results["ori_shape"][0]}x'
                              f'{results["ori_shape"][1]}.\n{PLACE}')
        photo = img.astype(np.uint8)  # a copy
        if img.ndim != 3 or img.shape[2] != 3 or not (img.dtype == np.uint8 or np.array_equal(photo, img)):
            raise DataError(f"KeepPhoto: {results.get('img_path')} is {img.dtype} of shape {tuple(img.shape)}; "
                            f'expected three channels of whole numbers from 0 to 255.\n{PLACE}')
        results['photo'] = photo
        return results

    def __repr__(self) -> str:
        return 'KeepPhoto()'
