"""The tracer itself: what it says happened is what happened."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.traced import Call, Report, Traced, traced


def run_to(child: Traced, name: str) -> Call:
    while call := child.next_call():
        if call.name.startswith(name):
            return call
        child.finish_call()
    raise AssertionError(f"there was no {name}")


def makes(folder: Path) -> Callable[[Report], object]:
    def run(report: Report) -> None:
        try:
            folder.mkdir()
        except OSError as error:
            report(error.errno)
        else:
            report("made")

    return run


def test_a_death_at_the_entry_of_a_call_leaves_the_call_undone(tmp_path: Path) -> None:
    with traced(makes(tmp_path / "new")) as child:
        assert run_to(child, "mkdir").path == str(tmp_path / "new")
        child.kill()
    assert not (tmp_path / "new").exists()


def test_a_death_after_a_call_leaves_it_done(tmp_path: Path) -> None:
    with traced(makes(tmp_path / "new")) as child:
        run_to(child, "mkdir")
        child.finish_call()
        assert child.result() == 0
        child.kill()
        assert child.reports() == []
    assert (tmp_path / "new").exists()


def test_a_call_that_is_made_to_fail_is_not_done_and_says_so(tmp_path: Path) -> None:
    with traced(makes(tmp_path / "new")) as child:
        run_to(child, "mkdir")
        child.fail_call(errno.EDQUOT)
        child.let_go()
        assert child.reports() == [errno.EDQUOT]
    assert not (tmp_path / "new").exists()


def test_a_write_that_is_cut_short_says_how_much_it_wrote(tmp_path: Path) -> None:
    def run(report: Report) -> None:
        fd = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT, 0o644)
        report(os.write(fd, b"0123456789"))

    with traced(run) as child:
        assert run_to(child, "write").path == str(tmp_path / "file")
        child.shorten_write(3)
        child.let_go()
        assert child.reports() == [3]
    assert (tmp_path / "file").read_bytes() == b"012"


def test_the_report_ends_the_run_and_is_not_counted() -> None:
    with traced(lambda report: report("over")) as child:
        while child.next_call():
            child.finish_call()
        child.finish_call()
        assert child.reports() == ["over"]


def test_an_error_of_the_run_itself_is_not_taken_for_an_end() -> None:
    def run(_: Report) -> None:
        raise ValueError("a mistake in the test")

    with traced(run) as child:
        child.let_go()
        with pytest.raises(AssertionError, match="a mistake in the test"):
            child.reports()


def test_a_run_that_starts_a_process_is_refused() -> None:
    def run(_: Report) -> None:
        if not os.fork():
            os._exit(0)

    with traced(run) as child, pytest.raises(AssertionError, match="started a thread or a process"):
        run_to(child, "no such call")
