"""Whether a stage asks a model is known from the stage; no call is made without a model or outside the books."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from checkpointing.errors import SettingsError
from checkpointing.messages import Pause
from checkpointing.money import whole_micro
from checkpointing.refs import StageRef
from producer.planning.spending import check_model_and_price
from producer.run.supervisor import _worker_options
from sample.provider import Provider
from tests.support.fake_deployment import SCAN, FakeDeployment, make_fake
from worker.config.settings import Settings
from worker.llm.errors import ProviderRefusesError
from worker.llm.prompt import Prompt
from worker.pipeline.process_page import process_page
from worker.plugins import Options
from worker.queue.messages import Outcome, PageMessage
from worker.stages.base import PageOutput, Stage, StageInputs
from worker.stages.model_stage import model_inputs
from worker.stages.registry import STAGES, missing_settings, uses_model

NAME = "summary"


class Corrected(BaseModel):
    model_config = ConfigDict(title="correction", extra="ignore")

    regions: list[dict[str, Any]]


class Summary(PageOutput):
    text: str


class SummaryOptions(Options):
    summary_model: str = ""


class SummaryStage(Stage):
    """A stage of a plug-in: it asks a model, which an option of its own names."""

    name = NAME
    output_dir = "summaries"
    schema = Summary
    uses_model = True
    Options = SummaryOptions

    def run(self, page: int, inputs: StageInputs) -> Summary:
        user = {"page": page, "before": "", "after": "", "regions": [{"id": "r1", "type": "body", "text": "Alice"}]}
        prompt = Prompt(system="Correct.", user=json.dumps(user), answer=Corrected, most_tokens=400)
        return model_inputs(inputs).ask(
            prompt, lambda reply: Summary(page_number=page, text=str(reply.answer.regions[0]["text"]))
        )


class QuietStage(SummaryStage):
    """Says that it asks nobody."""

    uses_model = False


@pytest.fixture
def _named_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAFMARK_SUMMARY_MODEL", "a-model")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: Provider) -> Iterator[FakeDeployment]:
    monkeypatch.setitem(STAGES, NAME, SummaryStage())
    made = make_fake(
        tmp_path / "scans",
        monkeypatch,
        llm_base_url=provider.base_url,
        llm_api_key="a-key",
        prices="a-model=0.15/0.60",
        budget_usd="0.01",
    )
    made.write_scan()
    yield made
    made.parts.calls.endpoint("").client.close()
    made.parts.calls.endpoint("a-model").client.close()


def process(fake: FakeDeployment) -> Outcome:
    return process_page(
        fake.parts.store, fake.parts.queues, fake.parts.calls, PageMessage(scan_id=SCAN, stage=NAME, page=1)
    )


def paused_for(fake: FakeDeployment) -> str:
    (entry,) = fake.parts.queues.inbox(StageRef(SCAN, NAME)).read(10).entries
    assert isinstance(entry, Pause)
    return entry.reason


def test_a_stage_without_a_setting_of_its_own_asks_a_model_if_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STAGES, NAME, SummaryStage())
    assert uses_model(NAME)
    monkeypatch.setitem(STAGES, NAME, QuietStage())
    assert not uses_model(NAME)
    assert {name for name in STAGES if uses_model(name)} == {"correction", "fix", "structure"}


def test_a_stage_without_a_model_makes_no_call_and_is_paused(fake: FakeDeployment, provider: Provider) -> None:
    assert process(fake) is Outcome.PAUSED
    assert provider.calls == 0
    assert "LEAFMARK_SUMMARY_MODEL" in paused_for(fake)


@pytest.mark.parametrize("model", ["", "  "])
def test_an_empty_model_is_refused_in_the_one_place_that_makes_calls(
    fake: FakeDeployment, provider: Provider, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setattr(Settings, "missing_for", lambda *_: [])
    monkeypatch.setattr(Settings, "model", lambda *_: model)
    assert process(fake) is Outcome.PAUSED
    assert provider.calls == 0
    assert "LEAFMARK_SUMMARY_MODEL" in paused_for(fake)
    assert not fake.parts.store.ledger(StageRef(SCAN, NAME)).path.exists()


def test_a_producer_refuses_a_stage_whose_model_is_not_set(fake: FakeDeployment) -> None:
    with pytest.raises(SettingsError, match="LEAFMARK_SUMMARY_MODEL"):
        check_model_and_price(fake.parts.settings, NAME)


@pytest.mark.usefixtures("_named_model")
def test_the_environment_names_the_model_of_a_plugin(fake: FakeDeployment, provider: Provider) -> None:
    check_model_and_price(fake.parts.settings, NAME)
    assert missing_settings(NAME, fake.settings) == []
    assert process(fake) is Outcome.COMPLETE
    assert provider.calls == 1
    (entry,) = fake.parts.queues.inbox(StageRef(SCAN, NAME)).read(10).entries
    # A completion has whole micro-dollars; the ledger has the provider's own decimals.
    assert entry.ledger_micro == whole_micro(fake.parts.store.ledger(StageRef(SCAN, NAME)).spent(1))
    assert entry.ledger_micro


@pytest.mark.usefixtures("_named_model")
def test_a_stage_that_declares_no_model_cannot_ask(
    fake: FakeDeployment, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, NAME, QuietStage())
    with pytest.raises(ProviderRefusesError, match="uses_model = True"):
        fake.parts.calls.paid_calls(StageRef(SCAN, NAME))
    assert process(fake) is Outcome.PAUSED
    assert provider.calls == 0
    assert missing_settings(NAME, fake.settings) == []


def test_a_stage_that_asks_is_served_by_the_worker_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STAGES, NAME, SummaryStage())
    computing, waiting = _worker_options(1, [NAME])
    assert NAME not in computing[-1].split(",")
    assert waiting[-1] == NAME
