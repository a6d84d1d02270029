"""Random damage to files and messages: what accidents and attackers make of a valid one."""

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

Bytes = st.SearchStrategy[bytes]

_NUMBERS = st.sampled_from(
    [-1, 0, 1, 2, 5, 6, 7, 10_000_000, 2**63, 10**30, 0.5, 1e308, float("inf"), float("nan")]
)
_WORDS = st.sampled_from(["", "x", "../../x", "/etc", "\x00", "\ud800", "\x1b[2J", "ocr", "9" * 5000, "é" * 300])
_LEAVES = st.one_of(st.none(), st.booleans(), _NUMBERS, _WORDS)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3), max_leaves=5
)
_NESTING = ("[", '{"a":', '{"page_number":[')


def fuzzing(examples: int) -> settings:
    """The same damage each time a test runs, so many different kinds of it."""
    return settings(
        max_examples=examples,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def damaged(valid: bytes) -> Bytes:
    """The bytes of a valid JSON file, damaged in one of many ways."""
    return st.one_of(broken(valid), _swapped(valid), _doubled(valid))


def broken(valid: bytes) -> Bytes:
    """The same, but what comes out is hardly ever JSON."""
    return st.one_of(st.binary(max_size=200), _NESTED, _cut(valid), _flipped(valid), _recoded(valid))


def _nested(start: str) -> Bytes:
    return st.sampled_from([100, 300, 5_000, 100_000]).map(lambda depth: start.encode() * depth)


_NESTED: Bytes = st.sampled_from(_NESTING).flatmap(_nested)


def _cut(valid: bytes) -> Bytes:
    return st.integers(0, len(valid)).map(lambda end: valid[:end])


@st.composite
def _flipped(draw: st.DrawFn, valid: bytes) -> bytes:
    raw = bytearray(valid)
    for place in draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
        raw[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(raw)


@st.composite
def _swapped(draw: st.DrawFn, valid: bytes) -> bytes:
    """Still JSON, with a value replaced by one of another kind, or one of its fields gone or unknown."""
    data = json.loads(valid)
    parent: Any = data
    while True:
        key = draw(st.sampled_from(list(parent) if isinstance(parent, dict) else range(len(parent))))
        below = parent[key]
        if not isinstance(below, dict | list) or not below or draw(st.booleans()):
            break
        parent = below
    if isinstance(parent, dict) and draw(st.integers(0, 4)) == 0:
        del parent[key]
    else:
        parent[key] = draw(_VALUES)
    return json.dumps(data).encode()


def _recoded(valid: bytes) -> Bytes:
    encodings = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7")
    return st.sampled_from(encodings).map(lambda name: valid.decode().encode(name))


@st.composite
def _doubled(draw: st.DrawFn, valid: bytes) -> bytes:
    """With a field that stands twice, as parsers disagree about; or with more after its end."""
    if draw(st.booleans()):
        return valid + draw(st.sampled_from([valid, b"\x00", b"\n[]", b"}"]))
    name = draw(st.sampled_from(list(json.loads(valid)) or ["x"]))
    value = json.dumps(draw(_VALUES)).encode()
    return b"{" + json.dumps(name).encode() + b":" + value + b"," + valid.lstrip()[1:]
