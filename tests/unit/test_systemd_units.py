"""The units of deploy/systemd start what the code has, stop it in time, and pass systemd's own check."""

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.support.waiting import HANG_SECONDS
from tests.support.work_stage import WorkStage
from worker.config.settings import Settings
from worker.stages.registry import STAGES

PROJECT = Path(__file__).parents[2]
UNITS = sorted((PROJECT / "deploy" / "systemd").glob("*.service"))
WORKERS = [unit for unit in UNITS if " worker " in unit.read_text()]
LAST_COMMIT_SECONDS = 30


def service(unit: Path) -> dict[str, str]:
    parser = ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(unit.read_text())
    return dict(parser["Service"])


def queues(unit: Path) -> list[str]:
    words = service(unit)["ExecStart"].split()
    return words[words.index("-Q") + 1].split(",")


def test_the_workers_serve_every_shipped_stage_once() -> None:
    served = [stage for unit in WORKERS for stage in queues(unit)]
    assert sorted(served) == sorted(name for name in STAGES if name != WorkStage.name)


@pytest.mark.parametrize("unit", WORKERS, ids=lambda unit: unit.stem)
def test_a_worker_has_the_time_of_its_longest_page_to_stop(unit: Path) -> None:
    minutes, seconds = service(unit)["TimeoutStopSec"].split()
    given = 60 * int(minutes.removesuffix("min")) + int(seconds.removesuffix("s"))
    assert given >= max(Settings().hard_seconds(stage) for stage in queues(unit)) + LAST_COMMIT_SECONDS
    assert service(unit)["KillMode"] == "mixed"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_accepts_a_unit(unit: Path, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    installed = "/opt/leafmark/bin/producer"
    text = unit.read_text()
    assert f"ExecStart={installed} " in text
    copy = tmp_path / unit.name
    # The check wants a program that is there.
    copy.write_text(text.replace(installed, "/bin/true"))
    done = subprocess.run(
        [program, "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
