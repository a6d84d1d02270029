"""Removes characters that a terminal, a browser or an editor would execute instead of showing.

A scan, a PDF or a model can contain them, and a book cannot print them. Removed are the control characters of ASCII
and Latin-1 (C0 and C1) and those that reorder the text around them (bidirectional embeddings, overrides and
isolates). New lines and tabs stay, other line breaks become new lines. The marks that texts in Arabic, Hebrew,
Persian or Indic scripts need (U+200C to U+200F) stay.
"""

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)

_BREAKS = "\r\v\f\x85\u2028\u2029"
_CONTROLS = [*map(chr, (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))]
_TABLE = str.maketrans(
    {char: "\n" if char in _BREAKS else "" for char in {*_CONTROLS, *_BREAKS} if char not in "\n\t"}
)
# The same in a JSON text, where those of C0 are escaped. It also matches some texts with backslashes.
_IN_JSON = re.compile(r"\\u00(?:[01][0-9a-f]|7f|[89][0-9a-f])|\\[bfr]|[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def clean_text(text: str) -> str:
    """Return a text without control characters."""
    return text.replace("\r\n", "\n").translate(_TABLE)


def clean_model(model: Model) -> Model:
    """Return a model without control characters in any of its texts.

    Raises:
        ValidationError: it is not valid without them.
    """
    raw = model.model_dump_json()
    if not _IN_JSON.search(raw):
        return model
    return type(model).model_validate_json(json.dumps(_cleaned(json.loads(raw))))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {name: _cleaned(item) for name, item in value.items()}
    return value
