"""Files and folders that Python would import instead of Leafmark's packages, if their folder were on its path."""

from importlib.machinery import PathFinder
from pathlib import Path

PACKAGES = ("checkpointing", "producer", "worker")
_OWN_ROOT = Path(__file__).resolve().parents[2]


def shadowing_files(folder: Path) -> list[Path]:
    """Return what has the name of one of Leafmark's packages in a folder: modules, packages, plain folders."""
    if folder.resolve() == _OWN_ROOT:
        return []
    found = (_importable(folder, name) for name in PACKAGES)
    return [path for path in found if path is not None]


def _importable(folder: Path, name: str) -> Path | None:
    spec = PathFinder.find_spec(name, [str(folder)])
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or ())
    return Path(places[0] if places else spec.origin or folder / name)
