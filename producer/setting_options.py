"""Settings from the command line (`producer --set`), and all settings with their sources, for `producer config`."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from worker.config.setting_sources import Origin, Origins, Source, find_origins
from worker.config.settings import ENV_PREFIX, Settings, settings_class
from worker.config.shown_settings import shown_value
from worker.text.suggestions import closest

_by_option: set[str] = set()
_STYLES = {Source.OPTION: "magenta", Source.DEFAULT: "dim", Source.FILE: "cyan", Source.ENVIRONMENT: "yellow"}


@dataclass(frozen=True, slots=True)
class InForce:
    """One setting; its value is as in an environment variable, and secrets are masked."""

    name: str
    value: str
    origin: Origin

    def as_json(self) -> dict[str, str]:
        """Return one entry of what `producer config --json` prints."""
        return {
            "name": self.name,
            "variable": f"{ENV_PREFIX}{self.name.upper()}",
            "value": self.value,
            "source": self.origin.source.value,
            "place": self.origin.place,
        }


def set_by_option(pair: str) -> None:
    """Take a setting from the command line. It takes precedence here and in the processes started from here.

    Args:
        pair: such as `dpi=400`. The value is checked when the settings are loaded.

    Raises:
        ValueError: there is no such setting. The message does not quote the value, which may be a secret.
    """
    given, equals, value = pair.partition("=")
    name = given.strip().lower().removeprefix(ENV_PREFIX.lower())
    if not equals:
        raise ValueError("a setting is written as NAME=VALUE, such as dpi=400")
    known = settings_class().model_fields
    if name not in known:
        close = closest(name, known)
        meant = f"did you mean {close!r}?" if close else "`producer config` lists all settings"
        raise ValueError(f"there is no setting {given.strip()!r}; {meant}")
    variable = f"{ENV_PREFIX}{name.upper()}"
    # Names in the environment are compared without case.
    for other in [other for other in os.environ if other.upper() == variable]:
        del os.environ[other]
    os.environ[variable] = value
    _by_option.add(name)


def set_by_options() -> list[str]:
    """Return the names of the settings that were given on the command line, sorted."""
    return sorted(_by_option)


def origins_in_force() -> Origins:
    """Return where the settings of this process come from.

    Raises:
        SettingsError: a config file cannot be used.
    """
    return find_origins(ENV_PREFIX, settings_class().model_fields)


def in_force(settings: Settings, origins: Origins) -> Iterator[InForce]:
    """Yield all settings, in the order of the reference."""
    for name in type(settings).model_fields:
        origin = Origin(Source.OPTION, "--set") if name in _by_option else origins.of(name)
        yield InForce(name, shown_value(settings, name), origin)


def config_json(settings: Settings, origins: Origins) -> dict[str, Any]:
    """Return the form that `producer config --json` prints."""
    return {
        "file": str(origins.files[0].path) if origins.files else None,
        "files": [{"path": str(file.path), "ignored": list(file.ignored)} for file in origins.files],
        "settings": [each.as_json() for each in in_force(settings, origins)],
    }


def config_table(settings: Settings, origins: Origins) -> Table:
    """Return the table that `producer config` prints."""
    table = Table(box=None, pad_edge=False)
    for column in ("setting", "value", "from"):
        table.add_column(column, overflow="fold")
    for each in in_force(settings, origins):
        source = each.origin.source
        place = each.origin.place if source is not Source.DEFAULT else source.value
        table.add_row(each.name, Text(each.value or "none"), Text(place, style=_STYLES[source]))
    return table


def file_lines(origins: Origins) -> list[str]:
    """Return a line for each config file in use, in order of precedence."""
    return [f"Config file: {file.path}" for file in origins.files] or ["No config file."]
