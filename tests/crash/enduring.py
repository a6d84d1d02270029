"""What must hold of an operation under every fault of storage, and which faults there are to tell apart."""

import re

from tests.crash.faults import Attempt, Faults, attempts_under_faults
from tests.crash.scene import Scene
from tests.crash.syscalls import OPENS, READS, SYNCS
from tests.crash.traced import Call

_OUTPUT = re.compile(r"/page_\d+\.json")


def reads_an_output(call: Call) -> bool:
    return call.name in READS | OPENS and bool(_OUTPUT.search(call.path)) and ".tmp" not in call.path


def syncs_what_was_renamed(call: Call) -> bool:
    """Whether it makes a rename durable that is not repeated by another attempt."""
    return call.name in SYNCS | OPENS and call.path.endswith(("/checkpoints", "/stamps", "/set_aside"))


def endure(scene: Scene, *all_faults: Faults) -> int:
    """Let each call fail in turn, and check what becomes of it.

    Returns:
        How many could.
    """
    scene.prepare()
    # Imports what is imported late, so that the processes need not.
    scene.make()()
    points = 0
    for faults in all_faults:
        attempt = None
        try:
            for attempt in attempts_under_faults(scene, faults):
                points += 1
                check_first_attempt(scene, attempt)
        except BaseException as error:
            error.add_note(f"under {attempt}")
            raise
    assert points
    return points


def check_first_attempt(scene: Scene, attempt: Attempt) -> None:
    assert attempt.trust.wrongs == []
    assert attempt.outcome["leaked"] == []
    took_effect = scene.check_invariants()
    raised = attempt.outcome["raised"]
    if raised is None:
        assert took_effect, "it did not do it, and did not say so"
    else:
        assert raised["errno"] == attempt.faults.error or raised["kind"] == "StorageError", raised
        assert raised["says"]
    assert attempt.faults.lasting or scene.temp_files() == []
