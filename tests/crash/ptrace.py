"""ptrace(2) through ctypes: as much of it as a test needs that decides over each system call of a child.

Pure Python, because a fresh machine has no compiler and no strace. Linux on x86-64 and on 64-bit ARM.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass

TRACE_ME = 0
CONTINUE_TO_SYSCALL = 24
DETACH = 17
SET_OPTIONS = 0x4200
_GET_EVENT_MESSAGE = 0x4201
_GET_REGISTERS = 0x4204
_SET_REGISTERS = 0x4205
_GENERAL_REGISTERS = 1
_ARM_SYSTEM_CALL = 0x404

# System calls are told from signals; a thread or a process that the child starts is not missed; and the child dies
# with its tracer.
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x100000
NO_CALL = -1


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a processor's registers hold a system call, as places among the general registers.

    Attributes:
        words: how many registers there are.
        number: that of the call.
        arguments: in order.
        result: what the call returned, once it has.
    """

    words: int
    number: int
    arguments: tuple[int, ...]
    result: int


MACHINES = {
    "x86_64": Machine(27, number=15, arguments=(14, 13, 12, 7, 9, 8), result=10),
    "aarch64": Machine(34, number=8, arguments=(0, 1, 2, 3, 4, 5), result=0),
}
MACHINE_NAME = platform.machine() if sys.platform == "linux" else sys.platform


class _Buffer(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("length", ctypes.c_size_t))


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


def ptrace(request: int, pid: int = 0, address: int = 0, data: int = 0) -> None:
    """One call of ptrace(2).

    Raises:
        OSError: it is forbidden here, or the child is gone.
    """
    if _libc.ptrace(request, pid, address, data) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def event_message(pid: int) -> int:
    """The id of what a child has started, where it stopped for that."""
    message = ctypes.c_ulong()
    ptrace(_GET_EVENT_MESSAGE, pid, data=ctypes.addressof(message))
    return message.value


class Registers:
    """The registers of a child that stands at a system call."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._machine = MACHINES[MACHINE_NAME]
        self._words = (ctypes.c_uint64 * self._machine.words)()
        self._transfer(_GET_REGISTERS, _GENERAL_REGISTERS, self._words)

    @property
    def number(self) -> int:
        """That of the call."""
        return int(self._words[self._machine.number])

    @property
    def arguments(self) -> Sequence[int]:
        """Those of the call."""
        return [int(self._words[place]) for place in self._machine.arguments]

    @property
    def result(self) -> int:
        """What the call returned; a negative errno where it failed."""
        return ctypes.c_int64(self._words[self._machine.result]).value

    def set_argument(self, place: int, value: int) -> None:
        """Change an argument of the call that is about to begin."""
        self._words[self._machine.arguments[place]] = value
        self._store()

    def set_result(self, value: int) -> None:
        """Change what the call returns that has just ended."""
        self._words[self._machine.result] = value & 0xFFFF_FFFF_FFFF_FFFF
        self._store()

    def skip_call(self) -> None:
        """Let the kernel do nothing for the call that is about to begin."""
        if MACHINE_NAME == "aarch64":
            self._transfer(_SET_REGISTERS, _ARM_SYSTEM_CALL, ctypes.c_int(NO_CALL))
        else:
            self._words[self._machine.number] = NO_CALL & 0xFFFF_FFFF_FFFF_FFFF
            self._store()

    def _store(self) -> None:
        self._transfer(_SET_REGISTERS, _GENERAL_REGISTERS, self._words)

    def _transfer(self, request: int, which: int, content: "ctypes.Array[ctypes.c_uint64] | ctypes.c_int") -> None:
        buffer = _Buffer(ctypes.addressof(content), ctypes.sizeof(content))
        ptrace(request, self._pid, which, ctypes.addressof(buffer))
