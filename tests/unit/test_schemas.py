"""The JSON Schemas of docs/schemas are those of the code, and say what real files look like."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from checkpointing.ledger import Ledger
from checkpointing.ledger_entry import Call, new_attempt
from checkpointing.money import Money
from checkpointing.page_records import FailedPage
from docs_tools.schemas import FORMATS, SCHEMAS, as_file, schema_of
from tests.support.fake_deployment import REF, FakeDeployment

EXAMPLES = SCHEMAS.parent / "examples"


def insist_on(name: str, data: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_bytes())
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(data)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_schema_is_up_to_date_and_is_one(form: Any) -> None:
    schema = schema_of(form)
    Draft202012Validator.check_schema(schema)
    written = (SCHEMAS / f"{form.name}.json").read_text(encoding="utf-8")
    assert written == as_file(schema), "write them anew: python -m docs_tools.schemas"


def test_there_is_no_schema_besides() -> None:
    assert {path.stem for path in SCHEMAS.iterdir()} == {form.name for form in FORMATS}


@pytest.mark.parametrize("name", ["ocr", "correction", "fix", "structure", "structure-metadata"])
def test_the_examples_match_and_lose_a_field_at_their_peril(name: str) -> None:
    example = json.loads((EXAMPLES / f"{name}.json").read_bytes())
    insist_on(name, example)
    for field in schema_of(next(form for form in FORMATS if form.name == name))["required"]:
        with pytest.raises(ValidationError):
            insist_on(name, {key: value for key, value in example.items() if key != field})


def test_a_real_checkpoint_matches(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    fake.complete(1, 3, cost_usd=0.02)
    fake.hand_over(FailedPage(page=2, kind="torn", message="torn", attempts=3))
    fake.commit()
    file = fake.parts.store.checkpoint_file(REF)
    with file.exclusive() as checkpoint:
        checkpoint.note_attempts({4: 2})
        checkpoint.note_ledger({1: Money.from_micro(20_000)})
        file.save(checkpoint)
    data = json.loads(file.path.read_bytes())
    assert (data["completed_pages"], len(data["failed_pages"]), data["attempts"]) == ([1, 3], 1, {"4": 2})
    insist_on("checkpoint", data)
    with pytest.raises(ValidationError):
        insist_on("checkpoint", {**data, "status": "nearly"})


def test_a_real_scan_and_a_real_call_match(fake: FakeDeployment, tmp_path: Path) -> None:
    insist_on("scan", json.loads(next(fake.root.glob("*/metadata.json")).read_bytes()))
    call = Call(
        attempt=new_attempt(),
        scan_id="book",
        stage="correction",
        page=1,
        provider="a-provider",
        model="a-model",
        request_sha256="0" * 64,
        most_micro=900,
    )
    Ledger(tmp_path, "correction").ask(call)
    [written] = tmp_path.glob("ledger/correction/page_0001/*.json")
    insist_on("ledger-call", json.loads(written.read_bytes()))


def test_every_field_of_a_scan_is_told_of() -> None:
    schema = schema_of(FORMATS[0])
    parts = [schema, *schema["$defs"].values()]
    assert all(field["description"] for part in parts for field in part["properties"].values())
