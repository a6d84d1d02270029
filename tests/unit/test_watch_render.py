"""The view as lines: it fits every terminal, and text from outside has no effect on the terminal."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from checkpointing.refs import StageRef
from producer.watch.output import ASCII, UNICODE, Symbols
from producer.watch.render import render
from producer.watch.snapshot import Snapshot, Task, Worker, Workers, scaled
from tests.support.stage_snapshots import stage_snapshot, states

NOW = 1_000_000.0
HINT = "Ctrl-C closes this view; the workers keep running."
WORKERS = Workers(
    (
        Worker(
            "ocr@here", (Task(StageRef("a-book", "ocr"), 3, NOW - 5), Task(StageRef("a-book", "ocr"), 9, NOW - 125))
        ),
        Worker("idle@here"),
    ),
    alive=3,
    slots=4,
    asked=True,
)
HOSTILE = "[red]no[/red] \x1b[31m\x1b]0;title\x07 \u202ereversed \r\n next\x00"


def snapshot(*drawn: str, **changes: Any) -> Snapshot:
    names = ("ocr", "correction", "fix", "structure")
    stages = tuple(stage_snapshot(each, stage=name) for each, name in zip(drawn, names, strict=False))
    return replace(Snapshot(stages, workers=WORKERS, at=NOW), **changes)


def printed(shown: Snapshot, width: int = 100, height: int = 30, symbols: Symbols = ASCII, **console: Any) -> str:
    """What a console of that size prints."""
    target = Console(file=io.StringIO(), width=width, height=height, **console)
    target.print(render(shown, width, height, symbols, HINT))
    text: str = target.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO from above
    return text


def test_the_view_shows_pages_rate_cost_and_pages_in_flight() -> None:
    stage = stage_snapshot("##>.X-", expected_usd=1.25, cost_usd=0.5)
    text = printed(Snapshot((stage,), workers=WORKERS, at=NOW))
    assert "a-book  A Book  6 pages" in text
    assert "2/6 pages  0.50 pages/s  ETA 0:04  $0.50 of about $1.25" in text
    assert "1 in flight: 3; 1 waiting" in text
    assert "1 quarantined, most recently page 5: torn in two (torn)" in text
    assert "1 ##>.X-" in text
    assert "# complete  > in flight  . waiting  X quarantined  - not queued" in text
    assert "Workers  3 alive, up to 4 pages at once, 1 not answering right now" in text
    assert "ocr@here  a-book/ocr: page 9 for 2:05, page 3 for 5 s" in text
    assert "idle@here  idle" in text
    assert HINT in text


@pytest.mark.parametrize("symbols", [ASCII, UNICODE])
@pytest.mark.parametrize("size", [(60, 15), (60, 5), (100, 24), (200, 60), (12, 4), (1, 1)])
def test_the_view_fits_every_terminal(size: tuple[int, int], symbols: Symbols) -> None:
    width, height = size
    long = "#" * 300 + ">.X" * 50 + "." * 50_000
    shown = snapshot(
        long, long, "." * 12, "-" * 12, other_scans="7 other scans: 7 completed", storage_problem="x" * 300
    )
    lines = printed(shown, width, height, symbols).splitlines()
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width


def test_at_60_by_15_nothing_important_is_missing() -> None:
    text = printed(snapshot("#" * 150 + ">>" + "." * 290 + "X" + "-" * 4), 60, 15)
    assert "150/447 pages  0.50 pages/s  ETA 9:44" in text
    assert "=" in text
    assert "2 in flight: 151-152; 290 waiting; $0.00" in text
    assert "1 quarantined, most recently page 5" in text
    assert "# complete > in flight . waiting X quarantined - not queued" in text
    assert "ocr@here" in text
    assert HINT in text


def test_stages_without_room_are_counted() -> None:
    shown = snapshot("..", "..", "..", "..")
    text = printed(shown, 60, 5)
    assert "and 2 more stages; a taller terminal shows more" in text
    assert "Workers" in text


@pytest.mark.parametrize("symbols", [ASCII, UNICODE])
def test_markup_and_control_characters_from_outside_have_no_effect(symbols: Symbols) -> None:
    stage = stage_snapshot(title=HOSTILE, last_failure=HOSTILE, error=HOSTILE, status="paused", under_way=False)
    workers = Workers((Worker(HOSTILE, (Task(StageRef("a-book", "ocr"), 3),)),), alive=1, asked=True)
    shown = Snapshot((stage,), workers=workers, storage_problem=HOSTILE, other_scans=HOSTILE)
    for trouble in ("", HOSTILE):
        text = printed(replace(shown, redis_problem=trouble), 200, 40, symbols)
        assert all(character.isprintable() or character == "\n" for character in text)
        assert "[red]no[/red] [31m" in text


def test_colour_is_not_the_only_difference() -> None:
    shown = snapshot("#" * 9 + ">.X-")
    bare = printed(shown, force_terminal=True, no_color=True, color_system=None)
    coloured = printed(shown, force_terminal=True, color_system="standard")
    assert "\x1b[32m" in coloured
    assert "\x1b" not in bare
    assert "#########>.X-" in bare
    characters = list(ASCII.pages.values()), list(UNICODE.pages.values())
    assert all(len(set(each)) == 5 for each in characters)


def test_a_bar_is_readable_without_colour() -> None:
    assert "=" * 20 + "-" * 20 in printed(snapshot("##.."), 120)
    assert "=-" in printed(snapshot("#" + "." * 9_999), 120)
    assert "-" * 40 in printed(snapshot("...."), 120)


def test_a_cell_shows_the_most_urgent_state_of_its_pages() -> None:
    assert scaled(states("####.#>.#X-#"), 6) == (states("##.>X-"), 2)
    assert scaled(states("##"), 6) == (states("##"), 1)
    assert scaled(b"", 6) == (b"", 1)
    one_hole = "#" * 50_000 + "." + "#" * 49_999
    text = printed(snapshot(one_hole), 80, 20)
    assert "179 pages per cell" in text
    grid = [line.split()[1] for line in text.splitlines() if set(line.split()[-1]) <= {"#", "."}]
    assert sum(row.count(".") for row in grid) == 1
    assert len(grid) == 8


def test_without_redis_one_line_names_the_problem_and_the_pages_stay() -> None:
    text = printed(snapshot("##.X", redis_problem="Connection refused."))
    assert "Redis does not answer (Connection refused.); pages in flight and workers are unknown" in text
    assert "2/4 pages" in text
    assert "ocr@here" not in text


def test_without_workers_the_view_shows_how_to_start_one() -> None:
    assert "No worker answers. Start one: producer worker" in printed(snapshot("..", workers=Workers(asked=True)))
    assert "No worker" not in printed(snapshot("..", workers=Workers()))


def test_a_stage_that_has_ended_shows_its_status() -> None:
    done = stage_snapshot("####", status="completed", under_way=False)
    paused = stage_snapshot(
        "##..", stage="fix", status="paused", under_way=False, error="the budget of $1.00 is reached"
    )
    text = printed(Snapshot((done, paused), workers=WORKERS, at=NOW))
    assert "4/4 pages  completed  $0.00" in text
    assert "paused: the budget of $1.00 is reached" in text
    assert "pages/s" not in text


def test_an_empty_view_says_that_nothing_is_under_way() -> None:
    assert "Nothing is under way." in printed(Snapshot())
    assert "3 other scans" in printed(Snapshot(other_scans="3 other scans: 3 completed"))
