"""Lua scripts that run inside Redis: files `scripts/NAME.lua` beside a package's modules, called by name.

A script binds what it receives to names in its first lines, and only these lines know positions:

    local claim = KEYS[1]
    local lease_ms = ARGV[1]
    local queue = cjson.decode(ARGV[2])
    local pages = list_from(ARGV, 3)

Python passes the values by these names: JSON for a table, a list for what `list_from` binds (the rest of KEYS or
ARGV). Functions that scripts share are in files of their own; `-- include: package.NAME` puts one into a script.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Generic, TypeVar, cast

from redis import Redis
from redis.commands.core import Script as RegisteredScript

Result = TypeVar("Result")
Scalar = str | bytes | int
Value = Scalar | list[Any]

_INCLUDE = re.compile(r"^-- include: (\S+)\n", re.MULTILINE)
_PARAMETER = re.compile(r"\b(\w+) = (?:tonumber\(|cjson\.decode\(|(list_from)\()?(KEYS|ARGV)\b")


class Script(Generic[Result]):
    """One script, called with the client and with each key and argument by its name.

    It is one round trip (`EVALSHA`), and a second and third one where the server does not know the script yet. On a
    pipeline it is one more command of the pipeline.

    Args:
        name: package and file: `worker.queue.take_claim` is `worker/queue/scripts/take_claim.lua`.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, redis: Redis, /, **values: Value) -> Result:
        """Run the script.

        Raises:
            TypeError: the values are not those that the script names.
            RedisError: the broker failed.
        """
        lua = _load(self._name)
        if values.keys() != {*lua.keys, *lua.arguments}:
            raise TypeError(f"{self._name} takes {', '.join((*lua.keys, *lua.arguments))}; got {', '.join(values)}")
        keys, arguments = (list(lua.arrange(names, values)) for names in (lua.keys, lua.arguments))
        return cast("Result", lua.registered(keys=keys, args=arguments, client=redis))


@dataclass(frozen=True, slots=True)
class _Lua:
    """A script with what it includes.

    Attributes:
        registered: redis-py's part: `EVALSHA`, and `SCRIPT LOAD` where the server does not know the script.
        lists: those of both that stand for a list.
    """

    registered: RegisteredScript
    keys: tuple[str, ...]
    arguments: tuple[str, ...]
    lists: frozenset[str]

    def arrange(self, names: tuple[str, ...], values: dict[str, Value]) -> Iterator[Any]:
        for name in names:
            value = values[name]
            # A list in the place of one value would shift all that follow.
            if isinstance(value, list) != (name in self.lists):
                raise TypeError(f"`{name}` is {'a list' if name in self.lists else 'one value'}, not {value!r}")
            if isinstance(value, list):
                yield from value
            else:
                yield value


@cache
def _load(name: str) -> _Lua:
    text = _compose(name, set())
    found = _PARAMETER.findall(text)
    keys, arguments = (
        tuple(parameter for parameter, _, source in found if source == wanted) for wanted in ("KEYS", "ARGV")
    )
    lists = frozenset(parameter for parameter, is_list, _ in found if is_list)
    # It would ask its client how to encode text, and run on it by default: bytes and a client for each call.
    registered = RegisteredScript(cast("Redis", None), text.encode())
    return _Lua(registered, keys, arguments, lists)


def _compose(name: str, included: set[str]) -> str:
    """Return the text of a script with its includes in place, each file once."""
    if name in included:
        return ""
    included.add(name)
    package, _, file = name.rpartition(".")
    text = resources.files(package).joinpath("scripts", f"{file}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda include: _compose(include[1], included), text)
