"""Where each setting in force came from: the environment, the config file, or nowhere: its default."""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic_core import ErrorDetails

from worker.config_file import CONFIG_VARIABLE, ConfigFile, find_config_file, read_config_file

MASK = "***"
_SECRET = "llm_api_key"  # noqa: S105  # the name of a setting, not a key
_URLS = frozenset({"redis_url", "llm_base_url"})
_PASSWORD_OPTION = re.compile(r"(?<=[?&])(\w*password)=[^&#]*")


class Source(StrEnum):
    """Who said what a setting is."""

    OPTION = "option"
    """Of the command line, which puts it into the environment of its own process."""
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one setting came from.

    Attributes:
        source: who said it.
        place: the variable, or file and line; empty for a default.
    """

    source: Source
    place: str = ""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the settings of this process come from.

    Attributes:
        variables: the environment variables that are set, as they are spelt, by the setting's name.
        file: the config file; None where there is none.
        prefix: starts every variable.
    """

    variables: Mapping[str, str]
    file: ConfigFile | None
    prefix: str

    def of(self, name: str) -> Origin:
        """Where a setting came from."""
        if name in self.variables:
            return Origin(Source.ENVIRONMENT, self.variables[name])
        if self.file is not None and name in self.file.values:
            return Origin(Source.FILE, self.file.place_of(name))
        return Origin(Source.DEFAULT)

    def warnings(self) -> Iterator[str]:
        """What is not wrong, and yet should be mended: a secret in a file that others may read."""
        if self.file is None or not self.file.readable_by_others():
            return
        secrets = [name for name, value in self.file.values.items() if masked(name, value) != str(value)]
        if secrets:
            yield (
                f"{self.file.path} holds a secret ({', '.join(secrets)}) and others may read it; "
                f"make it yours alone: chmod 600 {self.file.path}"
            )

    def strays(self) -> list[str]:
        """Variables that look like settings of ours and are none, sorted."""
        known = {*(variable.lower() for variable in self.variables.values()), CONFIG_VARIABLE.lower()}
        ours = (variable for variable in os.environ if variable.lower().startswith(self.prefix.lower()))
        return sorted(variable for variable in ours if variable.lower() not in known)


def find_origins(prefix: str, known: Collection[str]) -> Origins:
    """Look where the settings come from.

    Args:
        prefix: starts every variable.
        known: the names of all settings.

    Raises:
        SettingsError: there is a config file that cannot be used.
    """
    # As pydantic-settings does, which takes no notice of capitals.
    lowered = {variable.lower(): variable for variable in os.environ}
    variables = {name: lowered[key] for name in known if (key := f"{prefix}{name}".lower()) in lowered}
    path = find_config_file()
    return Origins(variables, None if path is None else read_config_file(path, known), prefix)


def masked(name: str, value: object) -> str:
    """A setting's value, fit to be shown: a key is one secret, and an address may hold one."""
    text = str(value)
    if name == _SECRET:
        return MASK if text else ""
    return _without_password(text) if name in _URLS else text


def _without_password(url: str) -> str:
    """With the password left out, wherever it stands; what is no address at all shows as little."""
    scheme, separator, rest = _PASSWORD_OPTION.sub(rf"\1={MASK}", url).partition("://")
    user, at, where = rest.rpartition("@")
    password = f":{MASK}" if ":" in user else ""
    return f"{scheme}{separator}{user.partition(':')[0]}{password}{at}{where}"


def describe_faults(faults: Sequence[ErrorDetails], origins: Origins) -> str:
    """What is wrong with settings, in one line: each with its value, where it stands and what is allowed."""
    return "; ".join(_describe(fault, origins) for fault in faults)


def _describe(fault: ErrorDetails, origins: Origins) -> str:
    name, *inner = map(str, fault["loc"])
    origin = origins.of(name)
    value = _shown_input(name, fault["input"])
    message = fault["msg"].removeprefix("Value error, ")
    if origin.source is Source.FILE:
        return f"{origin.place}: {'.'.join([name, *inner])}{value}: {message}"
    return f"{origins.prefix}{name.upper()}{value}: {fault['msg']}"


def _shown_input(name: str, given: object) -> str:
    # A wrong address cannot be taken apart to leave out its password.
    hides = name == _SECRET or (name in _URLS and ("@" in str(given) or "password" in str(given)))
    return "" if hides or name == "llm_base_url" else f"={given!r}"
