"""The source of each setting in force: the environment, a config file, or its default."""

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
# An option of a URL: its name, and its value if it has one.
_OPTION = re.compile(r"(?<=[?&;#])([^=&;#?@]+)(?:=([^&;#]*))?")
# Options that are not secret. Any other option may be a key or a password.
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
    """A kind of place that a value comes from."""

    OPTION = "option"
    """The command line, which sets the variable in its own process."""
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one setting comes from; the place is the variable, or file and line, and empty for a default."""

    source: Source
    place: str = ""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the settings of this process come from.

    Attributes:
        variables: the environment variables that are set, in their own spelling, by the setting's name.
        files: the config files that were read; the first that has a setting decides.
    """

    variables: Mapping[str, str]
    files: Sequence[ConfigFile]
    prefix: str

    def of(self, name: str) -> Origin:
        """Return where a setting comes from."""
        if name in self.variables:
            return Origin(Source.ENVIRONMENT, self.variables[name])
        for file in self.files:
            if name in file.values:
                return Origin(Source.FILE, file.place_of(name))
        return Origin(Source.DEFAULT)

    def warnings(self) -> Iterator[str]:
        """Yield a line for each ignored setting, and for each secret that others may read."""
        yield from self.ignored()
        yield from self.open_secrets()

    def ignored(self) -> Iterator[str]:
        """Yield a line for each file with settings that it cannot set."""
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
        """Yield a line for each file with a secret that others may read."""
        for file in self.files:
            secrets = [name for name, value in file.values.items() if masked(name, value) != str(value)]
            if secrets and file.readable_by_others():
                yield (
                    f"{file.path} contains a secret ({', '.join(secrets)}), and other users may read it; "
                    f"run: chmod 600 {shlex.quote(str(file.path))}"
                )

    def strays(self) -> list[str]:
        """Return the variables that begin like settings and are none, sorted."""
        known = {*(variable.lower() for variable in self.variables.values()), CONFIG_VARIABLE.lower()}
        ours = (variable for variable in os.environ if variable.lower().startswith(self.prefix.lower()))
        return sorted(variable for variable in ours if variable.lower() not in known)


def find_origins(prefix: str, known: Collection[str]) -> Origins:
    """Find where the known settings come from; all variables have the prefix.

    Raises:
        SettingsError: there is a config file that cannot be used.
    """
    # pydantic-settings ignores case, too.
    lowered = {variable.lower(): variable for variable in os.environ}
    variables = {name: lowered[key] for name in known if (key := f"{prefix}{name}".lower()) in lowered}
    return Origins(variables, read_config_files(known), prefix)


def masked(name: str, value: object) -> str:
    """Return a setting's value without secrets: the API key is one, and a URL may contain some."""
    text = str(value)
    if name == _SECRET:
        return MASK if text else ""
    return _without_secrets(text) if name in _URLS else text


def _without_secrets(url: str) -> str:
    """Return a URL without passwords and keys; also of a text that is not a URL."""
    scheme, separator, rest = _OPTION.sub(_masked_option, url).partition("://")
    user, at, where = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    if at and not colon and scheme in {"http", "https"}:
        # A server of models has no users: a text before its host is a key.
        name = MASK
    password = f":{MASK}" if colon else ""
    return f"{scheme}{separator}{name}{password}{at}{where}"


def _masked_option(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    if unquote(name).casefold() in _HARMLESS:
        return found[0]
    # An option without a value may be a key itself.
    return MASK if value is None else f"{name}={MASK}"


def describe_faults(faults: Sequence[ErrorDetails], origins: Origins) -> str:
    """Return what is wrong with settings, in one line: each with its place, its value and what is allowed."""
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
    # An invalid URL cannot be parsed to leave out its password.
    hides = name == _SECRET or (name in _URLS and ("@" in str(given) or masked(name, given) != str(given)))
    return "" if hides or name == "llm_base_url" else f"={given!r}"
