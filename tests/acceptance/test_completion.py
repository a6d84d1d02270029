"""Completion in a real shell, with the script that the command itself prints."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_deployment import write_scan
from tests.support.waiting import HANG_SECONDS


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_a_scan_with_the_script_that_it_is_shown(tmp_path: Path) -> None:
    for scan_id in ("moby-dick", "walden"):
        write_scan(tmp_path, scan_id, 1)
    command = """
        eval "$(producer --show-completion)"
        COMP_WORDS=(producer enqueue mo) COMP_CWORD=2
        _producer_completion producer; echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", command],  # noqa: S607  # wherever it is
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "LEAFMARK_STORAGE_ROOT": str(tmp_path),
            "LEAFMARK_CONFIG": "",
        },
        check=False,
    )
    assert (done.stdout, done.stderr) == ("moby-dick\n", "")
