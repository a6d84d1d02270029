"""How the steps of the geometry are set: `auto`, `off`, or a value."""

import re
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

_METHOD = "geometry 2"
"""How the geometry is found. Another number makes pages stale that were read by an earlier one."""
AUTO, OFF = "auto", "off"
Rotate = Literal["auto", "off", "90", "180", "270"]
"""Degrees by which the picture is turned clockwise."""
Spreads = Literal["auto", "no", "yes"]
"""Whether two pages on one picture are split when a book is ingested."""
_MOST_DEGREES = 45.0
_ALL = 100.0


def check_deskew(value: str) -> str:
    """Return `auto`, `off`, or a number of degrees.

    Raises:
        ValueError: it is something else, or more than 45 degrees.
    """
    if value in {AUTO, OFF}:
        return value
    try:
        degrees = float(value)
    except ValueError:
        degrees = _MOST_DEGREES + 1
    if not -_MOST_DEGREES <= degrees <= _MOST_DEGREES:
        raise ValueError(
            "not auto, off, or degrees from -45 to 45 by which the lines are turned clockwise, such as 1.5 where "
            "they fall to the right"
        )
    return f"{degrees:g}"


def check_crop(value: str) -> str:
    """Return `auto`, `off`, or what to cut off the four sides, in percent, joined by `,`.

    Raises:
        ValueError: it is something else, or nothing would remain.
    """
    value = value.replace(" ", "")
    if value in {AUTO, OFF}:
        return value
    if re.fullmatch(r"\d+(\.\d+)?(,\d+(\.\d+)?){3}", value):
        left, top, right, bottom = map(float, value.split(","))
        if left + right < _ALL and top + bottom < _ALL:
            return value
    raise ValueError(
        "not auto, off, or the percent of the picture to cut off at the left, top, right and bottom, such as "
        "5,0,5,2"
    )


Deskew = Annotated[str, AfterValidator(check_deskew)]
Crop = Annotated[str, AfterValidator(check_crop)]


@dataclass(frozen=True, slots=True)
class GeometrySettings:
    """What to do with each page.

    Attributes:
        rotate: `auto`, `off`, or the degrees by which to turn the picture clockwise: `90`, `180`, `270`.
        deskew: `auto`, `off`, or the degrees by which its lines are turned clockwise.
        crop: `auto`, `off`, or the percent to cut off at the left, top, right and bottom: `5,0,5,2`.
    """

    rotate: str = AUTO
    deskew: str = AUTO
    crop: str = AUTO

    @classmethod
    def of(cls, options: Any) -> "GeometrySettings":
        """Return the settings among the options of a stage or of a deployment: `ocr_rotate` and the others."""
        return cls(options.ocr_rotate, options.ocr_deskew, options.ocr_crop)

    @property
    def recipe(self) -> str:
        """The method and what is not automatic, for the recipe of outputs; empty if each page stays as it is."""
        if self.is_off:
            return ""
        set_ones = (f"{name} {value}" for name, value in asdict(self).items() if value != AUTO)
        return ", ".join((_METHOD, *set_ones))

    @property
    def is_off(self) -> bool:
        """Whether each page stays as it is."""
        return self.rotate == self.deskew == self.crop == OFF

    @property
    def needs_lines(self) -> bool:
        """Whether a step depends on the lines of print."""
        return AUTO in {self.rotate, self.deskew}
