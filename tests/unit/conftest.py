"""A book in a temporary folder, and processes beside the test: what the checkpointing library is tried on."""

import contextlib
import errno
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from checkpointing import CheckpointManager, OutputSchema
from checkpointing.file import CheckpointFile
from checkpointing.outputs import OutputFolder
from producer import setting_options as config
from sample.provider.running import Provider, running_provider
from tests.support.fake_deployment import FakeDeployment, make_fake, take_commands


@pytest.fixture(autouse=True)
def _settings_of_options_are_forgotten() -> Iterator[None]:
    """Commands that run in this process leave the settings of their options to the tests after them."""
    before, named = dict(os.environ), set(config._by_option)
    yield
    if config._by_option != named:
        config._by_option.clear()
        config._by_option.update(named)
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """A deployment with one scan, of which nothing has begun; commands work on it."""
    made = make_fake(tmp_path / "scans", monkeypatch)
    made.write_scan()
    take_commands(made, monkeypatch, "planning.preconditions")
    return made


@pytest.fixture
def server() -> FakeServer:
    """A broker inside this process; each client of it sees the same keys."""
    return FakeServer()


@pytest.fixture
def redis(server: FakeServer) -> FakeRedis:
    return FakeRedis(server=server)


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider of models that answers rightly, at once."""
    with running_provider() as running:
        yield running


class Leaf(BaseModel):
    """The output of a page, as small as can be."""

    model_config = ConfigDict(extra="forbid")

    page_number: PositiveInt
    text: str = Field(min_length=1)


def leaf(page: int, text: str = "words") -> str:
    return Leaf(page_number=page, text=text).model_dump_json()


@dataclass(frozen=True)
class Book:
    """One scan in a storage root, with one stage whose outputs are leaves."""

    root: Path
    scan_id: str = "a-book"
    stage: str = "ocr"

    @property
    def path(self) -> Path:
        return self.root / self.scan_id

    @property
    def checkpoint_path(self) -> Path:
        return self.path / "checkpoints" / f"{self.stage}.json"

    @property
    def outputs(self) -> OutputFolder:
        return self.outputs_of_version("1")

    def outputs_of_version(self, version: str) -> OutputFolder:
        return OutputFolder(self.path / "ocr", OutputSchema.of(Leaf, version))

    def checkpoint_file(self) -> CheckpointFile:
        return CheckpointFile(self.path, self.stage, self.outputs)

    def manager(self, **changes: Any) -> CheckpointManager:
        usual: dict[str, Any] = {"storage_root": self.root, "output_dir": "ocr", "schema": Leaf}
        return CheckpointManager(self.scan_id, self.stage, **usual | changes)

    def write(self, *pages: int, text: str = "words") -> None:
        """Put valid outputs in place."""
        self.outputs.path.mkdir(parents=True, exist_ok=True)
        for page in pages:
            self.outputs.path_of(page).write_text(leaf(page, text))

    def write_checkpoint(self, content: bytes | dict[str, Any]) -> bytes:
        """Put a checkpoint file in place, as somebody else might have left it."""
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.checkpoint_path.parent.mkdir(parents=True, exist_ok=True)
        self.checkpoint_path.write_bytes(raw)
        return raw

    def on_disk(self) -> dict[str, Any]:
        """The checkpoint as any reader of JSON sees it."""
        data: dict[str, Any] = json.loads(self.checkpoint_path.read_bytes())
        return data

    def set_aside(self) -> list[Path]:
        """The unusable checkpoints that were kept."""
        return sorted(self.checkpoint_path.parent.glob(f"{self.checkpoint_path.name}.unusable-*"))

    def temp_files(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if ".tmp" in path.name]

    def snapshot(self) -> dict[str, tuple[int, bytes]]:
        """Everything in the storage root: its name, its time in nanoseconds, its bytes."""
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in self.root.rglob("*")
        }


@pytest.fixture
def book(tmp_path: Path) -> Book:
    made = Book(tmp_path / "book_scans")
    made.path.mkdir(parents=True)
    return made


@contextlib.contextmanager
def process(script: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process beside ours; it is killed, at the latest, when the test is done with it."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, args)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def says(started: subprocess.Popen[str]) -> str:
    """The next line that a process prints: how the test knows how far it is."""
    assert started.stdout is not None
    return started.stdout.readline().strip()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes of the files and folders that were synced, in order."""
    inodes: list[int] = []
    fsync = os.fsync

    def spy(fd: int) -> None:
        inodes.append(os.fstat(fd).st_ino)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", spy)
    return inodes


@dataclass
class Disk:
    """Lets a system call on storage fail, at the n-th of those that a durable write makes."""

    monkeypatch: pytest.MonkeyPatch
    calls: list[str] = field(default_factory=list)
    fail_at: int = 0
    error: int = errno.EIO

    def watch(self) -> None:
        for name in ("write", "fsync", "replace"):
            self.monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def break_at(self, call: int, error: int) -> None:
        """From now on, let the call of this number (counted from 1) fail."""
        self.calls.clear()
        self.fail_at, self.error = call, error

    def mend(self) -> None:
        self.fail_at = 0

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            if len(self.calls) == self.fail_at:
                raise OSError(self.error, os.strerror(self.error))
            return real(*args, **options)

        return call


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(monkeypatch)
    made.watch()
    return made
