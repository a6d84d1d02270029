"""Which versions of packages are installed here."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "unknown"


def package_version(name: str) -> str:
    """Return the version of an installed package; `UNKNOWN` where it is not installed as one."""
    try:
        return _installed_version(name)
    except PackageNotFoundError:
        return UNKNOWN


# Reads a file, and is asked for each page. An error is not kept: a package may be installed while a worker runs.
_installed_version = cache(version)
