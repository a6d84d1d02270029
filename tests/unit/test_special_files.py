"""A FIFO in the place of any file of a scan: no command and no worker waits for it, and other books go on."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkpointing.budget import read_budget
from checkpointing.errors import CheckpointError, InputError, StorageError
from checkpointing.ledger import Ledger
from checkpointing.ledger_entry import Call, new_attempt
from checkpointing.money import Money
from producer.ingest.scanshelf_folder import take_in
from producer.logs.log_files import LogFiles
from producer.report.write import check_target
from producer.run import supervisor
from producer.run.supervised_run import Supervisor, only_run
from producer.status.scan_status import all_scans, scan_status
from producer.verify import check_stage
from producer.verify.findings import Kind
from producer.verify.verify_scan import verify
from producer.watch.sources import count_other_scans
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, page_parts
from worker.pages.sources.images import ImageSource, inspect_image
from worker.pages.sources.pdfium import inspect_pdf
from worker.reconciler.reconciler import Reconciler
from worker.storage.open_stages import OWN_FOLDER
from worker.telemetry.logs import ScanLogFiles
from worker.worker_info import introduction

pytestmark = pytest.mark.timeout(300)
OTHER = "other-book"


@pytest.fixture
def fake(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """Two books; of the first one the pages 1 to 3 of 5 are complete."""
    monkeypatch.setattr(check_stage, "MERGE_SECONDS", 0.0)
    fake.write_scan(OTHER)
    fake.ask_for((1, 5))
    fake.ask_for((1, 5), scan_id=OTHER)
    fake.complete(1, 2, 3, cost_usd=0.25)
    return fake


def make_fifo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def statuses(fake: FakeDeployment) -> dict[str, str]:
    """By scan, as `producer status` shows it; a scan that cannot be shown is left out."""
    found = all_scans(fake.another_process().store, on_broken=bool)
    return {scan.metadata.scan_id: scan.stages[STAGE].status for scan in found}


def assert_other_book_goes_on(fake: FakeDeployment) -> None:
    fake.hand_over(fake.completion(1, scan_id=OTHER), scan_id=OTHER)
    reconciler = Reconciler(*page_parts(fake.another_process()), {STAGE: 2})
    reconciler.commit_inboxes()
    reconciler.recover()
    assert sorted(fake.checkpoint(OTHER).pages) == [1]
    assert statuses(fake)[OTHER] == "in_progress"


def test_a_checkpoint_that_is_a_fifo_is_unreadable_and_is_rebuilt_from_the_outputs(fake: FakeDeployment) -> None:
    file = fake.another_process().store.checkpoint_file(REF)
    make_fifo(file.path)
    assert statuses(fake)[SCAN] == "unreadable"
    assert Kind.CHECKPOINT_UNUSABLE in {
        finding.kind for finding in verify(fake.another_process().store, SCAN, STAGE).findings
    }
    assert count_other_scans(fake.root, {OTHER}) == "1 other scan: 1 not started"
    with pytest.raises(CheckpointError, match="not a regular file"):
        file.read()
    assert_other_book_goes_on(fake)
    with file.exclusive() as rebuilt:
        assert sorted(rebuilt.pages) == [1, 2, 3]
    assert file.path.is_file()
    assert scan_status(fake.another_process().store, SCAN).stages[STAGE].completed == 3


def test_an_output_that_is_a_fifo_does_not_count_and_is_done_again(fake: FakeDeployment) -> None:
    make_fifo(fake.output_path(2))
    findings = verify(fake.another_process().store, SCAN, STAGE).findings
    assert (Kind.UNREADABLE, 2) in [(finding.kind, finding.page) for finding in findings]
    make_fifo(fake.output_path(4))
    fake.complete(4)
    assert fake.output_path(4).is_file()
    assert 4 in fake.checkpoint().pages
    assert_other_book_goes_on(fake)


def test_a_lock_that_is_a_fifo_stops_its_own_stage_only(fake: FakeDeployment) -> None:
    lock = make_fifo(fake.parts.store.checkpoint_file(REF).path.with_suffix(".lock"))
    file = fake.another_process().store.checkpoint_file(REF)
    with pytest.raises(OSError, match="not a regular file"), file.exclusive():
        pass
    make_fifo(fake.output_path(2))
    with pytest.raises(StorageError, match=rf"{STAGE}\.lock: it is not a regular file .* move it away"):
        verify(fake.another_process().store, SCAN, STAGE)
    fake.hand_over(fake.completion(5))
    assert_other_book_goes_on(fake)
    lock.unlink()
    fake.commit()
    assert 5 in fake.checkpoint().pages


@pytest.mark.parametrize("make", [make_fifo, Path.mkdir])
def test_a_book_whose_metadata_is_not_a_file_is_reported_and_not_left_out(
    fake: FakeDeployment, make: Callable[[Path], object]
) -> None:
    broken = fake.parts.store.root / "broken-book"
    broken.mkdir()
    make(broken / "metadata.json")
    said: list[str] = []
    found = all_scans(fake.another_process().store, on_broken=lambda error: said.append(str(error)))
    assert sorted(scan.metadata.scan_id for scan in found) == sorted([SCAN, OTHER])
    [reason] = said
    assert "broken-book/metadata.json is not a regular file; restore it from a backup" in reason
    assert_other_book_goes_on(fake)


@pytest.mark.parametrize("record", ["metadata.json", "leafmark.json"])
def test_metadata_that_is_a_fifo_breaks_its_own_scan_only(fake: FakeDeployment, record: str) -> None:
    scan = fake.parts.store.scan(SCAN)
    scan.source_dir.mkdir()
    make_fifo(scan.path / record)
    if record == "metadata.json":
        with pytest.raises(InputError, match=r"metadata\.json is not a regular file"):
            fake.another_process().store.metadata(SCAN)
        assert SCAN not in statuses(fake)
    else:
        assert fake.another_process().store.metadata(SCAN).total_pages == 5
    assert_other_book_goes_on(fake)


def test_a_folder_of_another_program_with_fifos_is_broken_alone(fake: FakeDeployment) -> None:
    scan = fake.parts.store.scan("taken-over")
    (scan.path / "checkpoints").mkdir(parents=True)
    make_fifo(scan.source_dir / "page_0001.png")
    with pytest.raises(InputError, match="not a regular file"):
        take_in(scan)
    assert_other_book_goes_on(fake)


def test_a_source_file_that_is_a_fifo_is_trouble_of_the_storage(tmp_path: Path) -> None:
    image, pdf = make_fifo(tmp_path / "a.png"), make_fifo(tmp_path / "a.pdf")
    looks: list[Callable[[], Any]] = [
        lambda: inspect_image(image),
        lambda: ImageSource([(image, 1)]).page(1),
        lambda: inspect_pdf(pdf),
    ]
    for look in looks:
        with pytest.raises(StorageError, match="not a regular file"):
            look()


def test_a_source_that_is_a_fifo_is_said_by_verify(fake: FakeDeployment) -> None:
    scan = fake.parts.store.scan(SCAN)
    make_fifo(scan.source_dir / fake.parts.store.metadata(SCAN).source.files[0].name)
    [finding] = verify(fake.another_process().store, SCAN, STAGE).source
    assert "is not a regular file" in finding.problem


def test_an_answer_in_the_ledger_that_is_a_fifo_loses_its_words_and_no_money(fake: FakeDeployment) -> None:
    ledger = Ledger(fake.parts.store.scan(SCAN).path, STAGE)
    call = Call(
        attempt=new_attempt(),
        scan_id=SCAN,
        stage=STAGE,
        page=1,
        provider="p",
        model="m",
        request_sha256="0" * 64,
        most_micro=900,
        cost_micro=700,
    )
    ledger.ask(call)
    ledger.answer(call)
    [path] = (ledger.path / "page_0001").iterdir()
    make_fifo(path)
    assert ledger.usable(1, "0" * 64) is None
    assert ledger.spent(1) == Money.from_micro(700)


def test_a_budget_that_is_a_fifo_lets_nothing_be_spent(tmp_path: Path) -> None:
    make_fifo(tmp_path / "ledger" / "budget.json")
    with pytest.raises(StorageError, match="so no paid call is made"):
        read_budget(tmp_path)


def test_an_open_stage_that_is_a_fifo_asks_for_no_page(fake: FakeDeployment) -> None:
    make_fifo(fake.root / OWN_FOLDER / "open" / f"{SCAN}@{STAGE}")
    assert fake.open_stages.requested(REF) == []
    assert_other_book_goes_on(fake)


def test_a_log_that_is_a_fifo_stops_no_page(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_fifo(fake.parts.store.scan(SCAN).logs_dir / f"{STAGE}_a.jsonl")
    files = ScanLogFiles(fake.root)
    monkeypatch.setattr(files, "_path", lambda *_: path)
    event = {"event": "done", "scan_id": SCAN, "stage": STAGE}
    assert files(None, "info", event) == event
    files.close()
    assert list(LogFiles(path.parent).new_lines()) == []


def test_a_file_of_the_doctor_that_is_a_fifo_is_not_seen(fake: FakeDeployment) -> None:
    make_fifo(fake.root / OWN_FOLDER / f"doctor-{'a' * 16}")
    assert not introduction(fake.parts.settings, [STAGE], 1, "a" * 16).sees_token


def test_a_report_does_not_wait_for_the_fifo_that_it_would_replace(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a regular file"):
        check_target(make_fifo(tmp_path / "report.html"))


def test_a_run_whose_lock_or_log_is_a_fifo_says_so(tmp_path: Path) -> None:
    make_fifo(tmp_path / OWN_FOLDER / "run.lock")
    with pytest.raises(StorageError, match=r"run\.lock: it is not a regular file"), only_run(tmp_path):
        pass
    make_fifo(tmp_path / OWN_FOLDER / "worker.log")
    with pytest.raises(StorageError, match=r"worker\.log: it is not a regular file"):
        Supervisor(tmp_path, 1)


def test_a_temp_file_that_is_a_fifo_is_cleared_away_as_an_orphan(fake: FakeDeployment) -> None:
    fifo = make_fifo(fake.output_path(2).with_name("page_0002.json.tmp.0123456789abcdef"))
    fake.parts.store.outputs(REF).remove_orphans()
    assert not fifo.exists()


def test_the_workers_of_a_run_whose_lock_is_a_fifo_end_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("producer.run.supervisor.signal.signal", print)
    make_fifo(tmp_path / OWN_FOLDER / "backstage.lock")
    assert supervisor.main(tmp_path, 1, []) == StorageError.exit_code
    said = capsys.readouterr().err
    assert said == f"leafmark worker: {(tmp_path / supervisor.FAILURE_FILE).read_text()}\n"
    assert "backstage.lock: it is not a regular file" in said
    assert said.count("\n") == 1
