"""Bringing every kind of pixel to the two that stages read: 8-bit RGB and 8-bit grey."""

from PIL import Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile

_WHITE_IS_ZERO = 0


def to_rgb_or_grey(image: Image.Image) -> Image.Image:
    """Return a loaded picture of any mode in mode `RGB` or `L`; without a copy if it is in one of them already.

    Transparent parts become white, as paper is. Grey of more than 8 bits is scaled down, not cut off.
    """
    if image.mode.startswith(("I", "F")):
        return _deep_grey_to_grey(image)
    if image.has_transparency_data:
        image = _in_mode("RGBA", image)
        paper = Image.new("RGB", image.size, "white")
        paper.paste(image, mask=image.getchannel("A"))
        return paper
    return _in_mode("L" if image.mode in {"1", "L"} else "RGB", image)


def _in_mode(mode: str, image: Image.Image) -> Image.Image:
    """Convert an image, without the copy that `convert` makes of one in this mode: a page may take 640 MB."""
    return image if image.mode == mode else image.convert(mode)


def _deep_grey_to_grey(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and floating-point grey so that black stays black and white stays white."""
    import numpy as np  # noqa: PLC0415  # few books have such pages, and most commands look at none

    levels = np.asarray(image)
    if image.mode.startswith("I;16"):
        grey = (levels >> (_bits_per_sample(image) - 8)).astype(np.uint8)
    else:
        # The file does not say how bright white is, so the brightest pixel counts as white.
        low, high = float(levels.min()), float(levels.max())
        grey = ((levels - low) * (255 / ((high - low) or 1))).astype(np.uint8)
    return Image.fromarray(255 - grey if _is_negative(image) else grey)


def _bits_per_sample(image: Image.Image) -> int:
    """Return the bits of a sample in the file: Pillow opens a TIFF of 12 bits as one of 16."""
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2.get(BITSPERSAMPLE, (16,))[0])
    return 16


def _is_negative(image: Image.Image) -> bool:
    """Return whether 0 is white: Pillow inverts such a TIFF for 1 and 8 bits, but not for more."""
    return isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
