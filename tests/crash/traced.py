"""A run in a forked child whose every system call waits for the test to decide: go on, fail, or die there."""

import contextlib
import gc
import json
import os
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.crash import ptrace
from tests.crash.ptrace import MACHINE_NAME, MACHINES, Registers
from tests.crash.syscalls import ON_STORAGE, name_of, place_of_path

Report = Callable[[Any], None]
_WAIT_FOR_ANY_KIND = 0x4000_0000
_SYSCALL_STOP = signal.SIGTRAP | 0x80
_MAX_SECONDS = 300
_LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that is about to begin.

    Attributes:
        name: its name, or its number.
        arguments: as they stand in the registers.
        path: the file it works on, by path or descriptor; empty for a call that has none.
    """

    name: str
    arguments: tuple[int, ...]
    path: str = ""

    def __str__(self) -> str:
        return f"{self.name}({self.path or ', '.join(map(str, self.arguments[:3]))})"


class Traced:
    """The child of a test. It stands before its first system call when it is made.

    Everything about it must be asked from the thread that made it.

    Args:
        run: what the child does. What it hands to the function it is given can be read with `reports`; the first
            report ends what counts as the run.
    """

    def __init__(self, run: Callable[[Report], object]) -> None:
        self._inlet, self._outlet = os.pipe()
        with warnings.catch_warnings():
            # From Python 3.12 on: pytest's own threads wait, and the child needs none of their locks.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = _fork()
        if not self.pid:
            _be_traced(run, self._outlet)
        self._ended = False
        self._signal = 0
        self._registers: Registers | None = None
        os.close(self._outlet)
        self._wait()
        if not self._ended:
            ptrace.ptrace(ptrace.SET_OPTIONS, self.pid, data=ptrace.OPTIONS)

    def next_call(self) -> Call | None:
        """Go on to the next system call; None when it is the report that ends the run, or the child's end."""
        if not self._ended:
            self._go_on()
        if self._ended:
            return None
        self._registers = Registers(self.pid)
        name, arguments = name_of(self._registers.number), tuple(self._registers.arguments)
        if name == "write" and arguments[0] == self._outlet:
            return None
        return Call(name, arguments, self._path(name, arguments))

    def finish_call(self) -> None:
        """Let the call be done."""
        self._go_on()

    def result(self) -> int | None:
        """What the call just done returned, a negative errno where it failed; None where the child ended."""
        return None if self._ended else Registers(self.pid).result

    def fail_call(self, error: int) -> None:
        """Let the call fail without being done."""
        assert self._registers is not None
        self._registers.skip_call()
        self.finish_call()
        Registers(self.pid).set_result(-error)

    def shorten_write(self, length: int) -> None:
        """Let the call, a write, write only so many bytes."""
        assert self._registers is not None
        self._registers.set_argument(2, length)
        self.finish_call()

    def kill(self) -> None:
        """Let it die here; returns when it is gone with all it held."""
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
        while not self._ended:
            self._wait()

    def let_go(self) -> None:
        """Let it run on by itself, to its end."""
        if not self._ended:
            ptrace.ptrace(ptrace.DETACH, self.pid)
        while not self._ended:
            self._wait()

    def reports(self) -> list[Any]:
        """What it has reported so far and was not asked for yet."""
        os.set_blocking(self._inlet, False)
        raw = b""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._inlet, 65536):
                raw += part
        found = [json.loads(line) for line in raw.splitlines()]
        for each in found:
            assert not isinstance(each, dict) or "broken" not in each, f"the child's own fault:\n{each['broken']}"
        return found

    def close(self) -> None:
        """End it, and forget it."""
        self.kill()
        os.close(self._inlet)

    def _go_on(self) -> None:
        ptrace.ptrace(ptrace.CONTINUE_TO_SYSCALL, self.pid, data=self._signal)
        self._wait()
        while not self._ended and self._signal:
            ptrace.ptrace(ptrace.CONTINUE_TO_SYSCALL, self.pid, data=self._signal)
            self._wait()

    def _wait(self) -> None:
        """Until it stops or ends; a signal that it stopped for is handed on when it goes on."""
        _, status = os.waitpid(self.pid, _WAIT_FOR_ANY_KIND)
        self._ended = not os.WIFSTOPPED(status)
        stop = 0 if self._ended else os.WSTOPSIG(status)
        if status >> 16:
            self._refuse_company()
        too_long = self._ended and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
        assert not too_long, f"the run took more than {_MAX_SECONDS} s"
        self._signal = 0 if stop in {0, signal.SIGSTOP, _SYSCALL_STOP} else stop

    def _refuse_company(self) -> NoReturn:
        """End the thread or process that the child has just started."""
        other = ptrace.event_message(self.pid)
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, _WAIT_FOR_ANY_KIND)
        raise AssertionError("the run started a thread or a process: its calls are not all seen")

    def _path(self, name: str, arguments: tuple[int, ...]) -> str:
        if name not in ON_STORAGE:
            return ""
        place = place_of_path(name)
        by_path = self._text(arguments[place]) if place is not None else ""
        # An empty path beside a descriptor, as fstat is spelled nowadays, means the descriptor.
        return by_path or self.path_of_descriptor(arguments[0])

    def path_of_descriptor(self, fd: int) -> str:
        """What a descriptor of the child's is open on; empty where it is not open."""
        try:
            return str(Path(f"/proc/{self.pid}/fd/{fd}").readlink())
        except OSError:
            return ""

    def _text(self, address: int) -> str:
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123  # it is no ordinary file
            raw = b""
            while address and b"\0" not in raw and len(raw) < _LONGEST_PATH:
                # Up to the end of the memory page: the next one may not be there.
                memory.seek(address + len(raw))
                raw += memory.read(4096 - (address + len(raw)) % 4096)
        return os.fsdecode(raw.partition(b"\0")[0])


@contextlib.contextmanager
def traced(run: Callable[[Report], object]) -> Iterator[Traced]:
    """A traced child for the length of a `with` block."""
    child = Traced(run)
    try:
        yield child
    finally:
        child.close()


def need_ptrace() -> None:
    """Skip the test where calls cannot be traced."""
    if MACHINE_NAME not in MACHINES:
        pytest.skip(f"crash points need Linux on {' or '.join(MACHINES)}, and this is {MACHINE_NAME}")
    try:
        with traced(lambda report: report("here")) as child:
            while child.next_call():
                child.finish_call()
            child.let_go()
            seen = child.reports()
    except OSError as error:
        pytest.skip(f"crash points need ptrace, which is refused here: {error}")
    if seen != ["here"]:
        pytest.skip("crash points need ptrace, which does not work here")


def _ask_to_be_traced() -> None:
    try:
        ptrace.ptrace(ptrace.TRACE_ME)
    except OSError:
        # The parent finds us gone.
        os._exit(1)
    # To this thread and no other. One that something has started at the fork might take it, and stop the process
    # without its tracer being told.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _fork() -> int:
    """Fork, with no garbage collected in the child: the calls of one run are those of the next."""
    gc.disable()
    pid = os.fork()
    if pid:
        gc.enable()
    return pid


def _be_traced(run: Callable[[Report], object], outlet: int) -> NoReturn:
    """What the child does from its fork to its end."""

    def report(what: Any) -> None:
        os.write(outlet, json.dumps(what).encode() + b"\n")

    try:
        signal.alarm(_MAX_SECONDS)
        _ask_to_be_traced()
        run(report)
    except BaseException:  # noqa: BLE001  # whatever it is, the test must hear of it
        report({"broken": traceback.format_exc()})
    finally:
        os._exit(0)
