"""How far a count has come: a bar on a terminal, a line now and then elsewhere, nothing for what is quick."""

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


def test_in_a_pipe_what_is_quick_leaves_no_trace() -> None:
    assert counted(terminal=False) == ""


def test_in_a_pipe_it_says_now_and_then_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_LINE_SECONDS", 0.0)
    assert counted(terminal=False).splitlines() == [f"pages checked: {done} of 3" for done in (1, 2, 3)]


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "_BAR_SECONDS", 0.0)
    shown = counted(terminal=True)
    assert "pages checked" in shown
    assert "3/3" in shown
