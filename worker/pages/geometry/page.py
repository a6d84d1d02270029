"""Find the geometry of a page on its source image, of which it may be one half."""

from typing import TYPE_CHECKING

import numpy as np

from worker.pages.geometry.find import Found, find_geometry
from worker.pages.geometry.gutter import Half, page_in_half, settings_within_half
from worker.pages.geometry.resample import page_image
from worker.pages.geometry.settings import GeometrySettings
from worker.pages.geometry.turn import Classifier

if TYPE_CHECKING:
    from PIL.Image import Image


def find_page(source: "Image", half: Half | None, settings: GeometrySettings, classify: Classifier) -> Found:
    """Return the geometry of a page on its source image.

    Args:
        source: RGB or 8-bit grey.
        half: which half of a spread the page is; None for a page that is the whole picture.
        settings: what to do with the page.
        classify: returns the probability that pictures of pieces of lines are upside down.
    """
    if half is None:
        return find_geometry(np.asarray(source), settings, classify)
    cut = half.geometry(source.size, settings)
    within = settings_within_half(settings)
    if within.is_off:
        return Found(cut)
    found = find_geometry(np.asarray(page_image(source, cut)), within, classify)
    return Found(page_in_half(cut, found.geometry), found.doubt)
