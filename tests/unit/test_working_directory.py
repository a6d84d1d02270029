"""Files in the working directory that are named like modules are never run by Leafmark."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import leafmark_celery
from producer.doctor.check import Level
from producer.doctor.own_settings import examine_settings
from tests.support.waiting import HANG_SECONDS
from worker.config.setting_sources import find_origins
from worker.config.settings import ENV_PREFIX, Settings
from worker.launch import child_processes as python_children
from worker.launch.child_processes import child_environment, python_command, safe_path_variables
from worker.launch.shadowing import shadowing_files
from worker.preflight import check_engines

PROJECT = Path(__file__).parents[2]
BESIDE_PYTHON = Path(sys.executable).parent
NAMES = ["worker", "producer", "checkpointing", "celery", "redis", "structlog", "typer", "json", "logging", "click"]


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that leave a file `ran` there when they are run; it is the working directory."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path))
    return tmp_path


def run(command: Sequence[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
        env=child_environment() | environment,
    )


def insist_that_nothing_ran(folder: Path) -> None:
    ran = folder / "ran"
    assert not ran.exists(), ran.read_text()


def test_a_child_runs_no_module_of_the_working_directory(trap: Path) -> None:
    check_engines([])
    insist_that_nothing_ran(trap)


def test_a_grandchild_runs_no_module_of_the_working_directory(trap: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import json, redis'], check=True)"
    assert run([sys.executable, "-c", script]).returncode == 0
    insist_that_nothing_ran(trap)


def test_an_empty_entry_of_the_path_names_no_folder_for_a_child(
    trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", ":.:")
    assert run(python_command("worker.preflight")).returncode == 0
    insist_that_nothing_ran(trap)


@pytest.mark.parametrize(
    "command",
    [
        [BESIDE_PYTHON / "producer", "config"],
        [BESIDE_PYTHON / "celery", "-A", "worker", "report"],
    ],
    ids=["producer", "celery"],
)
def test_a_command_runs_no_module_of_the_working_directory(trap: Path, command: list[str | Path]) -> None:
    done = run(command, PYTHONSAFEPATH="")
    assert done.returncode == 0, done.stderr
    insist_that_nothing_ran(trap)


def test_celery_as_leafmark_starts_it_runs_no_module_of_the_working_directory_and_is_silent(trap: Path) -> None:
    done = run(python_command("worker.launch.safe_celery", "report"))
    assert done.returncode == 0
    assert done.stderr == ""
    insist_that_nothing_ran(trap)


@pytest.mark.parametrize(
    "start", [[BESIDE_PYTHON / "celery"], [sys.executable, "-m", "celery"]], ids=["celery", "-m"]
)
def test_celery_names_what_it_does_not_run_in_the_working_directory(
    tmp_path: Path, start: list[str | Path]
) -> None:
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "__init__.py").write_text("raise SystemExit('foreign code ran')\n")
    done = subprocess.run(
        [*start, "-A", "worker", "report"],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
        cwd=tmp_path,
    )
    assert "worker_hijack_root_logger: False" in done.stdout, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("leafmark: ")]
    assert line.startswith(
        f"leafmark: {tmp_path / 'worker'} has the name of a package of Leafmark and is not run; "
    )
    assert "`producer worker`" in line


def test_the_doctor_warns_of_files_that_shadow_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    origins = find_origins(ENV_PREFIX, Settings.model_fields)
    assert "shadowed" not in {check.name for check in examine_settings(origins)}
    (tmp_path / "producer.py").touch()
    (found,) = [check for check in examine_settings(origins) if check.name == "shadowed"]
    assert found.level is Level.WARNING
    assert str(tmp_path / "producer.py") in found.what


def test_the_doctor_names_settings_of_a_local_file_that_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEAFMARK_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leafmark.toml").write_text("dpi = 150\ntracing = true\n")
    found = list(examine_settings(find_origins(ENV_PREFIX, Settings.model_fields)))
    assert found[0].what == f"config file {tmp_path / 'leafmark.toml'}"
    (ignored,) = [check for check in found if check.name == "ignored"]
    assert ignored.level is Level.WARNING
    assert ignored.what.startswith(f"tracing in {tmp_path / 'leafmark.toml'} is ignored")


@pytest.mark.parametrize("name", ["worker.py", "producer/__init__.py", "checkpointing/notes.txt", "worker.pyc"])
def test_what_python_would_import_instead_of_a_package_shadows_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    first = tmp_path / Path(name).parts[0]
    assert [path.relative_to(tmp_path).parts[0] for path in shadowing_files(tmp_path)] == [first.name]


def test_the_packages_themselves_and_other_names_shadow_nothing(tmp_path: Path) -> None:
    (tmp_path / "workers.py").touch()
    (tmp_path / "worker.txt").touch()
    assert shadowing_files(tmp_path) == []
    assert shadowing_files(PROJECT) == []


@pytest.mark.parametrize(
    ("given", "handed_on"),
    [
        (None, None),
        ("", ""),
        ("/a:/b", "/a:/b"),
        (":/a", "/a"),
        (".:/a:src:", "/a"),
    ],
)
def test_only_absolute_entries_of_the_path_are_handed_on(given: str | None, handed_on: str | None) -> None:
    found = safe_path_variables({} if given is None else {"PYTHONPATH": given})
    assert found.get("PYTHONPATH") == handed_on
    assert found["PYTHONSAFEPATH"] == "1"


def test_a_source_tree_that_is_not_installed_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_children.sys, "path", [str(PROJECT), "/elsewhere"])  # type: ignore[attr-defined]
    monkeypatch.setattr(python_children.sys, "meta_path", [])  # type: ignore[attr-defined]
    assert safe_path_variables({"PYTHONPATH": "/a"})["PYTHONPATH"] == f"{PROJECT}:/a"


@pytest.mark.parametrize(
    ("arguments", "environment", "application"),
    [
        (["-A", "worker", "worker"], {}, "worker"),
        (["-q", "--app", "worker:app", "worker"], {}, "worker:app"),
        (["--app=worker.celery", "worker"], {}, "worker.celery"),
        (["-Aworker", "worker"], {}, "worker"),
        (["worker"], {"APP": "worker"}, "worker"),
        (["worker"], {}, ""),
        (["-A"], {}, ""),
        ([], {}, ""),
    ],
)
def test_the_application_that_celery_is_asked_for_is_found(
    arguments: list[str], environment: dict[str, str], application: str
) -> None:
    assert leafmark_celery.named_application(arguments, environment) == application
