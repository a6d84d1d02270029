"""What records in files and messages share: their base classes, types of fields, and the clock that stamps them."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from checkpointing.errors import in_one_line

MAX_PAGES = 9_999_999

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PageNumber = Annotated[int, Field(ge=1, le=MAX_PAGES)]
PageRange = tuple[PageNumber, PageNumber]
"""First and last page, both included."""
Usd = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Moment = Annotated[datetime, AfterValidator(lambda time: time if time.tzinfo else time.astimezone())]
"""A time with its zone. One without, as version 1.0 wrote them, is local time."""


class ClosedModel(BaseModel):
    """A record that cannot be changed; one with an unknown field is invalid."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OpenModel(BaseModel):
    """A record that cannot be changed; fields of other versions are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def now() -> datetime:
    """Return this moment, with its zone (UTC), to the millisecond."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def encodable(text: str) -> str:
    """Return the text with escapes for what UTF-8 cannot hold: an error may quote a broken file name."""
    return text.encode(errors="backslashreplace").decode()


Words = Annotated[str, AfterValidator(encodable), AfterValidator(in_one_line)]
"""A text for people: on one line, at a limited length, without control characters of a terminal."""
