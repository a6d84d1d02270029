import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from checkpointing.errors import CheckpointError
from checkpointing.locks import file_lock
from tests.support.waiting import HANG_SECONDS
from tests.unit.conftest import process, says

HOLDER = """
    import sys
    from pathlib import Path
    from checkpointing.locks import file_lock

    with file_lock(Path(sys.argv[1]), timeout=5):
        print("held", flush=True)
        sys.stdin.readline()
    print("free", flush=True)
    sys.stdin.readline()
"""
HOLDER_WITH_A_FORKED_CHILD = """
    import os, signal, sys
    from pathlib import Path
    from checkpointing.locks import file_lock

    with file_lock(Path(sys.argv[1]), timeout=5):
        child = os.fork()
        if not child:
            signal.pause()
        print(child, flush=True)
        signal.pause()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ocr.lock"


def test_one_thread_at_a_time(path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with file_lock(path, timeout=10):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == [1] * 40


def test_who_waits_too_long_is_told_in_one_line_which_file_it_is(path: Path) -> None:
    with (
        file_lock(path, timeout=1),
        pytest.raises(CheckpointError, match=re.escape(str(path))) as caught,
        file_lock(path, timeout=0.03),
    ):
        pytest.fail("two holders of one lock")
    assert "\n" not in str(caught.value)


def test_a_timeout_of_nothing_takes_a_free_lock_and_no_other(path: Path) -> None:
    with file_lock(path, timeout=0):
        pass
    with file_lock(path, timeout=0), pytest.raises(CheckpointError), file_lock(path, timeout=0):
        pytest.fail("two holders of one lock")


def test_a_waiter_gets_the_lock_as_soon_as_it_is_free(path: Path) -> None:
    got = threading.Event()

    def wait() -> None:
        with file_lock(path, timeout=10):
            got.set()

    with file_lock(path, timeout=1):
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert not got.wait(0.05)
    assert got.wait(HANG_SECONDS)
    waiter.join()


def test_an_error_inside_gives_the_lock_back(path: Path) -> None:
    with pytest.raises(KeyError), file_lock(path, timeout=1):
        raise KeyError
    with file_lock(path, timeout=0):
        pass


def test_the_lock_file_stays_the_same_file(path: Path) -> None:
    with file_lock(path, timeout=1):
        inode = path.stat().st_ino
    with file_lock(path, timeout=1):
        assert path.stat().st_ino == inode


def test_no_file_descriptor_is_left_open(path: Path) -> None:
    with file_lock(path, timeout=1):
        before = os.open(path, os.O_RDONLY)
        os.close(before)
    for _ in range(20):
        with file_lock(path, timeout=1), pytest.raises(CheckpointError), file_lock(path, timeout=0):
            pass
    after = os.open(path, os.O_RDONLY)
    os.close(after)
    assert after <= before


def test_a_missing_folder_is_an_error_of_the_storage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), file_lock(tmp_path / "nowhere" / "ocr.lock", timeout=1):
        pass


def test_another_process_keeps_us_out_until_it_lets_go(path: Path) -> None:
    with process(HOLDER, path) as holder:
        assert says(holder) == "held"
        with pytest.raises(CheckpointError), file_lock(path, timeout=0.03):
            pytest.fail("two holders of one lock")
        print(file=holder.stdin, flush=True)
        assert says(holder) == "free"
        with file_lock(path, timeout=0):
            pass


def test_a_killed_process_gives_its_lock_back(path: Path) -> None:
    with process(HOLDER, path) as holder:
        assert says(holder) == "held"
        holder.kill()
        with file_lock(path, timeout=5):
            pass


def test_a_paused_process_keeps_its_lock(path: Path) -> None:
    with process(HOLDER, path) as holder:
        assert says(holder) == "held"
        holder.send_signal(signal.SIGSTOP)
        with pytest.raises(CheckpointError), file_lock(path, timeout=0.05):
            pytest.fail("two holders of one lock")


def test_a_forked_child_neither_keeps_nor_frees_the_lock_of_its_parent(path: Path) -> None:
    with process(HOLDER_WITH_A_FORKED_CHILD, path) as parent:
        child = int(says(parent))
        try:
            with pytest.raises(CheckpointError), file_lock(path, timeout=0.1):
                pytest.fail("the child freed its parent's lock")
            parent.kill()
            with file_lock(path, timeout=5):
                os.kill(child, 0)  # It lives, and has no part in the lock.
        finally:
            os.kill(child, signal.SIGKILL)
