"""What the two versions of COCO-Stuff share: COCO's 182 numbers, 11 of which name nothing."""
import numpy as np

# COCO's numbers run from 1 to 182. These were given up before COCO was published, so that 171 classes are left.
UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)
USED = np.array([number for number in range(1, 183) if number not in UNUSED])


def table(shift: int, first: int) -> np.ndarray:
    """Stored label -> class, -1 for what names nothing.

    Args:
        shift: What the files add to COCO's numbers: -1 in the 164k version, 0 in the 10k version.
        first: The class that number 1 becomes.
    """
    classes = np.full(256, -1)
    classes[USED + shift] = np.arange(first, first + len(USED))
    return classes
