"""What a page is to have, chosen by a seed or by name.

`Recipe.of_seed(7)` draws everything; `Recipe.of_seed(7, columns=(1, 1), skew_degrees=3)` draws the same page but
with what is named. Texts, surface and geometry are drawn apart, so that a page at another skew has the same text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np

HELD_OUT_SEEDS = 1_000_000
"""Seeds from here on are for measuring and those below for tuning: what is tuned must not see them before."""

MAX_SKEW_DEGREES = 10.0
_COLUMN_COUNTS = (0.42, 0.24, 0.13, 0.09, 0.06, 0.06)
"""How often a page has one column, two, and so on."""
_SHEET_SHARES = (0.72, 0.18, 0.07, 0.02, 0.01)
_LANGUAGES = ("en", "de", "fr", "el")
_LANGUAGE_SHARES = (0.45, 0.25, 0.2, 0.1)
_RESOLUTIONS = (150, 200, 240, 300, 400)
_RESOLUTION_SHARES = (0.08, 0.2, 0.22, 0.4, 0.1)
_LARGE_SHEET = 3
"""A sheet with so many columns on all of its pages is large: it has a low resolution and small type."""
_RESOLUTIONS_OF_LARGE = 3

Random = np.random.Generator


class Bed(StrEnum):
    """What is around the paper."""

    NONE = "none"
    """The picture is cut within the paper, or filled up with its tone."""
    DARK = "dark"
    LIGHT = "light"


class Sheet(StrEnum):
    """What a picture shows."""

    PAGE = "page"
    SPREAD = "spread"
    PLATE = "plate"
    """A picture with its caption."""
    SPREAD_PLATE = "spread_plate"
    """One picture over both pages of a spread, which must not be cut."""
    FOLD_OUT = "fold_out"
    """A plate as wide as two pages, without a gutter."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a page is to have.

    Attributes:
        seed: of its texts, its noise, and all that is not named here.
        sheet: a page, a spread or a plate.
        language: BCP 47.
        typeface: `fraktur` is only taken if it is named, because not every machine has one. It is printed with the
            long s.
        dpi: dots per inch.
        type_points: size of the type of the text, in points.
        columns: the width of each column of text, relative to the others.
        heading: whether a heading spans the columns.
        running_head: whether the page has one.
        page_number: where it stands.
        footnotes, marginalia: how many.
        table: ruled, or told by alignment only.
        picture: whether a picture with a caption is in the text.
        verse, drop_capital, signature, catchword, column_rules: whether the page has them.
        quarter_turns: clockwise, 0 to 3.
        skew_degrees: clockwise.
        bed: what is around the paper.
        gutter: of a spread, how far it is off the middle, as a share of the sheet's width.
        stains: how many.
        curl: by how much print sinks at the binding, as a share of a line's height.
    """

    seed: int
    sheet: Sheet = Sheet.PAGE
    language: str = "en"
    typeface: Literal["antiqua", "fraktur"] = "antiqua"
    dpi: int = 300
    type_points: float = 10.0
    columns: tuple[float, ...] = (1.0,)
    heading: bool = False
    running_head: bool = True
    page_number: Literal["top", "bottom", "none"] = "bottom"
    footnotes: int = 0
    marginalia: int = 0
    table: Literal["ruled", "aligned", "none"] = "none"
    picture: bool = False
    verse: bool = False
    drop_capital: bool = False
    signature: bool = False
    catchword: bool = False
    column_rules: bool = False
    quarter_turns: int = 0
    skew_degrees: float = 0.0
    bed: Bed = Bed.NONE
    gutter: float = 0.0
    stains: int = 0
    curl: float = 0.0

    @classmethod
    def of_seed(cls, seed: int, **named: Any) -> "Recipe":
        """Return what a seed draws, with what is named instead.

        Raises:
            TypeError: there is no attribute of that name.
        """
        return replace(_drawn(seed, named), **named)

    @property
    def text_random(self) -> Random:
        """The source of what is printed."""
        return np.random.default_rng((self.seed, 1))

    @property
    def surface_random(self) -> Random:
        """The source of paper, bed and light."""
        return np.random.default_rng((self.seed, 2))

    @property
    def is_spread(self) -> bool:
        """Whether the sheet has two pages."""
        return self.sheet in {Sheet.SPREAD, Sheet.SPREAD_PLATE}

    @property
    def is_plate(self) -> bool:
        """Whether it has a picture and no text but its caption."""
        return self.sheet in {Sheet.PLATE, Sheet.SPREAD_PLATE, Sheet.FOLD_OUT}

    @property
    def em(self) -> float:
        """Size of the type of the text, in pixels."""
        return self.type_points * self.dpi / 72


def _drawn(seed: int, named: Mapping[str, Any]) -> Recipe:
    random = np.random.default_rng((seed, 0))
    # All is drawn, also what is named or not taken: what comes after must not depend on it.
    drawn = _columns(random)
    columns = named.get("columns", drawn)
    one, few = len(columns) == 1, len(columns) <= 2  # noqa: PLR2004
    sheet = _choice(random, tuple(Sheet), _SHEET_SHARES)
    sheet = named.get("sheet", sheet if few else Sheet.PAGE)
    sheet_pages = 1 if sheet in {Sheet.PAGE, Sheet.PLATE} else 2
    large = len(columns) * sheet_pages >= _LARGE_SHEET
    known = _RESOLUTIONS_OF_LARGE if large else len(_RESOLUTIONS)
    dpi = _choice(random, _RESOLUTIONS[:known], _RESOLUTION_SHARES[:known])
    points = float(random.integers(16, 29)) / 2
    skew = random.choice((0.0, 1.0, -1.0), p=(0.25, 0.375, 0.375)) * MAX_SKEW_DEGREES * random.random() ** 2
    return Recipe(
        seed=seed,
        sheet=sheet,
        language=_choice(random, _LANGUAGES, _LANGUAGE_SHARES),
        dpi=dpi,
        type_points=min(points, 10.0) if large else points,
        columns=columns,
        heading=_happens(random, 0.45),
        running_head=_happens(random, 0.75),
        page_number=_choice(random, ("top", "bottom", "none"), (0.4, 0.45, 0.15)),
        footnotes=int(random.integers(1, 4)) * _happens(random, 0.35),
        marginalia=int(random.integers(1, 4)) * _happens(random, 0.2) * few,
        table=_choice(random, ("ruled", "aligned", "none"), (0.12, 0.12, 0.76)),
        picture=_happens(random, 0.2),
        verse=_happens(random, 0.15),
        drop_capital=_happens(random, 0.25),
        signature=_happens(random, 0.1) and few,
        catchword=_happens(random, 0.12) and one,
        column_rules=_happens(random, 0.35),
        quarter_turns=_choice(random, (0, 1, 2, 3), (0.7, 0.1, 0.1, 0.1)),
        skew_degrees=round(float(skew), 2),
        bed=_choice(random, tuple(Bed), (0.4, 0.4, 0.2)),
        gutter=round(float(random.uniform(-0.06, 0.06)), 3),
        stains=int(random.integers(1, 6)) * _happens(random, 0.3),
        curl=round(float(random.uniform(0.1, 0.5)), 2) * _happens(random, 0.25),
    )


def _columns(random: Random) -> tuple[float, ...]:
    count = 1 + _choice(random, range(len(_COLUMN_COUNTS)), _COLUMN_COUNTS)
    unequal = _happens(random, 0.25)
    widths = random.uniform(1.0, 1.6, count)
    return tuple(round(float(width), 2) for width in widths) if unequal else (1.0,) * count


def _choice(random: Random, among: Sequence[Any], shares: Sequence[float]) -> Any:
    whole = sum(shares)
    return among[int(random.choice(len(shares), p=[share / whole for share in shares]))]


def _happens(random: Random, share: float) -> bool:
    return bool(random.random() < share)
