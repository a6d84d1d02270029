"""Which Python the Makefile sets up, and what it prints where it cannot. No package is installed here."""

import os
import re
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.waiting import HANG_SECONDS

PROJECT = Path(__file__).parents[2]
SUPPORTED = ("3.11.2", "3.11.7", "3.12.1", "3.13.0")
PINS = [
    Requirement(line)
    for line in (PROJECT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


# It makes environments by copying itself, and can install nothing.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
*python_version*) echo {version};;
*version_info*) exit {too_old};;
"-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python";;
*) echo "a-package 1.0 depends on another>=2"; exit 1;;
esac
"""


class Project:
    """A folder with our Makefile, and Pythons that only tell their version.

    Args:
        folder: to make it in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Makefile", "constraints.txt", "pyproject.toml"):
            shutil.copy(PROJECT / name, folder)

    def add_python(self, path: str, version: str) -> str:
        """Add a Python; returns its path."""
        python = self.folder / path
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(FAKE_PYTHON.format(version=version, too_old=int(version.startswith("3.9"))))
        python.chmod(0o755)
        return str(python)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run make as from a shell: what the make that runs these tests was told is not handed on."""
        names = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON", "PYTHONS"}
        environment = {name: value for name, value in os.environ.items() if name not in names}
        return subprocess.run(
            ["make", *arguments],  # noqa: S607  # the one on PATH, as a developer runs it
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=HANG_SECONDS,
        )

    def environment_of(self, *arguments: str) -> str:
        """The folder of the environment that `make test` would use."""
        planned = self.make("--dry-run", "test", *arguments).stdout
        (found,) = set(re.findall(r"^(\S+)/bin/python -m pytest -n", planned, re.MULTILINE))
        return str(found)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_python_of_another_version_than_that_of_venv_gets_an_environment_of_its_own(project: Project) -> None:
    project.add_python(".venv/bin/python", "3.11.7")
    other = project.add_python("bin/python", "3.13.0")
    assert project.environment_of(f"PYTHON={other}") == ".venv-3.13.0"
    assert project.environment_of() == ".venv"


def test_a_python_of_the_version_of_venv_uses_venv(project: Project) -> None:
    project.add_python(".venv/bin/python", "3.12.1")
    assert project.environment_of(f"PYTHON={project.add_python('bin/python', '3.12.1')}") == ".venv"


def test_the_first_environment_is_venv_whichever_python_makes_it(project: Project) -> None:
    assert project.environment_of(f"PYTHON={project.add_python('bin/python', '3.13.0')}") == ".venv"


def test_an_environment_whose_python_was_replaced_by_another_version_is_made_anew(project: Project) -> None:
    project.add_python(".venv/bin/python", "3.13.0")
    for name in ("python-3.11.7", "run", "dev"):
        (project.folder / ".venv" / f".leafmark-{name}").touch()
    assert "-m venv --clear .venv" in project.make("--dry-run", "test").stdout
    (project.folder / ".venv" / ".leafmark-python-3.13.0").touch()
    assert "-m venv" not in project.make("--dry-run", "test").stdout


def test_a_python_that_is_not_there_is_refused_and_never_replaced_by_another(project: Project) -> None:
    project.add_python(".venv/bin/python", "3.11.7")
    refused = project.make("test", "PYTHON=python3.99")
    assert refused.returncode != 0
    assert "PYTHON=python3.99 cannot be started: name a Python 3.11 or later" in refused.stderr


def test_a_python_that_is_too_old_is_refused_before_anything_is_made(project: Project) -> None:
    old = project.add_python("bin/python", "3.9.18")
    refused = project.make("demo", f"PYTHON={old}")
    assert refused.returncode != 0
    assert f"Leafmark needs Python 3.11 or later, and {old} is 3.9.18: name another one" in refused.stderr
    assert not (project.folder / ".venv").exists()


@pytest.mark.parametrize("target", ["demo", "test"])
def test_an_install_that_fails_names_the_package_and_what_to_do(project: Project, target: str) -> None:
    python = project.add_python("bin/python", "3.12.1")
    failed = project.make(target, f"PYTHON={python}")
    assert failed.returncode != 0
    assert "a-package 1.0 depends on another>=2" in failed.stderr
    assert "cannot be installed into .venv, which has Python 3.12.1" in failed.stderr
    assert "name another Python, as in PYTHON=python3.12" in failed.stderr


def test_the_matrix_runs_each_python_that_is_named_and_stops_at_the_first_that_fails(project: Project) -> None:
    one = project.add_python("one/python", "3.11.2")
    two = project.add_python("two/python", "3.13.0")
    planned = project.make("--dry-run", "test-matrix", f"PYTHONS={one} {two}").stdout
    assert planned.index(f"{one} -m venv") < planned.index(f"{two} -m venv")
    stopped = project.make("test-matrix", f"PYTHONS={one} {two}")
    assert stopped.returncode != 0
    assert "3.11.2" in stopped.stderr
    assert "3.13.0" not in stopped.stderr


@pytest.mark.parametrize("version", SUPPORTED)
def test_each_package_has_one_pin_for_each_python(version: str) -> None:
    python = {"python_full_version": version, "python_version": version.rpartition(".")[0]}
    names = [pin.name for pin in PINS if pin.marker is None or pin.marker.evaluate(python)]
    assert len(names) == len({canonicalize_name(name) for name in names})
    assert {pin.name for pin in PINS} - {*names} <= {"async-timeout"}


def test_every_package_that_is_installed_here_is_pinned() -> None:
    """Nothing is resolved by `make test`: what constraints.txt does not name is not installed."""
    pinned = {canonicalize_name(pin.name) for pin in PINS}
    installed = {canonicalize_name(each.metadata["Name"]) for each in distributions()}
    assert installed - pinned <= {"leafmark", "pip", "setuptools", "wheel"}
