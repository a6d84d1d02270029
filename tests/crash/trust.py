"""What a process may rely on: nothing that could not be synced, and no name whose folder was not."""

import os
from dataclasses import dataclass, field

from tests.crash.syscalls import MAKES_FOLDERS, REMOVALS, RENAMES, SYNCS, WRITES
from tests.crash.traced import Call


@dataclass
class Trust:
    """Follows the calls of a process.

    Attributes:
        owed: folders with names that are not on disk for certain: a power cut could undo them.
        wrongs: what was done that must not be, in words.
    """

    owed: set[str] = field(default_factory=set)
    wrongs: list[str] = field(default_factory=list)
    _unsynced: set[str] = field(default_factory=set)
    _distrusted: dict[int, str] = field(default_factory=dict)

    def see(self, call: Call, result: int) -> None:
        """Take note of a call and what it returned."""
        if not call.path:
            return
        self._insist(call)
        fd = call.arguments[0]
        if call.name == "close":
            self._distrusted.pop(fd, None)
        elif call.name in SYNCS and result < 0:
            self._distrusted[fd] = call.path
        elif result < 0:
            return
        elif call.name in WRITES:
            self._unsynced.add(call.path)
        elif call.name in SYNCS:
            self._unsynced.discard(call.path)
            self.owed.discard(call.path)
        elif call.name in RENAMES | MAKES_FOLDERS and not _is_for_logs(call):
            self.owed.add(os.path.dirname(call.path))  # noqa: PTH120  # as it stands in the call
        elif call.name in REMOVALS:
            self.owed.discard(os.path.dirname(call.path))  # noqa: PTH120  # as it stands in the call

    def _insist(self, call: Call) -> None:
        """What was not synced is put in place nowhere; after a failed fsync a descriptor is only closed."""
        if call.name != "close" and self._distrusted.get(call.arguments[0]) == call.path:
            self.wrongs.append(f"{call} on a descriptor whose fsync had failed")
        if call.name in RENAMES and call.path in self._unsynced:
            self.wrongs.append(f"{call} of a file that is not on disk for certain")


def _is_for_logs(call: Call) -> bool:
    """Nothing relies on a log: a power cut may undo its last lines, and its folder."""
    return call.path.endswith("/logs")
