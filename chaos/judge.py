"""Turn the recorded history into the line that is printed."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos import verdict
from chaos.faults import Faults
from chaos.history import History, read_attempts
from chaos.mode import JOURNAL, Mode
from chaos.scans import Scan
from chaos.targets import Targets

LOGS = "logs"


@dataclass(frozen=True, slots=True)
class Order:
    """The options of the command line."""

    seed: int
    seconds: float
    workers: int


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run; `figures` is the line that is printed."""

    figures: dict[str, Any]
    violations: list[str]


@dataclass(frozen=True, slots=True)
class Rest:
    """How the system came to rest.

    Attributes:
        alone: seconds from the last fault, without help.
        checked: seconds from the check of damaged files.
        wrong: violations found while waiting.
    """

    alone: float
    checked: float
    wrong: list[str]


def judge(order: Order, targets: Targets, faults: Faults, mode: Mode, rest: Rest) -> Result:
    """Judge everything that was recorded.

    Args:
        order: the options of the run.
        targets: the system, at rest.
        faults: those that happened.
        mode: the mode of the run; its history folder gets the checkpoints if there are violations.
        rest: how the system came to rest.
    """
    scans, history_folder = targets.scans.all, mode.history_folder
    looks = [look for scan in scans for look in scan.looks]
    history = History(
        attempts=read_attempts(history_folder / JOURNAL),
        versions=[version for _, watcher in looks for version in watcher.versions],
        faults=faults.records,
        disappearances=[each for reader, _ in looks for each in reader.disappearances],
    )
    unsettled = [fault for scan in scans for fault in scan.faults_at_rest()]
    quarantined = sum(" is quarantined " in fault for fault in unsettled)
    again = verdict.processed_again(history)
    torn = [each for reader, _ in looks for each in reader.torn]
    regressed = [each for reader, _ in looks for each in reader.regressed] + verdict.regressions(history)
    audit = mode.audit(scans, history)
    overlapping = len(verdict.overlaps(history))
    violations = [
        *rest.wrong,
        *unsettled,
        *again,
        *torn,
        *regressed,
        *verdict.vanished(history),
        *verdict.unexplained_overlaps(history),
        *targets.producers.unexpected,
        *audit.violations,
        *verdict.died_of_errors((history_folder / LOGS).glob("worker-*.log")),
    ]
    figures = {
        "mode": mode.name,
        "seed": order.seed,
        "seconds": order.seconds,
        "workers": order.workers,
        "faults": sum(faults.by_kind().values()),
        "faults_by_kind": faults.by_kind(),
        "full_disk": "mounted" if targets.disk.is_small else "skipped: cannot mount a small file system here",
        "scans": len(scans),
        "pages": sum(scan.pages for scan in scans),
        "attempts": len(history.attempts),
        "pages_lost": len(unsettled) - quarantined,
        "pages_quarantined": quarantined,
        "pages_processed_again_although_valid": len(again),
        "overlapping_attempts": overlapping,
        "checkpoint_reads": sum(reader.reads for reader, _ in looks),
        "torn_reads": len(torn),
        "regressed_reads": len(regressed),
        "seconds_to_rest": rest.alone,
        "seconds_to_rest_after_check_of_damaged": rest.checked,
        "workers_slow_to_stop": targets.fleet.slow_stops,
        **audit.figures,
        "violations": violations,
    }
    if violations:
        _keep_checkpoints(scans, history_folder)
    return Result(figures, violations)


def _keep_checkpoints(scans: list[Scan], history_folder: Path) -> None:
    for scan in scans:
        for path in scan.checkpoint_path.parent.glob("*"):
            kept = history_folder / "checkpoints" / scan.scan_id
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, kept)
