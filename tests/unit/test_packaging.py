"""What is installed: every file of the packages, under both names, for the systems that are named."""

import re
import tomllib
from fnmatch import fnmatch
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
TOP = ("checkpointing", "producer", "worker")
PYPROJECT: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())
FILES = sorted(
    path.relative_to(PROJECT)
    for top in TOP
    for path in (PROJECT / top).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES if path.suffix == ".py"}), ids=str)
def test_every_folder_of_modules_is_a_package_of_the_wheel(folder: Path) -> None:
    assert (PROJECT / folder / "__init__.py").is_file()
    name = ".".join(folder.parts)
    patterns = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert any(fnmatch(name, pattern) for pattern in patterns)


@pytest.mark.parametrize("file", [path for path in FILES if path.suffix != ".py"], ids=str)
def test_every_other_file_of_a_package_is_in_the_wheel(file: Path) -> None:
    package = next(parent for parent in file.parents if (PROJECT / parent / "__init__.py").is_file())
    inside = file.relative_to(package).as_posix()
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["*"]
    # A star of setuptools' leads into no folder.
    assert any(fnmatch(inside, pattern) and inside.count("/") == pattern.count("/") for pattern in patterns)


def test_modules_beside_the_packages_that_are_loaded_by_name_are_in_the_wheel() -> None:
    loaded = {each.partition(":")[0] for each in PYPROJECT["project"]["entry-points"]["celery.commands"].values()}
    assert loaded == set(PYPROJECT["tool"]["setuptools"]["py-modules"])
    assert all((PROJECT / f"{module}.py").is_file() for module in loaded)


def test_the_supported_systems_are_named_for_people_and_for_programs() -> None:
    classifiers = metadata("leafmark").get_all("Classifier") or []
    assert {"Operating System :: POSIX :: Linux", "Operating System :: MacOS"} <= set(classifiers)
    assert "Linux or macOS (on Windows: WSL)" in (PROJECT / "README.md").read_text()


def test_images_and_changelog_name_the_version_of_the_package() -> None:
    version = PYPROJECT["project"]["version"]
    compose = (PROJECT / "docker-compose.yml").read_text()
    assert re.findall(r"^ +image: leafmark:(.+)$", compose, re.MULTILINE) == [version]
    _, latest = re.findall(r"^## \[(.+?)\]", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)[:2]
    assert latest == version
