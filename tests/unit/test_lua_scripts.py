"""Lua scripts: called by the names of their keys and arguments, and composed of what they share."""

import re
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from checkpointing import lua
from checkpointing.lua import Script

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("checkpointing/**/scripts/*.lua"), *ROOT.glob("worker/**/scripts/*.lua")])
SHARED = [file for file in FILES if file.read_text().startswith("-- Shared function")]
SCRIPTS = [file for file in FILES if file not in SHARED]
CODE = "\n".join(
    file.read_text() for package in ("checkpointing", "worker") for file in (ROOT / package).rglob("*.py")
)

MINE, YOURS = "mine", "yours"

win_lease: Script[int] = Script("checkpointing.win_lease")
put_entry: Script[None] = Script("checkpointing.put_entry")


def script_name(file: Path) -> str:
    return ".".join((*file.relative_to(ROOT).parent.parent.parts, file.stem))


def code_of(text: str) -> str:
    return re.sub(r"--.*", "", text)


@pytest.mark.parametrize("values", [{}, {"lease": "key", "token": MINE}], ids=["none", "one too few"])
def test_a_call_that_lacks_a_value_is_refused(redis: Redis, values: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="takes lease, token, lease_ms"):
        win_lease(redis, **values)


def test_a_call_with_a_value_of_another_name_is_refused(redis: Redis) -> None:
    with pytest.raises(TypeError, match="got lease, token, lease_ms, page"):
        win_lease(redis, lease="key", token=MINE, lease_ms=1, page=1)


@pytest.mark.parametrize("fields", ["text", b"bytes", 7], ids=str)
def test_one_value_in_the_place_of_a_list_is_refused(redis: Redis, fields: Any) -> None:
    with pytest.raises(TypeError, match="`fields` is a list"):
        put_entry(redis, stream="a", inboxes="b", claims=[], name="c", token="", fields=fields)


def test_a_list_in_the_place_of_one_value_is_refused(redis: Redis) -> None:
    with pytest.raises(TypeError, match="`token` is one value"):
        win_lease(redis, lease="key", token=[MINE, YOURS], lease_ms=1)


def test_values_reach_the_script_by_name_in_any_order(redis: Redis) -> None:
    assert win_lease(redis, lease_ms=60_000, token=MINE, lease="key") == 1
    assert redis.get("key") == MINE.encode()
    assert 59_000 < redis.pttl("key") <= 60_000  # type: ignore[operator]  # async?


def test_a_script_that_the_server_has_forgotten_is_loaded_again(redis: Redis) -> None:
    win_lease(redis, lease="key", token=MINE, lease_ms=60_000)
    redis.script_flush()
    assert win_lease(redis, lease="key", token=YOURS, lease_ms=60_000) == 0


def test_a_script_on_a_pipeline_is_one_of_its_commands(redis: Redis) -> None:
    with redis.pipeline(transaction=True) as pipeline:
        for number in range(3):
            put_entry(pipeline, stream="a", inboxes="b", claims=[], name="c", token="", fields=["number", number])
        assert redis.exists("a") == 0
        pipeline.execute()
    assert redis.xlen("a") == 3


def test_a_script_takes_more_values_than_lua_unpacks(redis: Redis) -> None:
    remove: Script[None] = Script("checkpointing.remove_entries")
    redis.hset("attempts", mapping={str(page): 1 for page in range(10_001)})
    pages = [str(page) for page in range(10_000)]
    remove(redis, stream="a", attempts="attempts", id_count=0, ids_and_pages=pages)
    assert redis.hkeys("attempts") == [b"10000"]


@pytest.mark.parametrize("file", SCRIPTS, ids=script_name)
def test_a_script_binds_each_position_once_and_documents_each_name(file: Path) -> None:
    text = file.read_text()
    header = text.partition("\nlocal ")[0]
    code = code_of(text)
    for source in ("KEYS", "ARGV"):
        positions = [int(one or rest) for one, rest in re.findall(source + r"(?:\[(\d+)\]|, (\d+)\))", code)]
        assert positions == [*range(1, len(positions) + 1)]
        assert len(positions) == len(re.findall(rf"\b{source}\b", code)), (
            f"a use of {source} that is bound to no name"
        )
        assert not positions or source in header
    found = lua._load(script_name(file))
    own = [name for name in (*found.keys, *found.arguments) if re.search(rf"^local {name} = ", text, re.MULTILINE)]
    assert not [name for name in own if not re.search(rf"\b{name}\b", header)]
    assert not any(name in found.lists for name in (*found.keys[:-1], *found.arguments[:-1])), "a list comes last"


@pytest.mark.parametrize("file", SHARED, ids=script_name)
def test_shared_functions_take_arguments_and_no_keys_of_the_script(file: Path) -> None:
    assert not re.search(r"\b(KEYS|ARGV)\b", code_of(file.read_text()))


@pytest.mark.parametrize("file", SCRIPTS, ids=script_name)
def test_each_script_compiles_and_is_called(redis: Redis, file: Path) -> None:
    name = script_name(file)
    redis.script_load(lua._load(name).registered.script)
    assert f'Script("{name}")' in CODE


@pytest.mark.parametrize("file", SHARED, ids=script_name)
def test_each_shared_file_is_included(file: Path) -> None:
    assert any(f"-- include: {script_name(file)}\n" in other.read_text() for other in FILES)


def test_a_file_that_two_others_include_is_in_a_script_once() -> None:
    text = lua._load("worker.queue.take_claim").registered.script
    assert isinstance(text, bytes)
    assert text.count(b"local function ensure_type(") == 1
    assert b"-- include" not in text


def test_lua_is_in_files_and_not_in_python() -> None:
    assert not re.search(r"redis\.call\(", CODE)
