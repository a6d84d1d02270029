"""A worker that cannot work says so before its first page: in one line, with what to do, and with an exit code."""

import subprocess

import pytest

from tests.support.deployment import WORKER, Deployment
from tests.support.waiting import HANG_SECONDS

CASES = {
    "Redis is down": (
        {"LEAFMARK_REDIS_URL": "redis://:secret@127.0.0.1:1/0"},
        6,
        "Redis does not answer at redis://127.0.0.1:1/0",
        "start one (`redis-server --appendonly yes`, `docker compose up redis`)",
    ),
    "the storage root is missing": (
        {"LEAFMARK_STORAGE_ROOT": "{root}/unmounted"},
        5,
        "the storage root {root}/unmounted is not a folder",
        "create it or mount it, or set LEAFMARK_STORAGE_ROOT",
    ),
    "the storage root is a file": (
        {"LEAFMARK_STORAGE_ROOT": "{root}/a-file"},
        5,
        "the storage root {root}/a-file is not a folder",
        "create it or mount it, or set LEAFMARK_STORAGE_ROOT",
    ),
    "the language is not installed": (
        {"LEAFMARK_OCR_ENGINE": "tesseract", "LEAFMARK_OCR_LANG": "xxx"},
        7,
        "Tesseract has no data for 'xxx'",
        "install it",
    ),
    "a setting is wrong": (
        {"LEAFMARK_DPI": "abc"},
        7,
        "wrong settings: LEAFMARK_DPI='abc'",
        "should be a valid integer",
    ),
    "a setting in the config file is wrong": (
        {"LEAFMARK_CONFIG": "{root}/leafmark.toml"},
        7,
        "{root}/leafmark.toml line 2: dpi='abc'",
        "should be a valid integer",
    ),
}


@pytest.mark.parametrize(("environment", "exit_code", "what", "remedy"), CASES.values(), ids=CASES)
def test_a_worker_that_cannot_work_ends_with_one_line(
    deployment: Deployment, environment: dict[str, str], exit_code: int, what: str, remedy: str
) -> None:
    root = str(deployment.root)
    (deployment.root / "a-file").touch()
    (deployment.root / "leafmark.toml").write_text('# Another one is named, or none.\ndpi = "abc"\n')
    settings = {name: value.replace("{root}", root) for name, value in environment.items()}
    ended = subprocess.run(
        WORKER,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        # Celery warns those who test as root.
        env={**deployment.environment, "PYTHONWARNINGS": "ignore", **settings},
        check=False,
    )
    assert ended.returncode == exit_code, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("leafmark")
    assert what.replace("{root}", root) in line
    assert remedy in line
    assert "secret" not in line


def test_a_worker_that_cannot_work_says_why_in_its_log_file_as_well(deployment: Deployment) -> None:
    ended = subprocess.run(
        [*WORKER, "-n", "one@%h", "-f", f"{deployment.root}/%n.log"],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env={
            **deployment.environment,
            "PYTHONWARNINGS": "ignore",
            "LEAFMARK_STORAGE_ROOT": f"{deployment.root}/unmounted",
        },
        check=False,
    )
    assert ended.returncode == 5
    (line,) = (deployment.root / "one.log").read_text().splitlines()
    assert 'level=error event="worker does not start"' in line
    assert "unmounted is not a folder" in line
