"""What is stale: shown with its reason and its price, and done again or kept only when somebody says so."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from checkpointing.errors import CommandLineError, SettingsError
from checkpointing.outputs import OutputFolder
from checkpointing.page_records import PageRecord
from checkpointing.refs import StageRef
from producer.commands.enqueue import enqueue_command
from producer.commands.verify import verify_command
from producer.planning.enqueue import enqueue, plan, plan_all, requests_through
from producer.planning.plan_output import plan_json, print_plan
from producer.planning.request import Plan, Request, StaleAre
from producer.planning.stale import find_stale
from producer.terminal.console import notes
from producer.verify.findings import Kind
from producer.verify.repair import repair
from producer.verify.verify_scan import verify
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, write_source
from tests.support.stages import LaterStage, StampStage, register_last, stamp
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.pages.metadata import SourceFile
from worker.pipeline.coordinators import make_coordinator
from worker.pipeline.provenance import source_sha256
from worker.stages.registry import STAGES

LATER = LaterStage.name
ALL = Request(SCAN, LATER)
ITS_OCR = f"its {STAGE} changed"
_EACH_USD = 0.02


class UninstalledStage(StampStage):
    """Its engine is not installed here."""

    @property
    def recipe(self) -> NoReturn:
        raise SettingsError("the engine is not installed")


@pytest.fixture
def later() -> LaterStage:
    return LaterStage()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: LaterStage) -> FakeDeployment:
    """The pages 1 to 5 are complete in both stages."""
    monkeypatch.setattr("producer.planning.preconditions.check_broker", bool)  # the fake broker has no address
    made = make_fake(
        tmp_path / "scans",
        monkeypatch,
        llm_base_url="http://server/v1",
        llm_api_key="key",
        correction_model="tiny",
        prices="tiny=0/0, large=0/0",
    )
    register_last(monkeypatch, later)
    monkeypatch.setattr("producer.open_deployment.Deployment", lambda *_, **__: made.another_process())
    write_source(made.write_scan())
    made.ask_for((1, 5))
    for page in range(1, 6):
        made.process(page)
    made.commit()
    enqueue(made.parts, ALL)
    work_on(made, 1, 2, 3, 4, 5)
    set_costs(made, _EACH_USD)
    return made


def work_on(fake: FakeDeployment, *pages: int, stage: str = LATER) -> None:
    """Do pages of a stage, and commit them."""
    for page in pages:
        fake.process(page, stage=stage)
    fake.redis.delete(fake.parts.queues.keys.commit(StageRef(SCAN, stage)))
    make_coordinator(fake.parts.store, fake.parts.queues, StageRef(SCAN, stage)).commit()


@contextmanager
def form_of(fake: FakeDeployment, stage: str) -> Iterator[dict[str, Any]]:
    """The checkpoint of a stage, to be changed as somebody with an editor does."""
    path = fake.parts.store.checkpoint_file(StageRef(SCAN, stage)).path
    form = json.loads(path.read_bytes())
    yield form
    path.write_text(json.dumps(form))


def set_costs(fake: FakeDeployment, usd: float) -> None:
    with form_of(fake, LATER) as form:
        for record in form["pages"].values():
            record["cost_usd"] = usd
        form["metadata"]["total_cost_usd"] = usd * len(form["pages"])


def redo_earlier(fake: FakeDeployment, *pages: int) -> None:
    """Let the stamp stage do pages again, with something else on them."""
    for page in pages:
        enqueue(fake.parts, Request(SCAN, STAGE, page, page, resume=False))
    fake.stage.act = lambda page: stamp(page, "stamped anew")
    work_on(fake, *pages, stage=STAGE)


def records(fake: FakeDeployment, stage: str = LATER) -> Mapping[int, PageRecord]:
    return fake.parts.store.checkpoint_file(StageRef(SCAN, stage)).read().pages


def reasons(fake: FakeDeployment, stage: str = LATER) -> dict[int, str]:
    """What is stale, as a process sees it that comes new to it."""
    found = find_stale(fake.another_process().store, StageRef(SCAN, stage), records(fake, stage))
    return {page: why.words() for page, why in found.items()}


def parts_with(fake: FakeDeployment, **settings: Any) -> Deployment:
    """That of a process with other settings."""
    return Deployment(fake.settings.model_copy(update=settings), fake.app, fake.redis)


def said(made: Plan, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_plan(notes, made)
    return capsys.readouterr().err.splitlines()


def test_nothing_is_stale_when_nothing_has_changed(fake: FakeDeployment) -> None:
    assert all(record.made_from for record in records(fake).values())
    assert reasons(fake) == reasons(fake, STAGE) == {}


def test_a_page_that_was_redone_makes_the_page_made_from_it_stale_and_no_other(fake: FakeDeployment) -> None:
    redo_earlier(fake, 2, 4)
    assert reasons(fake) == {2: ITS_OCR, 4: ITS_OCR}
    assert reasons(fake, STAGE) == {}


def test_a_page_that_was_redone_with_the_same_result_makes_nothing_stale(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE, 2, 2, resume=False))
    work_on(fake, 2, stage=STAGE)
    assert reasons(fake) == {}


def test_while_the_earlier_stage_is_at_a_page_its_staleness_is_unknown(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE, 2, 3, resume=False))
    assert reasons(fake) == {}


def test_an_earlier_page_without_a_hash_or_a_checkpoint_that_is_torn_make_nothing_stale(
    fake: FakeDeployment,
) -> None:
    redo_earlier(fake, 2)
    with form_of(fake, STAGE) as form:
        form["pages"]["2"]["sha256"] = None
    assert reasons(fake) == {}
    fake.parts.store.checkpoint_file(REF).path.write_text("{")
    assert reasons(fake) == {}


def test_another_source_makes_the_first_stage_stale(fake: FakeDeployment) -> None:
    metadata = fake.parts.store.scan(SCAN).metadata_path
    form = json.loads(metadata.read_text())
    form["source"]["files"][0]["sha256"] = "1" * 64
    metadata.write_text(json.dumps(form))
    assert reasons(fake, STAGE) == dict.fromkeys(range(1, 6), "its source changed")


def profile_of_scan(fake: FakeDeployment, **profile: object) -> None:
    metadata = fake.parts.store.scan(SCAN).metadata_path
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "profile": profile}))


def test_another_profile_makes_the_stage_that_reads_the_source_stale_and_no_other(fake: FakeDeployment) -> None:
    profile_of_scan(fake, dpi=400)
    assert reasons(fake, STAGE) == dict.fromkeys(range(1, 6), "the engine or the stage changed")
    assert reasons(fake) == {}
    enqueue(fake.parts, Request(SCAN, STAGE, refresh_stale=True))
    work_on(fake, 1, 2, 3, 4, 5, stage=STAGE)
    assert reasons(fake, STAGE) == {}
    profile_of_scan(fake)
    assert set(reasons(fake, STAGE)) == {1, 2, 3, 4, 5}


def test_a_profile_that_says_what_the_settings_say_of_the_engine_makes_nothing_stale(fake: FakeDeployment) -> None:
    profile_of_scan(fake, engine=fake.settings.ocr_engine, lang="deu")
    assert reasons(fake, STAGE) == {}


def test_a_profile_with_an_engine_that_is_not_here_makes_nothing_stale(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    class RapidStage(StampStage):
        def __init__(self, options: Settings) -> None:
            super().__init__(options)
            if options.ocr_engine != "rapidocr":
                raise SettingsError("there is no such engine")

    monkeypatch.setitem(STAGES, STAGE, RapidStage)
    profile_of_scan(fake, engine="abbyy", dpi=400)
    assert reasons(fake, STAGE) == {}


def test_pages_of_several_files_are_told_apart_as_a_worker_tells_them(fake: FakeDeployment) -> None:
    files = tuple(
        SourceFile(name=f"{name}.tif", pages=pages, sha256=name * 64) for name, pages in (("a", 2), ("b", 3))
    )
    metadata = fake.parts.store.metadata(SCAN)
    changed = metadata.model_copy(update={"source": metadata.source.model_copy(update={"files": files})})
    fake.parts.store.scan(SCAN).metadata_path.write_text(changed.model_dump_json())
    assert len({source_sha256(place) for place in changed.source.places()}) == 5
    enqueue(fake.parts, Request(SCAN, STAGE, resume=False))
    work_on(fake, 1, 2, 3, 4, 5, stage=STAGE)
    assert reasons(fake, STAGE) == {}


def test_other_instructions_make_every_page_stale(fake: FakeDeployment, later: LaterStage) -> None:
    later.recipe = "second instructions"
    assert reasons(fake) == dict.fromkeys(range(1, 6), "the model or the instructions changed")


def test_both_reasons_are_told_of_one_page(fake: FakeDeployment, later: LaterStage) -> None:
    redo_earlier(fake, 3)
    later.recipe = "second instructions"
    assert reasons(fake)[3] == f"{ITS_OCR} and the model or the instructions changed"


def test_a_plan_names_the_old_model_and_the_new_one(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    made = plan(parts_with(fake, correction_model="large").store, ALL)
    (line,) = said(made, capsys)
    assert line == (
        "5 pages are stale: the model or the instructions changed from 'first instructions; model tiny' to "
        "'first instructions; model large' (1-5); they have cost $0.10 so far; "
        "--refresh-stale processes them again, --accept-stale keeps them"
    )
    assert made.refresh_cost_usd == pytest.approx(0.1)


def test_another_version_of_the_stage_is_named(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LaterStage, "version", "2")
    made = plan(fake.another_process().store, ALL)
    assert {why.words() for why in made.stale.values()} == {
        "the model or the instructions changed from version 1 to version 2"
    }


def test_an_output_that_says_something_else_than_the_checkpoint_is_not_quoted(
    fake: FakeDeployment, later: LaterStage
) -> None:
    later.recipe = "second instructions"
    enqueue(fake.another_process(), Request(SCAN, LATER, accept_stale=True))
    later.recipe = "third instructions"
    made = plan(fake.another_process().store, ALL)
    assert {why.words() for why in made.stale.values()} == {"the model or the instructions changed"}


def test_without_a_model_only_what_pages_are_made_from_is_compared(fake: FakeDeployment, later: LaterStage) -> None:
    redo_earlier(fake, 3)
    later.recipe = "second instructions"
    parts = parts_with(fake, correction_model="")
    found = find_stale(parts.store, StageRef(SCAN, LATER), records(fake))
    assert {page: why.words() for page, why in found.items()} == {3: ITS_OCR}
    assert {page: why.words() for page, why in verify(parts.store, SCAN, LATER).stages[0].stale.items()} == {
        3: ITS_OCR
    }


def test_without_the_engine_only_what_pages_are_made_from_is_compared(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, STAGE, UninstalledStage())
    assert reasons(fake, STAGE) == {}


def test_records_that_say_nothing_of_it_are_never_stale(fake: FakeDeployment, later: LaterStage) -> None:
    redo_earlier(fake, 2)
    later.recipe = "second instructions"
    with form_of(fake, LATER) as form:
        for record in form["pages"].values():
            record["made_from"] = ""
    assert reasons(fake) == {}


def test_stale_pages_count_as_complete_until_the_user_decides(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    redo_earlier(fake, 2, 4, 5)
    for made in (plan(fake.another_process().store, ALL), enqueue(fake.another_process(), ALL)):
        assert (made.skipped, made.remaining, made.enqueued) == (5, [], [])
        assert made.stale_are is StaleAre.SHOWN
        (line,) = said(made, capsys)
        assert line == (
            f"3 pages are stale: their {STAGE} changed (2, 4-5); they have cost $0.060 so far; "
            "--refresh-stale processes them again, --accept-stale keeps them"
        )
        form = plan_json(made, dry_run=False)
        assert form["stale"] == [{"page": page, "reason": ITS_OCR} for page in (2, 4, 5)]
        assert form["refresh_cost_usd"] == pytest.approx(0.06)


def test_only_pages_of_the_range_are_told_of(fake: FakeDeployment) -> None:
    redo_earlier(fake, 2, 4)
    request = Request(SCAN, LATER, 3, 5, refresh_stale=True)
    assert plan(fake.another_process().store, request).stale.keys() == {4}
    assert enqueue(fake.another_process(), request).enqueued == [4]
    assert reasons(fake) == {2: ITS_OCR}


def test_a_refresh_does_the_stale_pages_again_and_no_others(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    retired: list[int] = []
    monkeypatch.setattr(
        "producer.planning.enqueue.retire_answers", lambda _parts, _ref, pages: retired.extend(pages)
    )
    redo_earlier(fake, 2, 4)
    retired.clear()
    outputs = fake.parts.store.outputs(StageRef(SCAN, LATER))
    request = Request(SCAN, LATER, refresh_stale=True)
    would = plan(fake.another_process().store, request)
    made = enqueue(fake.another_process(), request)
    for each in (would, made):
        assert (each.remaining, each.completed, each.skipped) == ([2, 4], 3, 3)
        assert each.stale.keys() == {2, 4}
        assert each.cost_saved_usd == pytest.approx(0.06)
        assert said(each, capsys)[0].endswith("; they are processed again")
    assert made.enqueued == retired == [2, 4]
    assert outputs.pages() == {1, 3, 5}
    assert (outputs.path / "set_aside" / outputs.path_of(2).name).exists()
    work_on(fake, 2, 4)
    assert outputs.load(2)["text"] == "stamped anew again"
    assert reasons(fake) == {}


def test_a_refresh_without_stale_pages_does_nothing(fake: FakeDeployment) -> None:
    made = enqueue(fake.another_process(), Request(SCAN, LATER, refresh_stale=True))
    assert (made.remaining, made.stale) == ([], {})
    assert fake.parts.store.outputs(StageRef(SCAN, LATER)).pages() == {1, 2, 3, 4, 5}


def test_stale_pages_that_are_accepted_are_not_shown_again(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    redo_earlier(fake, 2, 4)
    before = fake.parts.store.outputs(StageRef(SCAN, LATER)).path_of(2).read_bytes()
    request = Request(SCAN, LATER, accept_stale=True)
    assert plan(fake.another_process().store, request).stale.keys() == {2, 4}
    assert reasons(fake).keys() == {2, 4}, "a dry run accepts nothing"
    made = enqueue(fake.another_process(), request)
    assert made.remaining == []
    assert said(made, capsys)[0].endswith("; they are kept and count as current")
    assert reasons(fake) == {}
    assert fake.parts.store.outputs(StageRef(SCAN, LATER)).path_of(2).read_bytes() == before
    assert enqueue(fake.another_process(), request).stale == {}


def test_what_was_accepted_is_stale_again_after_the_next_change(fake: FakeDeployment) -> None:
    redo_earlier(fake, 2)
    enqueue(fake.another_process(), Request(SCAN, LATER, accept_stale=True))
    enqueue(fake.parts, Request(SCAN, STAGE, 2, 2, resume=False))
    fake.stage.act = lambda page: stamp(page, "stamped a third time")
    work_on(fake, 2, stage=STAGE)
    assert reasons(fake) == {2: ITS_OCR}


def test_what_is_accepted_without_the_model_keeps_how_it_was_made(fake: FakeDeployment) -> None:
    redo_earlier(fake, 2)
    was = records(fake)[2].made_from
    (why,) = find_stale(parts_with(fake, correction_model="").store, StageRef(SCAN, LATER), records(fake)).values()
    assert why.current != was
    assert why.current.partition(".")[2] == was.partition(".")[2]


def test_doing_everything_again_leaves_nothing_stale(fake: FakeDeployment) -> None:
    redo_earlier(fake, 2)
    request = Request(SCAN, LATER, resume=False)
    assert plan(fake.another_process().store, request).stale == {}
    assert enqueue(fake.another_process(), request).stale == {}


def test_to_refresh_and_to_accept_at_once_is_refused() -> None:
    with pytest.raises(CommandLineError, match="use one of them"):
        Request(SCAN, LATER, refresh_stale=True, accept_stale=True)


def test_a_dry_run_sees_outputs_that_the_checkpoint_does_not_name(fake: FakeDeployment) -> None:
    redo_earlier(fake, 2)
    with form_of(fake, LATER) as form:
        form["completed_pages"].remove(2)
        form["pages"].pop("2")
    would = plan(fake.another_process().store, ALL)
    assert would.stale.keys() == enqueue(fake.another_process(), ALL).stale.keys() == {2}


def test_a_refresh_through_several_stages_judges_each_by_what_is_complete_before_it(
    fake: FakeDeployment, later: LaterStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    redo_earlier(fake, 2)
    later.recipe = "second instructions"
    monkeypatch.setattr(StampStage, "version", "2")
    with form_of(fake, STAGE) as form:
        form["pages"]["4"]["made_from"] = form["pages"]["5"]["made_from"] = ""
    first = Request(SCAN, STAGE, refresh_stale=True)
    requests = requests_through(fake.parts.store, first, LATER)
    would = plan_all(fake.another_process().store, requests)
    assert [each.remaining for each in would] == [[1, 2, 3], [4, 5]]
    parts = fake.another_process()
    assert [enqueue(parts, request).remaining for request in requests] == [[1, 2, 3], [4, 5]]


def test_verify_shows_stale_pages_and_is_content(fake: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    redo_earlier(fake, 2, 4)
    verify_command(SCAN)
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{SCAN}/{LATER}: 2 pages are stale: their {STAGE} changed (2, 4); they have cost $0.040 so far; "
        f"`producer enqueue {SCAN} --stage {LATER}` with --refresh-stale processes them again, with "
        "--accept-stale keeps them"
    )
    verify_command(SCAN, as_json=True)
    form = json.loads(capsys.readouterr().out)
    assert form["clean"]
    assert form["findings"] == []
    assert [
        (each["stage"], each["page"], each["kind"], each["problem"], each["mendable"]) for each in form["stale"]
    ] == [(LATER, page, Kind.STALE.value, ITS_OCR, False) for page in (2, 4)]
    assert form["refresh_cost_usd"] == pytest.approx(0.04)


def test_a_repair_leaves_stale_pages_alone(fake: FakeDeployment) -> None:
    redo_earlier(fake, 2, 4)
    fake.parts.store.outputs(StageRef(SCAN, LATER)).path_of(4).unlink()
    (report,) = verify(fake.another_process().store, SCAN, LATER).stages
    assert [finding.kind for finding in report.findings] == [Kind.MISSING]
    assert report.stale.keys() == {2}, "what is damaged is done again anyway"
    made = repair(fake.another_process(), SCAN, report)
    assert made is not None
    assert made.enqueued == [4]
    assert reasons(fake) == {2: ITS_OCR}


def test_a_repair_has_nothing_to_do_about_stale_pages(fake: FakeDeployment) -> None:
    redo_earlier(fake, 2)
    (report,) = verify(fake.another_process().store, SCAN, LATER).stages
    assert repair(fake.another_process(), SCAN, report) is None


def test_the_command_refreshes_what_is_stale(fake: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    redo_earlier(fake, 2, 4)
    capsys.readouterr()
    for dry_run in (True, False):
        enqueue_command(SCAN, LATER, refresh_stale=True, dry_run=dry_run, as_json=True, wait=False)
        form = json.loads(capsys.readouterr().out)
        assert form["remaining_pages"] == [2, 4]
        assert form["enqueued_pages"] == ([] if dry_run else [2, 4])


def test_the_price_of_little_is_not_rounded_to_nothing(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    set_costs(fake, 0.000_4)
    redo_earlier(fake, 2)
    (line,) = said(plan(fake.another_process().store, ALL), capsys)
    assert "so far" in line


@pytest.mark.parametrize("stage", [STAGE, LATER])
def test_twenty_thousand_pages_are_judged_without_reading_an_output(
    fake: FakeDeployment, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = range(1, 20_001)
    sample = records(fake)[1]
    metadata = fake.parts.store.metadata(SCAN)
    images = tuple(SourceFile(name=f"{page}.png", pages=1, sha256=f"{page:064x}") for page in pages)
    source = metadata.source.model_copy(update={"kind": "images", "files": images})
    long_book = metadata.model_copy(update={"source": source, "total_pages": len(pages)})
    fake.parts.store.scan(SCAN).metadata_path.write_text(long_book.model_dump_json())
    with form_of(fake, STAGE) as form:
        form["pages"] = {str(page): {"sha256": f"{page:064x}"} for page in pages}
        form["completed_pages"] = list(pages)

    def fail(_outputs: OutputFolder, page: int) -> NoReturn:
        raise AssertionError(f"the output of page {page} is read")

    monkeypatch.setattr(OutputFolder, "_read", fail)
    found = find_stale(fake.another_process().store, StageRef(SCAN, stage), dict.fromkeys(pages, sample))
    assert len(found) == len(pages)
