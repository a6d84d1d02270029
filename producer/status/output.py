"""The lines that `producer status` prints. No column cuts a scan id, because the user has to type it."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from rich.text import Text

from checkpointing.errors import in_one_line
from checkpointing.money import dollars
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from producer.status.call_costs import CallCosts, overrun_line, unanswered_line
from producer.status.doubtful_pages import doubt_lines
from producer.status.scan_status import ScanStatus, StageStatus
from producer.terminal.progress import clock

_HEADS = ("scan", "stage", "status", "complete", "remaining", "failed", "cost", "rate", "ETA", "started", "updated")
# Columns that a narrow terminal leaves out, in this order; scan, stage and status always stay.
_OPTIONAL = ("started", "updated", "remaining", "rate", "ETA", "cost", "failed", "complete")
_GAP = "  "
_STYLES = {"completed": "green", "failed": "red", "unreadable": "red", "in_progress": "yellow"}


def status_lines(scans: Sequence[ScanStatus], width: int | None) -> list[Text]:
    """Return a line of heads and one line for each stage, in the columns of a terminal; a pipe has no width."""
    rows = [
        dict(zip(_HEADS, (scan.metadata.scan_id, name, *_cells(stage)), strict=True))
        for scan in scans
        for name, stage in scan.stages.items()
    ]
    heads = {head: head for head in _HEADS}
    widths = _fitting([heads, *rows], width)
    if width is None or ("complete" in widths and _needed(widths) <= width):
        return [_line(row, widths) for row in [heads, *rows]]
    # No room for the complete pages beside the scan ids: each id gets a line of its own.
    widths = _fitting([{head: row[head] for head in _HEADS[1:]} for row in [heads, *rows]], width - len(_GAP))
    lines = [Text(_GAP) + _line(heads, widths)]
    for scan_id, stages in groupby(rows, key=lambda row: row["scan"]):
        lines.append(Text(scan_id))
        lines += [Text(_GAP) + _line(row, widths) for row in stages]
    return lines


def detail_lines(scans: Sequence[ScanStatus]) -> list[str]:
    """Return one line each for errors, costs that need attention, quarantined pages and doubtful pages."""
    lines = []
    for scan in scans:
        for name, stage in scan.stages.items():
            lines += _details(StageRef(scan.metadata.scan_id, name), stage)
    return lines


def _details(ref: StageRef, stage: StageStatus) -> list[str]:
    lines = []
    if stage.error:
        lines.append(f"{ref}: {in_one_line(stage.error)}")
    if stage.waits:
        lines.append(f"{ref} waits: {in_one_line(stage.waits)}")
    if stage.dearer_calls:
        lines.append(overrun_line(ref, CallCosts(stage.dearer_calls, stage.dearer_usd)))
    if stage.unanswered_calls:
        lines.append(unanswered_line(ref, CallCosts(stage.unanswered_calls, stage.unanswered_usd or 0.0)))
    for failed in stage.failed_pages:
        how = f"{failed['kind']}, {counted(failed['attempts'], 'attempt')}"
        lines.append(f"  page {failed['page']}: {failed['message']} ({how})")
    return [*lines, *(f"{ref}: {line}" for line in doubt_lines(stage.doubtful_pages))]


def _fitting(rows: Sequence[dict[str, str]], width: int | None) -> dict[str, int]:
    """Return the widths of the columns that fit, and of those that always stay."""
    widths = {head: max(len(row[head]) for row in rows) for head in rows[0]}
    for head in _OPTIONAL:
        if width is None or _needed(widths) <= width:
            break
        del widths[head]
    return widths


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
        clock(stage.eta_seconds) if stage.eta_seconds is not None else "",
        _moment(stage.started_at),
        _moment(stage.updated_at),
    ]


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment else ""
