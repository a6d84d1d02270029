"""Files with anything in them: commands do their work or say in one line what is wrong; the reconciler goes on."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from checkpointing.errors import LeafmarkError
from checkpointing.page_records import PageRecord
from producer.cli import main
from producer.run.embedded_broker import EmbeddedBroker
from tests.security.mutations import broken, damaged, fuzzing
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake
from tests.support.stages import stamp
from worker.reconciler.reconciler import Reconciler
from worker.storage.open_stages import OWN_FOLDER

PAGES = 5
UNFORESEEN = LeafmarkError.exit_code
COMMANDS = (
    ("status",),
    ("status", SCAN, "--json"),
    ("enqueue", SCAN, "--stage", STAGE, "--dry-run"),
    ("enqueue", SCAN, "--stage", STAGE, "--json"),
    ("enqueue", SCAN, "--stage", STAGE, "--no-resume", "--start-page", "2"),
    ("status", SCAN),
)
SOME = tuple(pairwise(COMMANDS))
fuzz = fuzzing(40)


class Bench:
    """A scan that stands half done, made anew as often as one likes, and the command line in this process."""

    def __init__(
        self, fake: FakeDeployment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.fake = fake
        self.scan = fake.write_scan(pages=PAGES)
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.metadata = self.scan.metadata_path.read_bytes()
        self.reset()
        self.checkpoint = self.checkpoint_path.read_bytes()
        self.output = fake.output_path(1).read_bytes()
        self.marker = self.marker_path.read_bytes()

    @property
    def checkpoint_path(self) -> Path:
        return self.scan.checkpoint_path(STAGE)

    @property
    def marker_path(self) -> Path:
        return self.fake.root / OWN_FOLDER / "open" / f"{SCAN}@{STAGE}"

    def reset(self) -> None:
        """Two pages complete, one in quarantine, two to do."""
        self.fake.redis.flushdb()
        self.scan.metadata_path.write_bytes(self.metadata)
        self.checkpoint_path.unlink(missing_ok=True)
        for path in self.scan.path.rglob("page_*.json"):
            path.unlink()
        self.fake.ask_for((1, PAGES), total_pages=PAGES)
        self.fake.complete(1, 2, cost_usd=0.01)

    def commands_know_what_to_say(self, data: st.DataObject | None = None) -> None:
        """Insist that every command does its work or ends with an error of ours; in a fuzz some of them."""
        for command in data.draw(st.sampled_from(SOME)) if data else COMMANDS:
            self._monkeypatch.setattr(sys, "argv", ["producer", *command])
            code = _exit_code(main)
            said = self._capsys.readouterr().err
            assert code != UNFORESEEN, f"{command}: {said}"
            assert "Traceback" not in said
            assert code == 0 or len(said.splitlines()) >= 1, f"{command} ended with {code} and no word"

    def reconciler_goes_on(self) -> None:
        reconciler = Reconciler(self.fake.parts.store, self.fake.parts.queues, self.fake.parts.calls)
        for _ in range(2):
            reconciler.commit_inboxes()
            reconciler.recover()


def _exit_code(run: Callable[[], None]) -> int:
    try:
        run()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def bench(
    tmp_path: Path,
    broker: EmbeddedBroker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Bench]:
    root = tmp_path / "scans"
    # Hundreds of books are made and thrown away here; no power cut is tried.
    monkeypatch.setattr(os, "fsync", id)
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(root))
    monkeypatch.setenv("LEAFMARK_REDIS_URL", broker.url)
    with Redis.from_url(broker.url) as client:
        fake = make_fake(root, monkeypatch, client, redis_url=broker.url)
        yield Bench(fake, capsys, monkeypatch)


@fuzz
@given(data=st.data())
def test_outputs(bench: Bench, data: st.DataObject) -> None:
    bench.reset()
    for page in (1, 3):
        bench.fake.output_path(page).write_bytes(data.draw(damaged(bench.output)))
    outputs = bench.fake.parts.store.outputs(REF)
    for page in (1, 3):
        outputs.check(page)
        outputs.check(page, PageRecord(sha256="0" * 64, schema_version="1"))
        with suppress(LeafmarkError):
            outputs.load(page)
    bench.commands_know_what_to_say(data)
    bench.reconciler_goes_on()


@fuzz
@given(data=st.data())
def test_checkpoints(bench: Bench, data: st.DataObject) -> None:
    bench.reset()
    bench.checkpoint_path.write_bytes(data.draw(damaged(_without_ranges(bench.checkpoint))))
    with suppress(LeafmarkError):
        bench.fake.checkpoint()
    bench.reconciler_goes_on()
    bench.commands_know_what_to_say(data)
    bench.reconciler_goes_on()


@fuzz
@given(data=st.data())
def test_metadata(bench: Bench, data: st.DataObject) -> None:
    bench.reset()
    bench.scan.metadata_path.write_bytes(data.draw(damaged(bench.metadata)))
    with suppress(LeafmarkError):
        bench.scan.read_metadata()
    bench.commands_know_what_to_say(data)
    bench.reconciler_goes_on()


@fuzz
@given(data=st.data())
def test_markers_of_open_stages(bench: Bench, data: st.DataObject) -> None:
    bench.reset()
    bench.marker_path.write_bytes(data.draw(broken(bench.marker)))
    bench.checkpoint_path.write_bytes(b"{" * data.draw(st.integers(0, 3)))
    bench.reconciler_goes_on()
    bench.commands_know_what_to_say(data)


def _without_ranges(checkpoint: bytes) -> bytes:
    """Huge ranges are a matter of their own: see `test_huge_books.py`."""
    data: dict[str, Any] = json.loads(checkpoint)
    return json.dumps(data | {"requested": []}).encode()


def test_the_bench_is_what_the_fuzz_takes_it_for(bench: Bench) -> None:
    assert json.loads(bench.checkpoint)["completed_pages"] == [1, 2]
    assert json.loads(bench.marker) == [[1, PAGES]]
    assert json.loads(bench.output) == stamp(1).model_dump(mode="json")
    bench.commands_know_what_to_say()
    assert bench.fake.checkpoint().completed_pages == [1]
