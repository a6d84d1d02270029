"""The pages of a picture, as `producer ingest` splits it: two of a spread, else one."""

from dataclasses import replace

import numpy as np

from worker.ocr.engines.rapid.engine import upside_down
from worker.pages.geometry.gutter import Half
from worker.pages.geometry.settings import GeometrySettings
from worker.pages.geometry.spread import find_gutter
from worker.pages.sources.base import PageImage


def pages_of(picture: PageImage) -> list[PageImage]:
    """Return the pages of a picture, in reading order; all of them have the whole picture as their image."""
    found = find_gutter(np.asarray(picture.image), GeometrySettings(), upside_down)
    if found.gutter is None:
        return [picture]
    return [replace(picture, half=Half(found.gutter, "left")), replace(picture, half=Half(found.gutter, "right"))]
