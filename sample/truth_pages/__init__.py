"""Pages with full truth, to measure reading with: `make_page(Recipe.of_seed(7))`.

A page is made from a seed: its text, its layout, and how it lies on the scanner, together with all that is known
about it. The same seed gives the same pixels. Seeds from 1,000,000 on (`HELD_OUT_SEEDS`) are for measuring only;
tuning uses smaller ones. `python -m sample.truth_pages DEST --seeds 0-9` writes pages as files.
"""

from sample.truth_pages.geometry import Affine
from sample.truth_pages.make import TruePage, make_page
from sample.truth_pages.model import Geometry, RegionKind, TrueLine, TrueRegion, TrueWord, Truth, text_of
from sample.truth_pages.recipe import HELD_OUT_SEEDS, Bed, Recipe, Sheet

__all__ = [
    "HELD_OUT_SEEDS",
    "Affine",
    "Bed",
    "Geometry",
    "Recipe",
    "RegionKind",
    "Sheet",
    "TrueLine",
    "TruePage",
    "TrueRegion",
    "TrueWord",
    "Truth",
    "make_page",
    "text_of",
]
