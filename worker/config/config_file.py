"""The config file `leafmark.toml`: settings in a file instead of the environment.

`docs/reference/configuration.md` says which files are read. The one in the current folder may come from an archive
that was unpacked there, so it can set only what `LOCAL_SETTINGS` names: how pages are read, and time limits.
"""

import os
import re
import stat
import tomllib
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, InitSettingsSource

from checkpointing.errors import SettingsError, in_one_line
from worker.ocr.engines.registry import ENGINES
from worker.stages.registry import STAGES
from worker.text.suggestions import closest

CONFIG_VARIABLE = "LEAFMARK_CONFIG"
FILE_NAME = "leafmark.toml"
# Add a new setting only if it can neither send anything elsewhere nor cost money.
LOCAL_SETTINGS = frozenset(
    {
        "claim_seconds",
        "dpi",
        "heal_seconds",
        "log_format",
        "log_level",
        "max_pixels",
        "ocr_crop",
        "spreads",
        "ocr_deskew",
        "ocr_device",
        "ocr_engine",
        "ocr_lang",
        "ocr_rotate",
        "ocr_typeface",
        "page_grace_seconds",
        "page_megabytes",
        "page_seconds",
        "stage_grace_seconds",
        "stage_seconds",
    }
)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_REMEDY = f"correct it, or set {CONFIG_VARIABLE} to another file (empty: none)"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A config file as it was read.

    Attributes:
        values: its settings, by key; a relative `storage_root` begins at the folder of the file.
        ignored: its keys that it cannot set, because it is the file in the current folder.
    """

    path: Path
    text: str
    values: Mapping[str, Any]
    ignored: tuple[str, ...] = ()

    def place_of(self, key: str) -> str:
        """Return the place of a key, for messages: `/etc/leafmark.toml line 3`."""
        line = self._line_of(key)
        return str(self.path) if line is None else f"{self.path} line {line}"

    def readable_by_others(self) -> bool:
        """Return whether users other than the owner have any permission on it."""
        return bool(self.path.stat().st_mode & _OTHERS)

    def _line_of(self, key: str) -> int | None:
        """Return the number of the first line that sets a key or begins a table with that name."""
        name = rf"""(?:"{re.escape(key)}"|'{re.escape(key)}'|{re.escape(key)})"""
        sets = re.compile(rf"\s*(?:{name}\s*[=.]|\[+\s*{name}\s*[\].])")
        return next((number for number, line in enumerate(self.text.splitlines(), 1) if sets.match(line)), None)


class ConfigFileSource(InitSettingsSource):
    """The source of pydantic-settings for the values of the files.

    Raises:
        SettingsError: there is a file, and it cannot be used.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        files = read_config_files(settings_cls.model_fields)
        # Later values replace earlier ones, and the first file decides.
        values = {name: value for file in reversed(files) for name, value in file.values.items()}
        super().__init__(settings_cls, init_kwargs=values)


def read_config_files(known: Collection[str]) -> list[ConfigFile]:
    """Read the config files, whose keys must be known settings; the first file that has a setting decides.

    Raises:
        SettingsError: LEAFMARK_CONFIG names no file; the file in the current folder belongs to another user; a file
            cannot be read, is not TOML, or has a key that is not a setting. Names file, key and line.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if named is not None:
        return [read_config_file(_named_file(named), known)] if named else []
    own = _own_file()
    files = [read_config_file(own, known)] if _is_file(own) else []
    if _is_file(Path(FILE_NAME)):
        here = Path(FILE_NAME).absolute()
        # If the current folder is that of the user's file, they are the same.
        if not (files and here.samefile(own)):
            _check_owner(here)
            files.insert(0, read_config_file(here, known, LOCAL_SETTINGS))
    return files


def read_config_file(path: Path, known: Collection[str], allowed: Collection[str] | None = None) -> ConfigFile:
    """Read a config file and check that its keys are settings. What it sets is limited to `allowed`, if given.

    Raises:
        SettingsError: it cannot be read, is not TOML, or has a key that is not a setting; names file, key and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"the config file {path} cannot be read ({error.strerror})", hint=_REMEDY) from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"the config file {path} is not UTF-8 (byte {error.start})", hint=_REMEDY) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"the config file {path} is not TOML: {_reason(error)}", hint=_REMEDY) from None
    _check_keys(ConfigFile(path, text, values), known)
    ignored = () if allowed is None else tuple(key for key in values if key not in allowed)
    root = values.get("storage_root")
    # `~` is expanded later, and an empty value is rejected there.
    if isinstance(root, str) and root and not root.startswith("~"):
        values["storage_root"] = str(path.parent / root)
    return ConfigFile(path, text, {key: value for key, value in values.items() if key not in ignored}, ignored)


def _own_file() -> Path:
    """Return the path of the user's file, which need not exist."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    # By its specification a relative path is ignored; it would be in the current folder.
    if not os.path.isabs(folder):  # noqa: PTH117  # a string, maybe empty
        folder = "~/.config"
    return Path(os.path.expanduser(folder)) / "leafmark" / FILE_NAME  # noqa: PTH111  # Path.expanduser raises where there is no home


def _is_file(path: Path) -> bool:
    """Return whether there is a file; False also if the folder cannot be read."""
    with suppress(OSError):
        return path.is_file()
    return False


def _named_file(named: str) -> Path:
    path = Path(os.path.abspath(os.path.expanduser(named)))  # noqa: PTH100, PTH111  # the same
    if not _is_file(path):
        what = "is a folder" if path.is_dir() else "does not exist"
        raise SettingsError(
            f"the config file {path}, named by {CONFIG_VARIABLE}, {what}",
            hint="correct the variable, or unset it",
        )
    return path


def _check_owner(path: Path) -> None:
    """Check that the file in the current folder is the user's or root's: another user could have put it there."""
    if path.stat().st_uid not in {os.geteuid(), 0}:
        raise SettingsError(
            f"the config file {path} belongs to another user",
            hint=f"if you trust it, set {CONFIG_VARIABLE}={path}",
        )


def _check_keys(read: ConfigFile, known: Collection[str]) -> None:
    broken = tuple(f"{name}_" for name in (*STAGES.broken, *ENGINES.broken))
    for key, value in read.values.items():
        if key not in known:
            # Commands that do not need the plug-in go on without its settings.
            if key.startswith(broken):
                continue
            raise SettingsError(f"{read.place_of(key)}: there is no setting {key!r}", hint=_meant(key, known))
        # In TOML all lines after the head of a table belong to the table.
        strays = [inner for inner in value if inner in known] if isinstance(value, dict) else []
        if strays:
            raise SettingsError(
                f"{read.place_of(strays[0])}: {strays[0]!r} is in the table [{key}]",
                hint="move it above that line",
            )


def _meant(key: str, known: Collection[str]) -> str:
    plain = key.lower().removeprefix("leafmark_").replace("-", "_")
    close = closest(plain, known)
    return f"did you mean {close!r}?" if close else "`producer config` lists all settings"


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else in_one_line(str(error), most=200)
