"""Make the page image from the source image, by a geometry."""

from typing import Any

import cv2
import numpy as np
from PIL import Image

from worker.pages.geometry.transform import Geometry

_TURNS = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}
"""Pillow counts counterclockwise."""


def page_image(source: Image.Image, geometry: Geometry) -> Image.Image:
    """Return the page image; without a copy where it is the source image.

    Only a page that is straightened is resampled. What reaches beyond the source gets the colour of the paper.

    Args:
        source: RGB or 8-bit grey; larger or smaller than the geometry's source, if it is rendered at another dpi.
        geometry: of the page.
    """
    if source.size != (geometry.source.width, geometry.source.height):
        geometry = geometry.scaled(source.width / geometry.source.width)
    if geometry.is_identity:
        return source
    if not geometry.is_exact:
        return _straightened(source, geometry)
    x, y, width, height = geometry.box
    cropped = source.crop((x, y, x + width, y + height))
    return cropped.transpose(_TURNS[geometry.quarter_turns]) if geometry.quarter_turns else cropped


def _straightened(source: Image.Image, geometry: Geometry) -> Image.Image:
    pixels = np.asarray(source)
    matrix = np.array(geometry.to_source)
    # OpenCV counts from the middles of pixels.
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    paper = np.median(pixels[:: max(1, pixels.shape[0] // 200), :: max(1, pixels.shape[1] // 200)], axis=(0, 1))
    page: Any = cv2.warpAffine(
        pixels,
        matrix,
        geometry.size,
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=tuple(np.atleast_1d(paper).astype(float).tolist()),
    )
    return Image.fromarray(page)
