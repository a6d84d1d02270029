"""Flower, as it is started in the README, looked at in a browser while a book with troubles is done."""

import json
import re
import socket
from ast import literal_eval
from collections.abc import Iterator
from urllib.parse import quote_plus
from urllib.request import urlopen

import pytest
from playwright.sync_api import BrowserContext, Error, Page, expect

from producer.run.embedded_broker import EmbeddedBroker
from tests.support.browser import Complaints, browser_context, chromium_path, keep_screenshot
from tests.support.deployment import WORKLOAD_WORKER, Deployment, deployment_in
from tests.support.fake_deployment import write_scan
from tests.support.waiting import Patience

USER, PASSWORD = "librarian", "open: sesame"
PAGES = 12
FAILS, CRASHES = 3, 7
ATTEMPTS = 2
# Celery waits so long for the result of a process that died (`worker_lost_wait`), and shows its page as started.
UNNOTICED_SECONDS = 10
IMPATIENT = {
    "LEAFMARK_CLAIM_SECONDS": "1",
    "LEAFMARK_HEAL_SECONDS": "0.3",
    "LEAFMARK_MAX_ATTEMPTS": str(ATTEMPTS),
    "WORK_SECONDS": "0.05",
    "WORK_TROUBLE": json.dumps({str(FAILS): "error", str(CRASHES): "crash"}),
}
# The columns of `worker.celery`, by their place.
STATE, ARGUMENTS, RESULT = 0, 1, 2


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory, broker_of_session: EmbeddedBroker) -> Iterator[str]:
    """Its address, once two books have been through the stage `work`, and one waits for its source in `ocr`.

    The worker is started without `--task-events`: Flower asks for them.
    """
    chromium_path()
    broker_of_session.keep_alive()
    broker_of_session.flush()
    with deployment_in(tmp_path_factory.mktemp("flower"), broker_of_session.url, "work") as deployment:
        deployment.start_worker(2, "-Q", "work,ocr", **IMPATIENT)
        deployment.wait_until_ready()
        address = start_flower(deployment)
        deployment.wait(lambda: answers(address), 60, "Flower to answer")
        write_scan(deployment.root, "moby-dick", PAGES)
        write_scan(deployment.root, "walden", 2)
        # It asks some seconds after its start, and then every five.
        deployment.wait(lambda: events_are_on(deployment), 30, "Flower to ask for events")
        # There is no source behind it: a page that waits for its storage.
        deployment.producer("enqueue", "moby-dick", "--stage", "ocr", "--end-page", "1")
        deployment.producer("enqueue", "walden", "--stage", "work")
        deployment.producer("enqueue", "moby-dick", "--stage", "work", "--wait", expect=8)
        deployment.producer("cancel", "moby-dick", "--stage", "ocr")
        yield address


def start_flower(deployment: Deployment) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*WORKLOAD_WORKER[:-1], "flower", "--address=127.0.0.1", f"--port={port}"]
    deployment.start(command, FLOWER_BASIC_AUTH=f"{USER}:{PASSWORD}")
    return f"http://127.0.0.1:{port}"


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/healthcheck", timeout=5):  # noqa: S310  # always http
            return True
    except OSError:
        return False


def events_are_on(deployment: Deployment) -> bool:
    return "Events of group {task} enabled by remote" in deployment.logs()


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with browser_context(
        http_credentials={"username": USER, "password": PASSWORD}, viewport={"width": 1600, "height": 1000}
    ) as made:
        made.set_default_timeout(20_000)
        yield made


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    opened = context.new_page()
    complaints = Complaints(opened)
    yield opened
    opened.close()
    assert complaints.lines == []


def found(page: Page, flower: str, query: str, *, at_least: int = 1) -> list[list[str]]:
    """What a person finds in the list of tasks, as `looked_for`, once no task of theirs is under way any more."""
    patience = Patience(UNNOTICED_SECONDS + 20)
    rows = looked_for(page, flower, query, at_least)
    while unfinished := [row for row in rows if row[STATE] in {"RECEIVED", "STARTED"}]:
        assert not patience.is_over(), unfinished
        rows = looked_for(page, flower, query, at_least)
    return rows


def looked_for(page: Page, flower: str, query: str, at_least: int) -> list[list[str]]:
    """What a person finds who types into the search box of the list of tasks: each row's columns."""
    page.goto(f"{flower}/tasks")
    # The events of the last page are a moment behind it.
    page.locator("#tasks-table tbody tr td:nth-child(7)").first.wait_for()
    box = page.locator("#tasks-table_filter input")
    # It remembers what was looked for last.
    if box.input_value() != query:
        with page.expect_response(lambda answer: quote_plus(query) in (answer.request.post_data or "")):
            box.fill(query)
    page.get_by_text("filtered from").wait_for()
    page.locator(f"#tasks-table tbody tr:nth-child({at_least}) td:nth-child(7)").wait_for()
    return page.locator("#tasks-table tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
    )


def pages_in(rows: list[list[str]]) -> list[int]:
    return sorted(literal_eval(row[ARGUMENTS])["page"] for row in rows)


def test_a_client_without_the_password_sees_nothing(flower: str, context: BrowserContext) -> None:
    browser = context.browser
    assert browser is not None
    with browser.new_context() as stranger:
        for path in ("/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks"):
            assert stranger.request.get(f"{flower}{path}").status == 401
        # A person is asked for a name and a password, and sees a blank page.
        with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
            stranger.new_page().goto(f"{flower}/tasks")


def test_the_workers_are_there_and_what_they_gave_up_is_counted(flower: str, page: Page) -> None:
    page.goto(f"{flower}/workers")
    row = page.locator("#workers-table tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("w0@")
    expect(row).to_contain_text("Online")
    expect(page.locator("#workers-online")).to_have_text("1")
    # A page whose process died may be given up by two messages: its own, and that of the recovery.
    expect(page.locator("#workers-failed")).to_have_text(re.compile("^[23]$"))
    expect(page.locator("#workers-succeeded")).to_have_text(str(PAGES - 2 + 2))
    keep_screenshot(page, "flower-workers")


def test_every_page_is_in_the_list_with_its_arguments_and_what_became_of_it(flower: str, page: Page) -> None:
    page.goto(f"{flower}/tasks")
    heads = page.locator(".dataTables_scrollHead thead th").all_text_contents()
    assert heads == ["State", "kwargs", "Result", "Received", "Runtime", "Worker", "UUID"]
    rows = found(page, flower, "state:SUCCESS kwargs:scan_id=moby-dick", at_least=PAGES - 2)
    keep_screenshot(page, "flower-tasks")
    assert pages_in(rows) == [number for number in range(1, PAGES + 1) if number not in {FAILS, CRASHES}]
    assert {row[RESULT] for row in rows} == {"complete"}
    (row,) = found(page, flower, "kwargs:scan_id=moby-dick kwargs:stage=work kwargs:page=1")
    assert row[ARGUMENTS] == "{'page': 1, 'stage': 'work', 'scan_id': 'moby-dick'}"


def test_a_filter_by_scan_and_stage_leaves_only_those(flower: str, page: Page) -> None:
    rows = found(page, flower, "kwargs:scan_id=walden kwargs:stage=work", at_least=2)
    assert pages_in(rows) == [1, 2]
    assert all("'stage': 'work', 'scan_id': 'walden'" in row[ARGUMENTS] for row in rows)
    rows = found(page, flower, "kwargs:scan_id=moby-dick kwargs:stage=ocr")
    keep_screenshot(page, "flower-tasks-of-a-stage")
    assert all("'stage': 'ocr', 'scan_id': 'moby-dick'" in row[ARGUMENTS] for row in rows)
    assert any(row[STATE] == "RETRY" and row[RESULT].startswith("waits: ") for row in rows)


def test_a_page_that_is_tried_again_is_a_retry_and_one_given_up_a_failure(flower: str, page: Page) -> None:
    rows = found(page, flower, f"kwargs:scan_id=moby-dick kwargs:page={FAILS}", at_least=2)
    keep_screenshot(page, "flower-tasks-of-a-page")
    assert sorted((row[STATE], row[RESULT]) for row in rows) == [
        ("FAILURE", f"quarantined: error, attempts {ATTEMPTS}: ValueError: this page never works"),
        ("RETRY", "try_again: error, attempt 1: ValueError: this page never works"),
    ]
    rows = found(page, flower, f"kwargs:scan_id=moby-dick kwargs:page={CRASHES}", at_least=1)
    assert {row[STATE] for row in rows} <= {"FAILURE", "RETRY"}
    assert any(row[RESULT].startswith(f"quarantined: crashed, attempts {ATTEMPTS}: ") for row in rows)


def test_the_page_of_a_task_gives_the_reason_without_a_traceback(flower: str, page: Page) -> None:
    found(page, flower, "result:quarantined kwargs:page=3")
    page.locator("#tasks-table tbody tr:first-child td:last-child a").click()
    expect(page.locator("#task-page")).to_contain_text("'scan_id': 'moby-dick'")
    expect(page.locator("#task-page")).to_contain_text("this page never works")
    expect(page.locator("#task-page")).not_to_contain_text("Traceback")
    keep_screenshot(page, "flower-a-task")
