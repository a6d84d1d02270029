"""Letting system calls on storage fail in a process, once or for a while, and letting it try again."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checkpointing.errors import LeafmarkError
from tests.crash.scene import Scene
from tests.crash.syscalls import ON_STORAGE, SYNCS
from tests.crash.traced import Call, Report, Traced, traced
from tests.crash.trust import Trust

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT)
SHORT_WRITE = 0
SUCCESS: dict[str, Any] = {"raised": None, "leaked": []}


@dataclass(frozen=True, slots=True)
class Faults:
    """Which calls of an operation fail, and how.

    Attributes:
        error: the errno; or `SHORT_WRITE`.
        lasting: whether all calls on storage fail from the first to fail on, until the attempt is over.
        concerns: which calls may be the first.
    """

    error: int
    lasting: bool = False
    concerns: Callable[[Call], bool] = lambda _call: True

    def may_be_first(self, call: Call) -> bool:
        """Whether this call has its turn."""
        if self.error == SHORT_WRITE and (call.name != "write" or call.arguments[2] <= 1):
            return False
        return self.concerns(call)


@dataclass
class Attempt:
    """What an operation did while calls failed.

    Attributes:
        faults: which.
        failed: the calls that failed.
        trust: what it did with what it could not be sure of.
        outcome: what it said, see `SUCCESS`.
    """

    faults: Faults
    failed: list[Call] = field(default_factory=list)
    trust: Trust = field(default_factory=Trust)
    outcome: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        how = errno.errorcode[self.faults.error] if self.faults.error else "a short write"
        lasting = " and all on storage after it" if self.faults.lasting else ""
        return f"{how} at {', '.join(map(str, self.failed[:1]))}{lasting}"


def attempts_under_faults(scene: Scene, faults: Faults) -> Iterator[Attempt]:
    """Let the first call on storage fail, the second and so on, until a run has none left that could.

    At each `yield` the process stands between its first attempt and its second. When the generator goes on, the
    faults are gone, and it must succeed.
    """
    at = 0
    while True:
        scene.prepare()
        attempt = Attempt(faults)
        with traced(lambda report: _twice(scene, report)) as child:
            attempt.outcome = _first_attempt(child, attempt, at, str(scene.root))
            if not attempt.failed:
                return
            yield attempt
            scene.let_leases_run_out()
            again = _second_attempt(child, attempt.trust)
            assert again == SUCCESS, f"the second attempt: {again}"
            scene.remove_orphans()
            scene.check_end()
            assert faults.lasting or not attempt.trust.owed, f"never synced: {attempt.trust.owed}"
        at += 1


def _twice(scene: Scene, report: Report) -> None:
    operation = scene.make()
    for _ in range(2):
        report({"raised": _raised_by(operation), "leaked": _open_below(scene.root)})


def _raised_by(operation: Callable[[], object]) -> dict[str, Any] | None:
    try:
        operation()
    except (OSError, LeafmarkError) as error:
        return {"kind": type(error).__name__, "errno": getattr(error, "errno", None), "says": str(error)}
    return None


def _open_below(root: Path) -> list[str]:
    """What of ours is open on storage."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        # The descriptor that lists them is closed by now.
        with contextlib.suppress(OSError):
            found.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
    return [path for path in found if path.startswith(str(root))]


def _first_attempt(child: Traced, attempt: Attempt, at: int, root: str) -> Any:
    while call := child.next_call():
        failing = attempt.faults.lasting and bool(attempt.failed)
        if call.name in ON_STORAGE and call.path.startswith(root):
            if not attempt.failed and attempt.faults.may_be_first(call):
                failing = not at
                at -= 1
            if failing:
                _fail(child, attempt, call)
                continue
        child.finish_call()
        attempt.trust.see(call, child.result() or 0)
    # The report is only about to be written.
    child.finish_call()
    (outcome,) = child.reports()
    return outcome


def _fail(child: Traced, attempt: Attempt, call: Call) -> None:
    attempt.failed.append(call)
    if attempt.faults.error == SHORT_WRITE:
        child.shorten_write(call.arguments[2] // 2)
        return
    child.fail_call(attempt.faults.error)
    attempt.trust.see(call, -attempt.faults.error)


def _second_attempt(child: Traced, trust: Trust) -> Any:
    # To watch it takes time, and is needed only where it has to make up for something.
    while trust.owed and (call := child.next_call()):
        child.finish_call()
        if call.name in SYNCS:
            trust.see(call, child.result() or 0)
    child.let_go()
    (outcome,) = child.reports()
    return outcome
