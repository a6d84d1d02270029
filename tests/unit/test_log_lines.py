"""Log lines: parsing, selection, and safe output."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpointing.errors import CommandLineError
from producer.logs.log_lines import (
    LineFilter,
    LogLine,
    as_json_line,
    as_line,
    parse_level,
    parse_line,
    parse_run,
    parse_since,
)

RUN = "0af7651916cd43dd8448eb211c80319c"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "timestamp": "2026-11-24T12:00:00.123456Z",
    "level": "info",
    "scan_id": "a-book",
    "stage": "ocr",
    "page": 7,
    "message": "page complete",
    "run": RUN,
    "seconds": 1.5,
}
FOREIGN = [
    b"",
    b"7",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"{not json",
    b"\xff\xfe garbage",
    b"[" * 100_000,
    b'{"timestamp": "2026-11-24T12:00:00Z"}',
    b'{"message": "no time"}',
    b'{"timestamp": "noon", "message": "x"}',
    b'{"timestamp": 7, "message": "x"}',
    b'{"timestamp": "2026-11-24T12:00:00Z", "message": 7}',
    b'{"timestamp": "2026-11-24T12:00:00Z", "message": "x", "level": []}',
    json.dumps(GOOD).encode()[:-5],
    json.dumps(GOOD).encode("utf-16-le"),
    b'{"timestamp": "2026-11-24T12:00:00Z", "message": "x", "page": ' + b"9" * 10_000 + b"}",
]


def line(**changes: Any) -> LogLine:
    parsed = parse_line(json.dumps(GOOD | changes).encode())
    assert parsed is not None
    return parsed


def test_a_line_is_parsed_into_its_fields() -> None:
    parsed = line()
    assert parsed.timestamp == NOON + timedelta(microseconds=123_456)
    assert (parsed.level, parsed.stage, parsed.page, parsed.message) == ("info", "ocr", 7, "page complete")
    assert parsed.parts == {"run": RUN, "seconds": 1.5}


@pytest.mark.parametrize("raw", FOREIGN, ids=lambda raw: repr(raw[:40]))
def test_a_foreign_line_is_not_parsed(raw: bytes) -> None:
    assert parse_line(raw) is None


def test_a_line_is_shown_with_local_time_and_its_fields() -> None:
    shown = as_line(line(error="bad luck", pages=[1, 2], empty=""))
    local = NOON.astimezone()
    assert shown == (
        f"{local:%Y-%m-%d %H:%M:%S}.123  info     ocr  page 7  page complete  "
        'run=0af76519 seconds=1.5 error="bad luck" pages=[1, 2] empty=""'
    )


def test_a_line_without_a_page_shows_none() -> None:
    form = {name: value for name, value in GOOD.items() if name not in {"page", "run", "seconds"}}
    parsed = parse_line(json.dumps(form).encode())
    assert parsed is not None
    assert as_line(parsed).endswith("  info     ocr  page complete")


HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "first\nsecond\r\tthird",
    "\x9b31m",
    "\u202etxt.exe",
    "\ud800",
    "[bold red]no markup[/]",
    "\x7f",
    "\u2028",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_control_characters_of_a_line_are_escaped(text: str) -> None:
    for changes in ({"message": text}, {"level": text}, {"stage": text}, {text: "x"}, {"x": text}, {"x": [text]}):
        shown = as_line(line(**changes))
        assert shown.isprintable()
    assert "[bold red]no markup[/]" in as_line(line(message="[bold red]no markup[/]"))
    assert "\\x1b" in as_line(line(message="\x1b"))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_json_of_a_line_is_equal_and_ascii(text: str) -> None:
    text = text.encode(errors="replace").decode()
    raw = json.dumps(GOOD | {"message": text}, ensure_ascii=False).encode()
    parsed = parse_line(b"\t" + raw)
    assert parsed is not None
    shown = as_json_line(parsed)
    assert shown.isascii()
    assert shown.isprintable()
    assert json.loads(shown) == GOOD | {"message": text}


def test_json_of_an_ascii_line_is_unchanged() -> None:
    raw = json.dumps(GOOD).encode()
    assert as_json_line(line()).encode() == raw


values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)


@given(parts=st.dictionaries(st.text(), values, max_size=6), raw=st.binary(max_size=60))
def test_any_line_is_shown_or_skipped(parts: dict[str, Any], raw: bytes) -> None:
    for each in (raw, json.dumps(GOOD | parts).encode(), json.dumps(parts | GOOD).encode()):
        parsed = parse_line(each)
        if parsed is not None:
            assert as_line(parsed).isprintable()
            assert parse_line(as_json_line(parsed).encode()) == parsed


@pytest.mark.parametrize("year", [b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-12:00", b"0001-01-01"])
def test_extreme_dates_do_not_raise(year: bytes) -> None:
    parsed = parse_line(b'{"timestamp": "' + year + b'", "message": "x"}')
    if parsed is not None:
        assert as_line(parsed)
        assert (parsed < line()) != (parsed > line())


@pytest.mark.parametrize(
    ("wanted", "is_wanted"),
    [
        (LineFilter(), True),
        (LineFilter(stage="ocr"), True),
        (LineFilter(stage="fix"), False),
        (LineFilter(pages=frozenset({7, 9})), True),
        (LineFilter(pages=frozenset({8})), False),
        (LineFilter(run="0af7"), True),
        (LineFilter(run=RUN), True),
        (LineFilter(run="af76"), False),
        (LineFilter(level="info"), True),
        (LineFilter(level="warning"), False),
        (LineFilter(since=NOON), True),
        (LineFilter(since=NOON + timedelta(seconds=1)), False),
    ],
)
def test_a_filter_selects_lines(wanted: LineFilter, is_wanted: bool) -> None:
    assert (line() in wanted) == is_wanted


def test_a_line_about_several_runs_belongs_to_each() -> None:
    commit = line(run=None, runs=["ffff" * 8, RUN, 7])
    assert commit in LineFilter(run="ffff")
    assert commit in LineFilter(run=RUN)
    assert commit not in LineFilter(run="abcd")
    assert line(run=7, runs="x") not in LineFilter(run="abcd")


def test_a_line_of_an_unknown_level_is_shown() -> None:
    assert line(level="strange") in LineFilter(level="error")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30s", NOON - timedelta(seconds=30)),
        ("10m", NOON - timedelta(minutes=10)),
        ("2h", NOON - timedelta(hours=2)),
        ("1d", NOON - timedelta(days=1)),
        ("2026-11-24T11:00:00Z", NOON - timedelta(hours=1)),
        ("2026-11-24T11:00:00", datetime(2026, 11, 24, 11).astimezone()),  # local time is meant
    ],
)
def test_since_accepts_durations_and_dates(text: str, moment: datetime) -> None:
    assert parse_since(text, NOON) == moment


@pytest.mark.parametrize("text", ["", "soon", "10", "10 m", "-5m", "999999999d", "2026-13-01", "\x1b[2J"])
def test_since_rejects_other_texts(text: str) -> None:
    with pytest.raises(CommandLineError, match="use a duration like") as caught:
        parse_since(text, NOON)
    assert str(caught.value).isprintable()


def test_levels_and_runs_are_case_insensitive() -> None:
    assert parse_level("WARNING") == "warning"
    assert parse_run(RUN.upper()) == RUN
    for text in ("", "loud", "\x1b"):
        with pytest.raises(CommandLineError, match="use debug, info"):
            parse_level(text)
    for text in ("0af", "xyzw", f"{RUN}0", "\x1b"):
        with pytest.raises(CommandLineError, match="is not the id of a run"):
            parse_run(text)
