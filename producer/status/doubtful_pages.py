"""Lines about doubtful pages: complete pages whose reading is implausible, by reason."""

from collections.abc import Iterable

from checkpointing.page_records import DoubtfulPage
from checkpointing.plurals import counted
from producer.page_ranges import show_pages

_PHRASES = {
    "low_confidence": "read with low confidence",
    "upright_lines": "with vertical text lines",
    "unread_ink": "with ink where almost no text was found",
    "other_script": "not in the script of the languages named",
    "other_language": "not in the languages named",
    "unclear_turn": "that may be turned",
    "unreadable_size": "too large or too long to be read in full",
    "doubled_words": "with doubled words",
}
"""By kind. A stage of a plug-in may add kinds, which are shown as they are."""


def doubt_lines(pages: Iterable[DoubtfulPage]) -> list[str]:
    """Return one line for each reason: `12 pages read with low confidence: 3, 7-9`. A page may be in several."""
    by_kind: dict[str, list[int]] = {}
    for doubtful in pages:
        for kind in dict.fromkeys(reason.kind for reason in doubtful.reasons):
            by_kind.setdefault(kind, []).append(doubtful.page)
    return [
        f"{counted(len(found), 'page')} {_phrase(kind)}: {show_pages(sorted(found))}"
        for kind, found in by_kind.items()
    ]


def _phrase(kind: str) -> str:
    return _PHRASES.get(kind, f"in doubt ({kind.replace('_', ' ')})")
