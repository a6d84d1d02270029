"""Following a stage to its end, with progress for a person or a log."""

from collections.abc import Callable

import pytest

from checkpointing.checkpoint import Checkpoint
from checkpointing.file import CheckpointFile
from checkpointing.page_records import FailedPage
from producer.watch.follow import follow
from producer.watch.output import plain_line
from producer.watch.screen import PlainLines
from producer.watch.snapshot import Snapshot
from producer.watch.stage_reader import StageReader
from tests.support.fake_deployment import REF, FakeDeployment

TORN = FailedPage(page=2, kind="torn", message="torn")


class Seen:
    """A view that remembers what it was shown: complete pages and failed ones."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, int]] = []

    def show(self, checkpoint: Checkpoint) -> None:
        self.shown.append((len(checkpoint.pages), len(checkpoint.failed_pages)))


@pytest.fixture
def fake(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    monkeypatch.setattr("producer.watch.follow._POLL_SECONDS", 0.001)
    return fake


def file_of(fake: FakeDeployment) -> CheckpointFile:
    return fake.another_process().store.checkpoint_file(REF)


def test_following_ends_when_every_wanted_page_is_complete_or_quarantined(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    steps: list[Callable[[], object]] = [
        lambda: fake.complete(1),
        lambda: fake.hand_over(TORN),
        fake.commit,
        lambda: fake.complete(3),
    ]

    def step() -> None:
        if steps:
            steps.pop(0)()

    view = Seen()
    checkpoint = follow(file_of(fake), {1, 2, 3}, view.show, step)
    assert (checkpoint.completed_pages, checkpoint.quarantined()) == ([1, 3], {2})
    assert view.shown[0] == (0, 0)
    assert view.shown[-1] == (2, 1)
    assert view.shown == sorted(view.shown)


def test_a_settled_stage_is_shown_once(fake: FakeDeployment) -> None:
    fake.ask_for((1, 2))
    fake.complete(1, 2)
    view = Seen()
    follow(file_of(fake), {1, 2}, view.show)
    assert view.shown == [(2, 0)]


def test_an_unchanged_checkpoint_is_neither_shown_nor_read_again(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A book of 100,000 pages takes a second to parse, and is polled several times a second."""
    fake.ask_for((1, 2))
    fake.complete(1)
    file = fake.another_process().store.checkpoint_file(REF)
    reads = []
    read = file.read

    def counted() -> Checkpoint:
        reads.append(1)
        return read()

    monkeypatch.setattr(file, "read", counted)
    polls = []

    def step() -> None:
        polls.append(1)
        if len(polls) == 20:
            fake.complete(2)

    view = Seen()
    follow(file, {1, 2}, view.show, step)
    assert view.shown == [(1, 0), (2, 0)]
    assert len(reads) == 2


def test_following_waits_for_a_checkpoint_that_is_missing_or_being_rebuilt(fake: FakeDeployment) -> None:
    fake.ask_for((1, 2))
    path = file_of(fake).path
    whole = path.read_bytes()
    steps: list[Callable[[], object]] = [
        lambda: path.write_bytes(b"{ torn"),
        path.unlink,
        lambda: path.write_bytes(whole),
        lambda: fake.complete(1, 2),
    ]

    def step() -> None:
        if steps:
            steps.pop(0)()

    assert follow(file_of(fake), {1, 2}, Seen().show, step).completed_pages == [1, 2]


def test_an_exception_of_on_poll_ends_the_wait(fake: FakeDeployment) -> None:
    def give_up() -> None:
        raise KeyboardInterrupt

    fake.ask_for((1, 2))
    with pytest.raises(KeyboardInterrupt):
        follow(file_of(fake), {1, 2}, Seen().show, give_up)


def test_a_line_shows_pages_rate_cost_and_quarantined_pages(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    fake.complete(1, 3, cost_usd=0.125)
    fake.hand_over(TORN)
    fake.commit()
    text = plain_line(StageReader(fake.another_process().store, REF).snapshot(None, None))
    assert text.startswith("a-book/stamp: 2 of 5 pages complete, 1 quarantined  ")
    assert "$0.25" in text
    assert "pages/s  ETA 0:0" in text


def test_plain_lines_print_at_intervals_and_at_the_end(fake: FakeDeployment) -> None:
    lines: list[str] = []
    fake.ask_for((1, 5))
    view = PlainLines(lines.append)
    for page in range(1, 6):
        fake.complete(page)
        view.show(Snapshot((StageReader(fake.another_process().store, REF).snapshot(None, None),)))
    assert len(lines) == 2
    assert "1 of 5" in lines[0]
    assert "5 of 5" in lines[1]
