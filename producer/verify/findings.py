"""What `producer verify` finds: each kind of difference, and what `--repair` does about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What is not as it should be."""

    MISSING = "missing"
    """A complete page has no output. This and the next three are as in `checkpointing.outputs.Problem`."""
    UNREADABLE = "unreadable"
    INVALID = "invalid"
    CHANGED = "changed"
    OLDER_SCHEMA = "older_schema"
    """A complete page's output was accepted by another version of the schema; this one accepts it too."""
    NO_HASH = "no_hash"
    """A page is complete by an older checkpoint, or by hand, and has a valid output."""
    UNNAMED = "unnamed"
    """A valid output whose page the checkpoint does not name complete."""
    STRAY = "stray"
    """A damaged output of a page that is not complete and that nobody asks for."""
    BEYOND_BOOK = "beyond_book"
    """An output of a page that the book does not have."""
    CHECKPOINT_UNUSABLE = "checkpoint_unusable"
    CHECKPOINT_MISSING = "checkpoint_missing"
    CONTRADICTION = "contradiction"
    """The checkpoint contradicts itself or `metadata.json`."""
    LEFTOVER = "leftover"
    """A temp file of a writer that crashed."""
    FOREIGN = "foreign"
    """A file in the output folder that Leafmark did not make."""
    SOURCE = "source"
    """A source file is missing, or not the one that was ingested."""
    STALE = "stale"
    """A complete page whose output is not made from what is there now: no difference, but worth knowing."""


DAMAGED = frozenset({Kind.MISSING, Kind.UNREADABLE, Kind.INVALID, Kind.CHANGED})
"""The page was done, and has to be done again."""

_REMEDIES = {
    Kind.MISSING: "does the page again",
    Kind.UNREADABLE: "does the page again",
    Kind.INVALID: "does the page again",
    Kind.CHANGED: "sets the output aside and does the page again",
    Kind.OLDER_SCHEMA: "notes the new version",
    Kind.NO_HASH: "notes the hash",
    Kind.UNNAMED: "takes the page as complete",
    Kind.STRAY: "sets the output aside",
    Kind.BEYOND_BOOK: "sets the output aside",
    Kind.CHECKPOINT_UNUSABLE: "keeps the file under a dated name and rebuilds the checkpoint from the outputs",
    Kind.CHECKPOINT_MISSING: "rebuilds the checkpoint from the outputs",
    Kind.CONTRADICTION: "puts it right",
    Kind.LEFTOVER: "deletes it",
}
_ADVICE = {
    Kind.FOREIGN: "move it away by hand",
    Kind.SOURCE: "restore the file from a backup, or scan its pages again and use `producer replace-page`",
    Kind.STALE: "`producer enqueue` with --refresh-stale does the page again, with --accept-stale keeps it",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between what is there and what should be.

    Attributes:
        kind: what sort of difference.
        stage: whose it is; None for the source of the scan.
        problem: in words.
        page: which page; None where it is not about one.
    """

    kind: Kind
    stage: str | None
    problem: str
    page: int | None = None

    @property
    def mendable(self) -> bool:
        """Whether `--repair` does anything about it."""
        return self.kind in _REMEDIES

    @property
    def remedy(self) -> str:
        """What `--repair` does about it, or what a person has to do."""
        return _REMEDIES[self.kind] if self.mendable else _ADVICE[self.kind]

    def line(self, scan_id: str) -> str:
        """All of it on one line, for a person."""
        where = scan_id if self.stage is None else f"{scan_id}/{self.stage}"
        page = "" if self.page is None else f" page {self.page}"
        then = f"--repair {self.remedy}" if self.mendable else f"--repair leaves it; {self.remedy}"
        return f"{where}{page}: {self.problem} ({then})"

    def as_json(self) -> dict[str, Any]:
        """The form that `producer verify --json` prints."""
        return {
            "stage": self.stage,
            "page": self.page,
            "kind": self.kind.value,
            "problem": self.problem,
            "mendable": self.mendable,
            "remedy": self.remedy,
        }
