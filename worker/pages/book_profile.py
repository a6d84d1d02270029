"""How one book is read: what `metadata.json` says of it beyond the settings of the workers.

A profile goes before the settings of the worker that reads the book, on every machine. It is part of what the pages
of the book are made from (`worker.pipeline.provenance`): pages that were read by another profile are stale.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MINIMUM_DPI = 72
MAXIMUM_DPI = 1200
# Names of Tesseract's data files, in folders or not: letters, digits and `_`, with single `.` or `-` between them.
_WORDS = r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*"
_LANGUAGE = rf"{_WORDS}(/{_WORDS})*"


def check_language(lang: str) -> str:
    """Return the text, if it names data files of Tesseract, joined by `+`.

    Raises:
        ValueError: it does not; a path out of the folder of the data is not such a name.
    """
    if re.fullmatch(rf"{_LANGUAGE}(\+{_LANGUAGE})*", lang) is None:
        raise ValueError(
            "give the names of Tesseract's data files, joined by '+', like eng, deu+eng, frak2021 or script/Fraktur"
        )
    return lang


def _is_none(value: object) -> bool:
    return value is None


class BookProfile(BaseModel):
    """How a book is read. What it does not say is as the worker that reads a page is set.

    Attributes:
        dpi: minimum resolution at which pages of a PDF are rendered, in dots per inch.
        lang: language for Tesseract, as `LEAFMARK_OCR_LANG` names it: `eng`, `deu+eng`.
        engine: OCR engine, as `LEAFMARK_OCR_ENGINE` names it. One that this version does not have is kept: the page
            tells what is missing when it is read.
    """

    # Fields that a newer version adds are ignored.
    model_config = ConfigDict(frozen=True, extra="ignore")

    dpi: Annotated[int, Field(ge=MINIMUM_DPI, le=MAXIMUM_DPI)] | None = Field(default=None, exclude_if=_is_none)
    lang: Annotated[str, AfterValidator(check_language)] | None = Field(default=None, exclude_if=_is_none)
    engine: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$")] | None = Field(
        default=None, exclude_if=_is_none
    )

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return (self.dpi, self.lang, self.engine) == (None, None, None)

    def words(self) -> str:
        """The profile for a person: `400 dpi, language deu, engine tesseract`; empty where it says nothing."""
        parts = (
            self.dpi and f"{self.dpi} dpi",
            self.lang and f"language {self.lang}",
            self.engine and f"engine {self.engine}",
        )
        return ", ".join(part for part in parts if part)

    def changed_by(self, other: "BookProfile") -> "BookProfile":
        """Return this profile with what another one says in its place."""
        return self.model_copy(update=other.model_dump())


NO_PROFILE = BookProfile()


def says_nothing(profile: BookProfile) -> bool:
    """Return whether a profile is left out of the metadata: a book without one has the form of earlier versions."""
    return profile.is_empty
