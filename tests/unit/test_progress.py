"""Progress of a count: a bar on a terminal, lines at intervals elsewhere, nothing for a quick count."""

import io

import pytest
from rich.console import Console

from producer.terminal import progress
from producer.terminal.progress import counting_on


def counted(*, terminal: bool) -> str:
    out = io.StringIO()
    with counting_on(Console(file=out, force_terminal=terminal, width=80))("pages checked", 3) as step:
        for _ in range(3):
            step()
    return out.getvalue()


def test_a_quick_count_prints_nothing_in_a_pipe() -> None:
    assert counted(terminal=False) == ""


def test_a_slow_count_prints_lines_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_LINE_SECONDS", 0.0)
    assert counted(terminal=False).splitlines() == [f"pages checked: {done} of 3" for done in (1, 2, 3)]


def test_a_count_shows_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "_BAR_SECONDS", 0.0)
    shown = counted(terminal=True)
    assert "pages checked" in shown
    assert "3/3" in shown
