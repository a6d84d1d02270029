"""The producer's command line in a process of its own, forked from one that has imported it already.

The import takes most of a second, and tests run hundreds of commands. What else a process is stays as it is: its
own environment, stdin, stdout, stderr and exit code. Tests of signals and of the start itself start
`python -m producer.cli`.
"""

import os
import runpy
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

from tests.support.waiting import Patience, Progress

SHIPPED = "producer.cli"
_LOOK_EVERY_SECONDS = 0.5
_FORKSERVER = get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["tests.support.command_line", SHIPPED])


def run_command(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    timeout: float,
    progress: Progress | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE ARGUMENTS` to its end.

    Args:
        module: has the command line's `main`, and runs it when it is run itself.
        arguments: of the command.
        environment: the whole of it.
        timeout: seconds without progress until it is killed, and the test fails.
        progress: what changes while the command goes on, beside what it prints.
    """
    with tempfile.TemporaryDirectory(prefix="leafmark-command-") as name:
        out, err = Path(name) / "out", Path(name) / "err"
        process = _FORKSERVER.Process(target=_be_command, args=(module, arguments, dict(environment), out, err))
        process.start()
        patience = Patience(timeout, lambda: (_sizes(out, err), progress and progress()))
        while process.exitcode is None and not patience.is_over():
            process.join(_LOOK_EVERY_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            said = err.read_text() if err.exists() else ""
            raise AssertionError(f"{module} {arguments} made no progress for {patience.seconds:g} s\n{said}")
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess([module, *arguments], code, out.read_text(), err.read_text())


def _sizes(*paths: Path) -> list[int]:
    return [path.stat().st_size if path.exists() else 0 for path in paths]


def _be_command(module: str, arguments: Sequence[str], environment: dict[str, str], out: Path, err: Path) -> None:
    """From here on this process is that command."""
    os.environ.clear()
    os.environ.update(environment)
    for path, number in ((out, 1), (err, 2)):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(fd, number)
        os.close(fd)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    warnings.simplefilter("default")
    sys.argv = [module, *arguments]
    if module == SHIPPED:
        from producer.cli import main  # noqa: PLC0415  # imported by the process that this one was forked from

        main()
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
