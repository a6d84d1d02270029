"""Stages and OCR engines by name: the built-in ones, and those that other packages add.

An installed package adds a stage with an entry point of the group `leafmark.stages`, an OCR engine with one of
`leafmark.engines`; `leafmark.exporters` is reserved. Plug-ins are loaded together with the settings, because each
may bring settings of its own. A plug-in that cannot be used is left out, and named in one line.
"""

from collections.abc import Callable, Iterator, MutableMapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from checkpointing.errors import SettingsError, in_one_line

STAGES_GROUP = "leafmark.stages"
ENGINES_GROUP = "leafmark.engines"

Kind = TypeVar("Kind")


class Options(BaseModel, frozen=True):
    """Settings of a stage or an engine; this class has none. `Settings` inherits from those that have some.

    The names of the fields begin with the name of the stage or the engine: `ocr_engine` is `LEAFMARK_OCR_ENGINE` in
    the environment.
    """


class PluginError(SettingsError):
    """A stage or an engine breaks a rule of the registry."""


def check_option_names(kind: str, name: str, options: type[Options]) -> None:
    """Check that the names of options begin with that of their stage or engine (the kind).

    Raises:
        PluginError: one does not.
    """
    for option in options.model_fields:
        if not option.startswith(f"{name}_"):
            raise PluginError(f"the option {option!r} of the {kind} {name!r} must begin with '{name}_'")


class Registry(MutableMapping[str, type[Kind] | Kind], Generic[Kind]):
    """Classes by name, in the order in which they were registered. Tests also register instances.

    Args:
        group: of the entry points of plug-ins.
        built_in: where each built-in class is: `worker.stages.ocr:OcrStage`. It is imported when it is first
            needed, so that a command that needs only names stays fast.
        check: raises PluginError for a class that breaks a rule; called with the class and the names before it.

    Attributes:
        plugins: the package and the version that each plug-in in use comes from, by its name.
        broken: a line about each plug-in that cannot be used, by its name.
    """

    def __init__(
        self, group: str, built_in: dict[str, str], check: Callable[[type[Kind] | Kind, list[str]], None]
    ) -> None:
        self.group = group
        self._built_in = tuple(built_in)
        self.plugins: dict[str, str] = {}
        self.broken: dict[str, str] = {}
        self._entries: dict[str, type[Kind] | Kind | str] = dict(built_in)
        self._check = check
        self._loaded = False

    def __getitem__(self, name: str) -> type[Kind] | Kind:
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = self._entries[name] = getattr(import_module(module), attribute)
        return entry

    def __setitem__(self, name: str, entry: type[Kind] | Kind) -> None:
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        # That of the base class would import the module.
        return name in self._entries

    def register(self, name: str, entry: type[Kind] | Kind) -> None:
        """Add a class after those that are registered.

        Raises:
            PluginError: the name is taken, or the class breaks a rule.
        """
        if name in self:
            raise PluginError(f"the name {name!r} is taken; choose another")
        self._check(entry, list(self))
        self[name] = entry

    def added(self) -> Iterator[type[Kind] | Kind]:
        """Yield what is registered and has been imported: all plug-ins, and the built-in classes used so far."""
        yield from (entry for entry in self._entries.values() if not isinstance(entry, str))

    def built_in(self) -> list[tuple[str, type[Kind] | Kind]]:
        """Return the names and classes of Leafmark itself, for its documentation."""
        return [(name, self[name]) for name in self._built_in]

    def all_names(self) -> list[str]:
        """Return the names of the registered classes and of plug-ins that are not loaded yet; imports nothing."""
        return list(dict.fromkeys([*self, *(point.name for point in _entry_points(self.group))]))

    def load_plugins(self) -> None:
        """Load and register the plug-ins, once a process, each after those that it depends on."""
        if not self._loaded:
            self._loaded = True
            self._register_all(self._load_all())

    def _load_all(self) -> dict[EntryPoint, type[Kind]]:
        loaded = {}
        for point in _entry_points(self.group):
            try:
                loaded[point] = point.load()
            except Exception as error:  # noqa: BLE001  # the code of a plug-in may raise anything
                self.broken[point.name] = _describe(point, f"{type(error).__name__}: {error}")
        return loaded

    def _register_all(self, waiting: dict[EntryPoint, type[Kind]]) -> None:
        while waiting:
            faults = {point: fault for point, kind in waiting.items() if (fault := self._fault(point, kind))}
            # The order of the names is not that of the dependencies: whatever was registered may let others follow.
            if len(faults) == len(waiting):
                self.broken |= {point.name: _describe(point, fault) for point, fault in faults.items()}
                return
            waiting = {point: waiting[point] for point in faults}

    def _fault(self, point: EntryPoint, kind: type[Kind]) -> str:
        """Register a plug-in and return an empty text; or return why it cannot be registered."""
        try:
            self.register(point.name, kind)
        except PluginError as error:
            return str(error)
        own = getattr(kind, "name", None)
        if own != point.name:
            del self[point.name]
            return f"its class has the name {own!r}; give the entry point the same name"
        self.plugins[point.name] = _package(point)
        return ""


def _entry_points(group: str) -> list[EntryPoint]:
    return sorted(_all_entry_points().select(group=group), key=lambda point: point.name)


@cache
def _all_entry_points() -> Any:
    # Looking through the metadata of all packages takes some milliseconds.
    return entry_points()


def _describe(point: EntryPoint, error: str) -> str:
    where = f"package {_package(point)}, entry point {point.value}"
    return in_one_line(f"the plug-in {point.name} ({where}) cannot be used: {error}", most=500)


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
