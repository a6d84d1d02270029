"""Where each setting in force came from: the environment, the config file, or nowhere: its default."""

import os
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from pydantic_core import ErrorDetails

from worker.config.config_file import CONFIG_VARIABLE, ConfigFile, read_config_files

MASK = "***"
_SECRET = "llm_api_key"  # noqa: S105  # the name of a setting, not a key
_URLS = frozenset({"redis_url", "llm_base_url"})
# An option of an address: its name, and its value where it has one.
_OPTION = re.compile(r"(?<=[?&;#])([^=&;#?@]+)(?:=([^&;#]*))?")
# Options that are no secret. Any other may be a key or a password, whatever its name.
_HARMLESS = frozenset(
    {
        "api-version",
        "client_name",
        "db",
        "health_check_interval",
        "max_connections",
        "protocol",
        "retry_on_timeout",
        "socket_connect_timeout",
        "socket_keepalive",
        "socket_timeout",
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
        "timeout",
        "virtual_host",
    }
)


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
        files: the config files that were read; the first that sets something decides.
        prefix: starts every variable.
    """

    variables: Mapping[str, str]
    files: Sequence[ConfigFile]
    prefix: str

    def of(self, name: str) -> Origin:
        """Where a setting came from."""
        if name in self.variables:
            return Origin(Source.ENVIRONMENT, self.variables[name])
        for file in self.files:
            if name in file.values:
                return Origin(Source.FILE, file.place_of(name))
        return Origin(Source.DEFAULT)

    def warnings(self) -> Iterator[str]:
        """What works, and has to be known all the same: settings that are ignored, secrets that others may read."""
        yield from self.ignored()
        yield from self.open_secrets()

    def ignored(self) -> Iterator[str]:
        """A line for each file with settings that it may not make."""
        for file in self.files:
            if file.ignored:
                are = "is" if len(file.ignored) == 1 else "are"
                named = f"{CONFIG_VARIABLE}={shlex.quote(str(file.path))}"
                yield (
                    f"{', '.join(file.ignored)} in {file.path} {are} ignored: a file in the current folder may not "
                    "set where pages, keys and money go; set it in the environment or in "
                    f"~/.config/leafmark/leafmark.toml, or name the file: {named}"
                )

    def open_secrets(self) -> Iterator[str]:
        """A line for each file that holds a secret and that others may read."""
        for file in self.files:
            secrets = [name for name, value in file.values.items() if masked(name, value) != str(value)]
            if secrets and file.readable_by_others():
                yield (
                    f"{file.path} holds a secret ({', '.join(secrets)}) and others may read it; "
                    f"make it yours alone: chmod 600 {shlex.quote(str(file.path))}"
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
    return Origins(variables, read_config_files(known), prefix)


def masked(name: str, value: object) -> str:
    """A setting's value, fit to be shown: a key is one secret, and an address may hold one."""
    text = str(value)
    if name == _SECRET:
        return MASK if text else ""
    return _without_secrets(text) if name in _URLS else text


def _without_secrets(url: str) -> str:
    """An address with password and keys left out, wherever they stand; what is no address shows as little."""
    scheme, separator, rest = _OPTION.sub(_masked_option, url).partition("://")
    user, at, where = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    if at and not colon and scheme in {"http", "https"}:
        # A server of models has no users: what stands alone before its name is a key.
        name = MASK
    password = f":{MASK}" if colon else ""
    return f"{scheme}{separator}{name}{password}{at}{where}"


def _masked_option(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    if unquote(name).casefold() in _HARMLESS:
        return found[0]
    # One without a value may be a key itself.
    return MASK if value is None else f"{name}={MASK}"


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
    return f"{origins.prefix}{name.upper()}{value}: {message}"


def _shown_input(name: str, given: object) -> str:
    # A wrong address cannot be taken apart to leave out its password.
    hides = name == _SECRET or (name in _URLS and ("@" in str(given) or masked(name, given) != str(given)))
    return "" if hides or name == "llm_base_url" else f"={given!r}"
