"""Differences that `producer verify` finds: their kinds, and what `--repair` does about each."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The kind of a difference."""

    MISSING = "missing"
    """A complete page has no output. This and the next three have the values of `checkpointing.outputs.Problem`."""
    UNREADABLE = "unreadable"
    INVALID = "invalid"
    CHANGED = "changed"
    OLDER_SCHEMA = "older_schema"
    """A complete page's output was validated against another version of the schema; it is valid in this one too."""
    NO_HASH = "no_hash"
    """A page was marked complete by an older version or by hand, and has a valid output."""
    UNNAMED = "unnamed"
    """A valid output whose page is not marked complete."""
    STRAY = "stray"
    """A damaged output of a page that is neither complete nor requested."""
    BEYOND_BOOK = "beyond_book"
    """An output whose page number is past the last page of the book."""
    CHECKPOINT_UNUSABLE = "checkpoint_unusable"
    CHECKPOINT_MISSING = "checkpoint_missing"
    CONTRADICTION = "contradiction"
    """The checkpoint contradicts itself or `metadata.json`."""
    LEFTOVER = "leftover"
    """A temp file of a writer that crashed."""
    FOREIGN = "foreign"
    """A file in the output folder that Leafmark did not make."""
    SOURCE = "source"
    """A source file is missing, or is not the one that was ingested."""
    STALE = "stale"
    """A complete page whose inputs have changed since. Reported, but not counted as a difference."""


DAMAGED = frozenset({Kind.MISSING, Kind.UNREADABLE, Kind.INVALID, Kind.CHANGED})
"""The page was complete, and has to be processed again."""

_REMEDIES = {
    Kind.MISSING: "processes the page again",
    Kind.UNREADABLE: "processes the page again",
    Kind.INVALID: "processes the page again",
    Kind.CHANGED: "sets the output aside and processes the page again",
    Kind.OLDER_SCHEMA: "records the new version",
    Kind.NO_HASH: "records the hash",
    Kind.UNNAMED: "marks the page complete",
    Kind.STRAY: "sets the output aside",
    Kind.BEYOND_BOOK: "sets the output aside",
    Kind.CHECKPOINT_UNUSABLE: "keeps the file under a dated name and rebuilds the checkpoint from the outputs",
    Kind.CHECKPOINT_MISSING: "rebuilds the checkpoint from the outputs",
    Kind.CONTRADICTION: "corrects it",
    Kind.LEFTOVER: "deletes it",
}
_ADVICE = {
    Kind.FOREIGN: "move it away by hand",
    Kind.SOURCE: "restore the file from a backup, or scan its pages again and use `producer replace-page`",
    Kind.STALE: "`producer enqueue` with --refresh-stale processes the page again, with --accept-stale keeps it",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between the files of a scan and its checkpoints.

    Attributes:
        stage: name of the stage; None for the source of the scan.
        problem: the difference in words.
        page: number of the page; None if the difference is not in a single page.
    """

    kind: Kind
    stage: str | None
    problem: str
    page: int | None = None

    @property
    def mendable(self) -> bool:
        """Whether `--repair` can repair it."""
        return self.kind in _REMEDIES

    @property
    def remedy(self) -> str:
        """What `--repair` does about it, or what the user has to do."""
        return _REMEDIES[self.kind] if self.mendable else _ADVICE[self.kind]

    def line(self, scan_id: str) -> str:
        """Return the difference and its remedy on one line, for the terminal."""
        where = scan_id if self.stage is None else f"{scan_id}/{self.stage}"
        page = "" if self.page is None else f" page {self.page}"
        then = f"--repair {self.remedy}" if self.mendable else f"--repair does not change it; {self.remedy}"
        return f"{where}{page}: {self.problem} ({then})"

    def as_json(self) -> dict[str, Any]:
        """Return the object that `producer verify --json` prints."""
        return {
            "stage": self.stage,
            "page": self.page,
            "kind": self.kind.value,
            "problem": self.problem,
            "mendable": self.mendable,
            "remedy": self.remedy,
        }
