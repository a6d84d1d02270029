"""Where scans stand, as lines of columns: no box, and no scan id is cut, since that is what has to be typed."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from checkpointing.money import dollars
from producer.status.scan_status import ScanStatus, StageStatus

_HEADS = (
    "scan",
    "stage",
    "status",
    "complete",
    "remaining",
    "failed",
    "cost",
    "rate",
    "ETA",
    "started",
    "updated",
)
# What a narrow terminal does without, the first one first; the scan, its stage and its status always stay.
_GIVEN_UP = ("started", "updated", "remaining", "rate", "ETA", "cost", "failed", "complete")
_GAP = "  "
_STYLES = {"completed": "green", "failed": "red", "unreadable": "red", "in_progress": "yellow"}


def status_lines(scans: Sequence[ScanStatus], width: int | None) -> list[Text]:
    """Return a line of heads and a line for each stage.

    Args:
        scans: at least one.
        width: columns of the terminal; None where nothing has to fit, as in a pipe.
    """
    rows = [
        dict(zip(_HEADS, (scan.metadata.scan_id, name, *_cells(stage)), strict=True))
        for scan in scans
        for name, stage in scan.stages.items()
    ]
    heads = {head: head for head in _HEADS}
    shown = _fitting([heads, *rows], width)
    widths = {head: max(len(row[head]) for row in [heads, *rows]) for head in shown}
    if width is None or _needed(widths) <= width:
        return [_line(row, widths) for row in [heads, *rows]]
    # The ids are longer than the terminal is wide, or nearly so: each has a line of its own.
    del widths["scan"]
    lines: list[Text] = []
    above = ""
    for row in rows:
        if row["scan"] != above:
            above = row["scan"]
            lines.append(Text(above))
        lines.append(Text(_GAP) + _line(row, widths))
    return lines


def _fitting(rows: Sequence[dict[str, str]], width: int | None) -> list[str]:
    """The columns that fit, and those that always stay."""
    widths = {head: max(len(row[head]) for row in rows) for head in _HEADS}
    for head in _GIVEN_UP:
        if width is None or _needed(widths) <= width:
            break
        del widths[head]
    return list(widths)


def _needed(widths: dict[str, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _line(row: dict[str, str], widths: dict[str, int]) -> Text:
    line = Text()
    for number, (head, columns) in enumerate(widths.items()):
        cell = f"{row[head]:<{columns}}"
        line.append(f"{_GAP if number else ''}")
        line.append(cell, _STYLES.get(row[head], "") if head == "status" else "")
    line.rstrip()
    return line


def _cells(stage: StageStatus) -> list[str]:
    return [
        stage.status,
        f"{stage.completed}/{stage.total_pages}",
        str(stage.remaining),
        str(stage.failed),
        dollars(stage.total_cost_usd),
        f"{stage.pages_per_second:.2f}/s" if stage.pages_per_second else "",
        f"{stage.eta_seconds:.0f} s" if stage.eta_seconds is not None else "",
        _moment(stage.started_at),
        _moment(stage.updated_at),
    ]


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment else ""
