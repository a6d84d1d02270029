"""Reads pages that Scanshelf corrected with a model as outputs of the correction stage, since they were paid for.

Scanshelf wrote each correction into its region, followed by a mark, `the[CORRECTED:1]`, and listed the original
words in an error catalog. Both give the text that was read, the corrected text, and the edits between them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from worker.scanshelf.pages import Page, Region, region_id
from worker.text.doubled_words import doubled_words
from worker.text.edits import UNANNOUNCED_CONFIDENCE, EditKind

MIN_CONFIDENCE = 0.8
"""Minimum confidence of Scanshelf's verification; below it, the page needs a review."""

DOUBLED_WORDS = "doubled_words"

_MARK = re.compile(r"\[(?:CORRECTED:(\d+)|FIXED:[A-Z0-9-]+)\]")
_REVISED = {"body", "header", "caption", "footnote"}
_KINDS = {kind.value for kind in EditKind}


class _Error(NamedTuple):
    """An entry of the error catalog: the words that were read, the kind of the error, and the confidence."""

    words: str
    kind: str
    confidence: float


def corrected_page(data: Any) -> dict[str, Any] | None:
    """Return a page that Scanshelf corrected, in the form of `CorrectedPage`; None for other JSON.

    Raises:
        ValueError: it is not a valid page of Scanshelf, or its correction failed.
    """
    if not isinstance(data, dict) or not isinstance(data.get("llm_processing"), dict):
        return None
    page, done = Page.model_validate(data), data["llm_processing"]
    catalog = _mapping(done.get("error_catalog"))
    if catalog.get("error_message"):
        raise ValueError("Scanshelf failed to correct the page")
    skipped = done.get("skipped") is True
    if not skipped and not done.get("model"):
        raise ValueError("llm_processing names no model")
    asked = [region for region in page.regions if region.type in _REVISED]
    reasons = list(_reasons(done)) if asked and not skipped else []
    doubled: dict[str, str] = {}
    errors = dict(_errors(catalog.get("errors")))
    regions, edits = [], []
    for order, region in enumerate(page.in_reading_order, start=1):
        text, original, found = _unmarked(region, errors)
        if not skipped and region.type in _REVISED and (twice := doubled_words(text)):
            doubled[region_id(region.id)] = ", ".join(f"'{words}'" for words in twice)
        modern = region.modern(order)
        del modern["confidence"]
        is_image = region.type == "image"
        regions.append(
            {
                **modern,
                "text": "" if is_image else text,
                "original_text": "" if is_image else original,
                "needs_review": region_id(region.id) in doubled or (bool(reasons) and region.type in _REVISED),
            }
        )
        edits.extend(found)
    return {
        "page_number": page.page_number,
        "regions": regions,
        "edits": edits,
        "needs_review": bool(reasons or doubled),
        "reasons": [*reasons, *(f"doubled words in {region}: {words}" for region, words in doubled.items())],
        "skipped": skipped,
        "llm": None,
        "doubtful": [{"kind": DOUBLED_WORDS, "message": f"doubled words: {', '.join(doubled.values())}"}]
        if doubled
        else [],
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _errors(listed: Any) -> Iterator[tuple[str, _Error]]:
    for said in map(_mapping, listed if isinstance(listed, list) else []):
        number, words = said.get("error_id", said.get("id")), said.get("original_text", said.get("error_text"))
        if number is None or not isinstance(words, str) or not words.strip():
            continue
        kind = said.get("error_type")
        error = _Error(words, kind if kind in _KINDS else EditKind.TYPO.value, _share(said.get("confidence")))
        yield str(number), error


def _share(confidence: Any) -> float:
    is_one = isinstance(confidence, int | float) and 0 <= confidence <= 1
    return float(confidence) if is_one else UNANNOUNCED_CONFIDENCE


def _unmarked(region: Region, errors: Mapping[str, _Error]) -> tuple[str, str, list[dict[str, Any]]]:
    """Return the corrected text, the text that was read, and the edits between them that are listed."""
    text, original, edits, start = "", "", [], 0
    for mark in _MARK.finditer(region.text):
        piece, start = region.text[start : mark.start()], mark.end()
        text += piece
        error = errors.get(mark[1] or "")
        # Scanshelf replaced as many words before the mark as the catalog has.
        corrected = _last_words(piece, len(error.words.split())) if error else ""
        if error is None or not corrected or corrected == error.words:
            original += piece
            continue
        original += piece[: piece.rindex(corrected)] + error.words
        edits.append(
            {
                "region": region_id(region.id),
                "original": error.words,
                "corrected": corrected,
                "kind": error.kind,
                "confidence": error.confidence,
            }
        )
    rest = region.text[start:]
    return text + rest, original + rest, edits


def _last_words(text: str, count: int) -> str:
    found = re.search(rf"(?:\S+\s+){{{count - 1}}}\S+$", text)
    return found[0] if found else ""


def _reasons(done: Mapping[str, Any]) -> Iterable[str]:
    """Yield why a page needs a review: its verification was unsure, and no fix followed."""
    fixes = _mapping(done.get("agent4_fixes"))
    if fixes and not fixes.get("error"):
        return
    verification = _mapping(done.get("verification"))
    score = verification.get("confidence_score", 1.0)
    doubtful = isinstance(score, int | float) and score < MIN_CONFIDENCE
    if verification.get("needs_human_review") is True or doubtful:
        said = verification.get("review_reason")
        yield said.strip() if isinstance(said, str) and said.strip() else "Scanshelf's verification was unsure"
