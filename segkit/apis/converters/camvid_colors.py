"""CamVid's 32 colours and the 11 classes that they are grouped into."""
import numpy as np

from segkit.datasets.camvid_dataset import CamVidDataset
from segkit.errors import DataError

# Names and colours are those of the authors' label_colors.txt. The groups are those under which the 11 classes of the
# SegNet paper are known (Badrinarayanan et al., 2017), as in MathWorks' example of DeepLabV3+ on CamVid.
GROUPS = dict(
    Sky=dict(Sky=(128, 128, 128)),
    Building=dict(Bridge=(0, 128, 64), Building=(128, 0, 0), Wall=(64, 192, 0), Tunnel=(64, 0, 64),
                  Archway=(192, 0, 128)),
    Pole=dict(Column_Pole=(192, 192, 128), TrafficCone=(0, 0, 64)),
    Road=dict(Road=(128, 64, 128), LaneMkgsDriv=(128, 0, 192), LaneMkgsNonDriv=(192, 0, 64)),
    Pavement=dict(Sidewalk=(0, 0, 192), ParkingBlock=(64, 192, 128), RoadShoulder=(128, 128, 192)),
    Tree=dict(Tree=(128, 128, 0), VegetationMisc=(192, 192, 0)),
    SignSymbol=dict(SignSymbol=(192, 128, 128), Misc_Text=(128, 128, 64), TrafficLight=(0, 64, 64)),
    Fence=dict(Fence=(64, 64, 128)),
    Car=dict(Car=(64, 0, 128), SUVPickupTruck=(64, 128, 192), Truck_Bus=(192, 128, 192), Train=(192, 64, 128),
             OtherMoving=(128, 64, 64)),
    Pedestrian=dict(Pedestrian=(64, 64, 0), Child=(192, 128, 64), CartLuggagePram=(64, 0, 192), Animal=(64, 128, 64)),
    Bicyclist=dict(Bicyclist=(0, 128, 192), MotorcycleScooter=(192, 0, 192)))
VOID = 255
_LABELS = {(0, 0, 0): VOID, **{color: CamVidDataset.METAINFO['classes'].index(group)
                               for group, members in GROUPS.items() for color in members.values()}}
_CODES = np.array(sorted((r << 16) + (g << 8) + b for r, g, b in _LABELS))
_OF_CODE = np.array([_LABELS[code >> 16, code >> 8 & 255, code & 255] for code in _CODES.tolist()], np.uint8)


def labels_of_colors(mask: np.ndarray, path: str) -> np.ndarray:
    """Read a mask of colours as labels.

    Args:
        mask: (H, W, 3) uint8 RGB.
        path: The file, for the message.

    Returns:
        (H, W) uint8: 0 to 10, void 255.

    Raises:
        DataError: If it holds labels instead of colours, or a colour that is none of the 32.
    """
    if mask.ndim != 3:
        raise DataError(f"{path} holds labels; the authors' masks hold colours (RGB).")
    codes = mask.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    places = np.searchsorted(_CODES, codes).clip(max=len(_CODES) - 1)
    unknown = _CODES[places] != codes
    if unknown.any():
        color = mask[unknown][0].tolist()
        raise DataError(f'{path} has {int(unknown.sum()):,} pixels of colours that are none of the 32, such as RGB '
                        f'{color}.')
    return _OF_CODE[places]
