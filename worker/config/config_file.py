"""The config file: `leafmark.toml`, the settings for those who would rather keep them in a file.

The file that LEAFMARK_CONFIG names is the only one that is read (empty: none at all). Otherwise two are read where
they exist: `leafmark.toml` in the current folder and the user's own, `~/.config/leafmark/leafmark.toml`; the first
goes before the second, and the environment before both.

The file in the current folder may be somebody else's work, out of an archive that was unpacked. So it may set what
`LOCAL_SETTINGS` names and nothing else: how pages are read and how long that may take. Everything that sends pages,
keys or traces somewhere, opens a port or can raise what is spent counts only from the other places.
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
# A new setting is not among these until it was asked: can it send anything elsewhere, or cost money?
LOCAL_SETTINGS = frozenset(
    {
        "claim_seconds",
        "dpi",
        "heal_seconds",
        "log_format",
        "log_level",
        "max_pixels",
        "ocr_engine",
        "ocr_lang",
        "page_grace_seconds",
        "page_megabytes",
        "page_seconds",
        "stage_grace_seconds",
        "stage_seconds",
    }
)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WAY_OUT = f"mend it, or name another file in {CONFIG_VARIABLE} (empty: none)"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A config file as it was read.

    Attributes:
        path: where it is.
        text: what it says.
        values: the settings that it makes, by key; `storage_root` made absolute, from the file's own folder.
        ignored: keys that it has and may not set, because it lies in the current folder and was not named.
    """

    path: Path
    text: str
    values: Mapping[str, Any]
    ignored: tuple[str, ...] = ()

    def place_of(self, key: str) -> str:
        """Where a key stands, for people: `/etc/leafmark.toml line 3`."""
        line = self._line_of(key)
        return str(self.path) if line is None else f"{self.path} line {line}"

    def readable_by_others(self) -> bool:
        """Whether somebody besides its owner may read it, or even write it."""
        return bool(self.path.stat().st_mode & _OTHERS)

    def _line_of(self, key: str) -> int | None:
        """The first line that sets a key, or opens a table of that name."""
        name = rf"""(?:"{re.escape(key)}"|'{re.escape(key)}'|{re.escape(key)})"""
        sets = re.compile(rf"\s*(?:{name}\s*[=.]|\[+\s*{name}\s*[\].])")
        return next((number for number, line in enumerate(self.text.splitlines(), 1) if sets.match(line)), None)


class ConfigFileSource(InitSettingsSource):
    """Where pydantic-settings gets the values of the files.

    Raises:
        SettingsError: there is a file, and it cannot be used.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        files = read_config_files(settings_cls.model_fields)
        # The first one decides, so it comes last.
        values = {name: value for file in reversed(files) for name, value in file.values.items()}
        super().__init__(settings_cls, init_kwargs=values)


def read_config_files(known: Collection[str]) -> list[ConfigFile]:
    """Read the files that count; the first that sets something decides.

    Args:
        known: the names of all settings.

    Raises:
        SettingsError: LEAFMARK_CONFIG names none that is there; the one in the current folder is a stranger's; one
            cannot be read, is not TOML, or has a key that is not a setting. Names file, key and line.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if named is not None:
        return [read_config_file(_named_file(named), known)] if named else []
    own = _own_file()
    files = [read_config_file(own, known)] if _is_file(own) else []
    if _is_file(Path(FILE_NAME)):
        here = Path(FILE_NAME).absolute()
        # In the folder of the user's own file they are the same.
        if not (files and here.samefile(own)):
            _insist_on_own(here)
            files.insert(0, read_config_file(here, known, LOCAL_SETTINGS))
    return files


def read_config_file(path: Path, known: Collection[str], allowed: Collection[str] | None = None) -> ConfigFile:
    """Read a config file and check that it speaks of settings that there are.

    Args:
        path: of the file.
        known: the names of all settings.
        allowed: those that this file may set; None: all.

    Raises:
        SettingsError: it cannot be read, is not TOML, or has a key that is not a setting; names file, key and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"the config file {path} cannot be read ({error.strerror}); {_WAY_OUT}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"the config file {path} is not UTF-8 (byte {error.start}); {_WAY_OUT}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"the config file {path} is not TOML: {_in_words(error)}; {_WAY_OUT}") from None
    _insist_on_known(ConfigFile(path, text, values), known)
    ignored = () if allowed is None else tuple(key for key in values if key not in allowed)
    root = values.get("storage_root")
    # `~` is filled in later, and an empty one is refused.
    if isinstance(root, str) and root and not root.startswith("~"):
        values["storage_root"] = str(path.parent / root)
    return ConfigFile(path, text, {key: value for key, value in values.items() if key not in ignored}, ignored)


def _own_file() -> Path:
    """Where the user's own file is, if there is one."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    # A relative one would be a place in the current folder; by its specification it does not count.
    if not os.path.isabs(folder):  # noqa: PTH117  # it is a string yet
        folder = "~/.config"
    return Path(os.path.expanduser(folder)) / "leafmark" / FILE_NAME  # noqa: PTH111  # a home that is none stays as it is


def _is_file(path: Path) -> bool:
    """Whether there is a file to be read; where nobody may look there is none."""
    with suppress(OSError):
        return path.is_file()
    return False


def _named_file(named: str) -> Path:
    path = Path(os.path.abspath(os.path.expanduser(named)))  # noqa: PTH100, PTH111  # the same
    if not _is_file(path):
        what = "is not a file" if path.is_dir() else "is not there"
        raise SettingsError(
            f"the config file {path}, named by {CONFIG_VARIABLE}, {what}; name one that is, or unset the variable"
        )
    return path


def _insist_on_own(path: Path) -> None:
    """A file that lies in a folder one happens to stand in might send pages and keys to whoever left it there."""
    if path.stat().st_uid not in {os.geteuid(), 0}:
        raise SettingsError(
            f"the config file {path} belongs to somebody else; if you trust it, say so: {CONFIG_VARIABLE}={path}"
        )


def _insist_on_known(read: ConfigFile, known: Collection[str]) -> None:
    broken = tuple(f"{name}_" for name in (*STAGES.broken, *ENGINES.broken))
    for key, value in read.values.items():
        if key not in known:
            # Commands that do not need the plug-in go on without its settings.
            if key.startswith(broken):
                continue
            raise SettingsError(f"{read.place_of(key)}: there is no setting {key!r}; {_meant(key, known)}")
        # TOML has whatever follows a table's head belong to it.
        strays = [inner for inner in value if inner in known] if isinstance(value, dict) else []
        if strays:
            raise SettingsError(
                f"{read.place_of(strays[0])}: {strays[0]!r} stands in the table [{key}]; move it above that line"
            )


def _meant(key: str, known: Collection[str]) -> str:
    plain = key.lower().removeprefix("leafmark_").replace("-", "_")
    close = closest(plain, known)
    return f"did you mean {close!r}?" if close else "`producer config` lists those that there are"


def _in_words(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else in_one_line(str(error), most=200)
