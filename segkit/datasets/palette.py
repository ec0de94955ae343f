"""The colours of classes that bring none of their own."""


def color_map(num_colors: int) -> list[list[int]]:
    """Return the RGB colours of PASCAL VOC's devkit, which any number of classes can use.

    The bits of the class index are dealt out in turn to red, green and blue, highest bit first, so that the first
    colours lie far apart: black, dark red, dark green, ...

    Args:
        num_colors: How many colours, at most 256; entry 255 is VOC's void colour.
    """
    colors = []
    for index in range(num_colors):
        rgb, rest = [0, 0, 0], index
        for bit in range(7, -1, -1):
            for channel in range(3):
                rgb[channel] |= (rest >> channel & 1) << bit
            rest >>= 3
        colors.append(rgb)
    return colors
