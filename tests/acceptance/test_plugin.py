"""The example of a stage in a package of its own, installed into a new environment as a third party's would be."""

import json
import os
import subprocess
import sysconfig
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from sample import small_page, write_image_folder
from tests.support.waiting import HANG_SECONDS

# Completion is asked for by the name of the program.
AS_PRODUCER = "import sys; from producer.cli import main; sys.argv = ['producer']; main()"
EXAMPLE = Path(__file__).parents[2] / "examples" / "leafmark-wordcount"


def make_wheel(folder: Path) -> Path:
    """Make the wheel of the example by hand: setuptools would fetch what it needs for that from the network."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())
    name, version = project["project"]["name"].replace("-", "_"), project["project"]["version"]
    (module,) = project["tool"]["setuptools"]["py-modules"]
    points = project["project"]["entry-points"]
    groups = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points[group].items()) for group in points
    ]
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with ZipFile(wheel, "w") as archive:
        archive.write(EXAMPLE / f"{module}.py", f"{module}.py")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project['project']['name']}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", "\n".join(groups))
        archive.writestr(f"{info}/RECORD", "")
    return wheel


class Environment:
    """A virtual environment that sees the packages of this one, with the example installed.

    Args:
        folder: for the environment and the storage root.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        venv.create(folder / "venv", with_pip=False)
        self._python = folder / "venv" / "bin" / "python"
        self.packages = Path(
            self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
        )
        shared = sysconfig.get_path("purelib")
        (self.packages / "shared.pth").write_text(f"import site; site.addsitedir({shared!r})\n")
        self.run("-m", "pip", "install", "-q", "--no-index", "--no-deps", str(make_wheel(folder)))

    def producer(self, *arguments: str, expect: int = 0, **variables: str) -> str:
        """Run a command; return what it prints, errors included."""
        done = self.run("-m", "producer.cli", *arguments, expect=expect, **variables)
        return done.stdout + done.stderr

    def run(self, *arguments: str, expect: int = 0, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run Python there; return how it ended."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LEAFMARK_")}
        environment |= {
            "LEAFMARK_CONFIG": "",
            "LEAFMARK_STORAGE_ROOT": str(self._folder / "scans"),
            "COLUMNS": "200",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **variables,
        }
        command = [str(self._python), *arguments]
        done = subprocess.run(
            command,
            env=environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("plugin"))
    write_image_folder(made.packages.parents[3] / "book", [small_page(1), small_page(2)])
    (made.packages.parents[3] / "scans").mkdir()
    return made


def test_a_book_runs_through_the_stage_of_an_installed_package(environment: Environment) -> None:
    root = environment.packages.parents[3]
    environment.producer("--set", "wordcount_minimum_letters=2", "run", "book", "--through", "wordcount")
    output = json.loads((root / "scans" / "book" / "wordcount" / "page_0001.json").read_text())
    assert output["words"] > 0
    assert output["made_from"]["recipe"] == "at least 2 letters"
    assert "wordcount" in environment.producer("status", "book")
    assert "wordcount" in environment.producer("watch", "book", "--once")


def test_commands_know_the_stage_and_its_settings(environment: Environment) -> None:
    assert "wordcount" in environment.producer("enqueue", "--help")
    assert "wordcount_minimum_letters" in environment.producer("config")
    assert "plug-in wordcount from leafmark-wordcount 1.0.0" in environment.producer("doctor", "--only", "settings")
    asked = {"_PRODUCER_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "producer enqueue book --stage wo"}
    assert "wordcount" in environment.run("-c", AS_PRODUCER, **asked).stdout


def test_a_wrong_value_of_its_setting_is_named(environment: Environment) -> None:
    printed = environment.producer("status", expect=7, LEAFMARK_WORDCOUNT_MINIMUM_LETTERS="none")
    assert "LEAFMARK_WORDCOUNT_MINIMUM_LETTERS='none'" in printed


def test_a_broken_plugin_stops_only_what_needs_it(environment: Environment) -> None:
    module = environment.packages / "leafmark_wordcount.py"
    whole = module.read_text()
    module.write_text("import a_package_that_is_not_there\n")
    try:
        printed = environment.producer("status", LEAFMARK_WORDCOUNT_MINIMUM_LETTERS="2")
        assert "leafmark: the plug-in wordcount (package leafmark-wordcount 1.0.0, entry point" in printed
        assert "No module named 'a_package_that_is_not_there'" in printed
        assert "Traceback" not in printed
        needs_it = environment.producer("run", "book", "--through", "wordcount", expect=4)
        assert "there is no stage 'wordcount': the plug-in wordcount (package leafmark-wordcount 1.0.0" in needs_it
    finally:
        module.write_text(whole)


def test_the_documented_file_is_the_example() -> None:
    document = (EXAMPLE.parents[1] / "docs" / "adding-a-stage.md").read_text()
    assert f"```python\n{(EXAMPLE / 'leafmark_wordcount.py').read_text()}```" in document
