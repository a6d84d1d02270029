"""Which versions of packages are installed here."""

from importlib.metadata import PackageNotFoundError, version


def package_version(name: str) -> str:
    """Return the version of an installed package; `unknown` where it is not installed as one."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
