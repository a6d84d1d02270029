"""Make the page image from the source image, by a geometry.

Numpy, OpenCV and Pillow are imported only for a page that is not its source image: commands that show pages as they
were read need them for few pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.pages.geometry.transform import Geometry

if TYPE_CHECKING:
    from PIL.Image import Image


def page_image(source: Image, geometry: Geometry | None) -> Image:
    """Return the page image; without a copy where it is the source image.

    Only a page that is straightened is resampled. What reaches beyond the source gets the colour of the paper.

    Args:
        source: RGB or 8-bit grey; larger or smaller than the geometry's source, if it is rendered at another dpi.
        geometry: of the page; None where it is the source image.
    """
    if geometry is None:
        return source
    if source.size != (geometry.source.width, geometry.source.height):
        geometry = geometry.scaled(source.width / geometry.source.width)
    if geometry.is_identity:
        return source
    if not geometry.is_exact:
        return _straightened(source, geometry)
    from PIL.Image import Transpose  # noqa: PLC0415  # the module says why

    # Pillow counts counterclockwise.
    turns = {1: Transpose.ROTATE_270, 2: Transpose.ROTATE_180, 3: Transpose.ROTATE_90}
    x, y, width, height = geometry.box
    cropped = source.crop((x, y, x + width, y + height))
    return cropped.transpose(turns[geometry.quarter_turns]) if geometry.quarter_turns else cropped


def _straightened(source: Image, geometry: Geometry) -> Image:
    import cv2  # noqa: PLC0415  # the module says why
    import numpy as np  # noqa: PLC0415 - the same
    from PIL.Image import fromarray  # noqa: PLC0415 - the same

    pixels = np.asarray(source)
    paper = np.median(pixels[:: max(1, pixels.shape[0] // 200), :: max(1, pixels.shape[1] // 200)], axis=(0, 1))
    page: Any = cv2.warpAffine(
        pixels,
        np.array(geometry.pixels_to_source),
        geometry.size,
        # Cubic takes nearly twice the time, and nothing is read better.
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=tuple(np.atleast_1d(paper).astype(float).tolist()),
    )
    return fromarray(page)
