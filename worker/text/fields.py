"""Types of the text fields that the schemas of stages share."""

from typing import Annotated

from pydantic import AfterValidator, Field

PLACEHOLDERS = frozenset({"<text>", "<placeholder>", "{{text}}", "[PLACEHOLDER]"})
"""What no field may consist of: a program wrote it instead of a value. Words that a book may print alone are not
among them: `TODO` is a word of Spanish, `null` may head a column."""


def _check_not_placeholder(value: str) -> str:
    if value.strip() in PLACEHOLDERS:
        raise ValueError(f"{value!r} is a placeholder for a value that was never filled in")
    return value


Text = Annotated[str, AfterValidator(_check_not_placeholder)]
Name = Annotated[str, Field(min_length=1), AfterValidator(_check_not_placeholder)]
Share = Annotated[float, Field(ge=0, le=1)]
