"""The verdict on a history: pure functions, which tests call with fabricated violations."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chaos.history import Attempt, FaultRecord, History, Page, Version

# Longest time between a worker's look for an output and the first line of the stage, on a busy machine.
LOOK_TO_BEGIN_SECONDS = 1.0
CLAIM_SECONDS = 9.0
_DAMAGE_SLACK_SECONDS = 0.3
# A reconciler that was killed has a negative exit code.
_RECONCILER_DEATH = re.compile(r"reconciler died.*exit_code=(-?\d+)")
# What may end a claim before its time, or keep its holder from renewing it.
_ENDS_CLAIMS = {
    "pause-worker",
    "kill-server",
    "empty-server",
    "pause-server",
    "flush",
    "drop-replies",
    "delay-replies",
    "black-hole",
    "refuse-connections",
    "full-disk",
}


def processed_again(history: History) -> list[str]:
    """Return attempts that began on a page whose valid output had been in place for longer than a look takes.

    A process that was paused after its look is excused.
    """
    of_page = _versions_by_page(history.versions)
    found = []
    for attempt in history.attempts:
        for version in of_page[attempt.page]:
            was_there = version.since + LOOK_TO_BEGIN_SECONDS < attempt.begin <= version.last_seen
            if version.valid and was_there and not _was_paused(attempt, version.since, history.faults):
                found.append(
                    f"{_named(attempt.page)} was processed again by {attempt.pid} at {attempt.begin:.3f}, "
                    f"its valid output was there since {version.since:.3f}"
                )
    return found


def overlaps(history: History) -> list[tuple[Attempt, Attempt]]:
    """Return pairs of attempts at one page at the same time, the earlier one first."""
    deaths = {pid: fault.time for fault in history.faults if fault.kind.startswith("kill-") for pid in fault.pids}
    of_page: dict[Page, list[Attempt]] = defaultdict(list)
    for attempt in sorted(history.attempts, key=lambda each: each.begin):
        of_page[attempt.page].append(attempt)
    return [
        (earlier, later)
        for attempts in of_page.values()
        for number, earlier in enumerate(attempts)
        for later in attempts[number + 1 :]
        if later.begin < _end(earlier, deaths)
    ]


def unexplained_overlaps(history: History) -> list[str]:
    """Return overlapping attempts without a fault that may have ended the claim of the earlier one."""
    return [
        f"{_named(later.page)} was begun by {later.pid} at {later.begin:.3f} while {earlier.pid} had it since "
        f"{earlier.begin:.3f}, and no fault took its claim"
        for earlier, later in overlaps(history)
        if not any(
            fault.kind in _ENDS_CLAIMS and fault.time < later.begin and fault.until > earlier.begin - CLAIM_SECONDS
            for fault in history.faults
        )
    ]


def regressions(history: History) -> list[str]:
    """Return pages that vanished from a checkpoint although their valid output was there all the time."""
    of_page = _versions_by_page(history.versions)
    return [
        f"{_named(lost.page)} was complete in the checkpoint at {lost.last_complete:.3f} and was not at "
        f"{lost.seen:.3f}, with its valid output in place all the time"
        for lost in history.disappearances
        if any(
            version.valid and version.since < lost.last_complete and version.last_seen >= lost.seen
            for version in of_page[lost.page]
        )
    ]


def vanished(history: History) -> list[str]:
    """Return valid outputs that vanished, or became invalid, although no fault had damaged them."""
    damages: dict[Page, list[FaultRecord]] = defaultdict(list)
    for fault in history.faults:
        for page in fault.pages:
            damages[page].append(fault)
    of_page = _versions_by_page(history.versions)
    return [
        f"the valid output of {_named(version.page)} was there at {version.last_seen:.3f} and gone by "
        f"{version.gone_by:.3f}, and no fault had damaged it"
        for version in history.versions
        if version.valid
        and version.gone_by is not None
        and not any(later.valid and later.since <= version.gone_by for later in _after(version, of_page))
        and not any(_between(fault, version.last_seen, version.gone_by) for fault in damages[version.page])
    ]


def unsettled(
    checkpoint: Mapping[str, Any],
    sound: Mapping[int, str],
    scan_id: str,
    pages: Iterable[int],
    *,
    ends: Collection[str] = ("completed",),
) -> list[str]:
    """Return what is wrong with a scan at rest.

    Args:
        checkpoint: the checkpoint on disk.
        sound: the sha256 of every valid output, by page.
        scan_id: id of the scan.
        pages: the pages that were asked for.
        ends: the statuses that are right if nothing is wrong with the pages.
    """
    records = checkpoint.get("pages", {})
    complete = set(checkpoint.get("completed_pages", ()))
    quarantined = {failed["page"]: failed for failed in checkpoint.get("failed_pages", ())}
    found = []
    for page in pages:
        name = _named((scan_id, page))
        if page in quarantined:
            failed = quarantined[page]
            found.append(
                f"{name} is quarantined ({failed['kind']}: {failed['message']}), although only faults hit it"
            )
        elif page not in complete:
            found.append(f"{name} is lost: neither complete nor quarantined")
        elif page not in sound:
            found.append(f"{name} is lost: complete without a valid output")
        elif records.get(str(page), {}).get("sha256") != sound[page]:
            found.append(f"{name} is lost: its output is not the one that the checkpoint records")
    if not found and checkpoint.get("status") not in ends:
        found.append(f"{scan_id}: every page is as it should be, but its status is {checkpoint.get('status')}")
    return found


def died_of_errors(logs: Iterable[Path]) -> list[str]:
    """Return threads and reconcilers of workers that ended with an error while the worker ran on."""
    return [
        f"{path.name}: {line} {error}".rstrip()
        for path in sorted(logs)
        for line, error in _deaths(path.read_text(errors="replace").splitlines())
    ]


def _deaths(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the first line of each traceback with its last line, the first one that is not indented."""
    for number, line in enumerate(lines):
        if line.startswith("Exception in thread"):
            report = (each for each in lines[number + 2 :] if not each.startswith(" "))
            yield line, next(report, "")
        elif (death := _RECONCILER_DEATH.search(line)) and int(death[1]) > 0:
            yield line, ""


def _versions_by_page(versions: Iterable[Version]) -> dict[Page, list[Version]]:
    of_page: dict[Page, list[Version]] = defaultdict(list)
    for version in versions:
        of_page[version.page].append(version)
    return of_page


def _after(version: Version, of_page: Mapping[Page, list[Version]]) -> Iterable[Version]:
    return (other for other in of_page[version.page] if other is not version and other.since >= version.since)


def _was_paused(attempt: Attempt, since: float, faults: Iterable[FaultRecord]) -> bool:
    return any(
        fault.kind == "pause-worker"
        and attempt.pid in fault.pids
        and fault.time <= attempt.begin
        and fault.until >= since
        for fault in faults
    )


def _end(attempt: Attempt, deaths: Mapping[int, float]) -> float:
    """Return when an attempt was over. Without an end or a recorded death it counts as short."""
    if attempt.end is not None:
        return attempt.end
    return max(attempt.begin, deaths.get(attempt.pid, attempt.begin))


def _between(fault: FaultRecord, start: float, end: float) -> bool:
    return start - _DAMAGE_SLACK_SECONDS <= fault.until and fault.time <= end + _DAMAGE_SLACK_SECONDS


def _named(page: Page) -> str:
    return f"{page[0]} page {page[1]}"
