"""Control characters in a page's text or a model's do not reach outputs; `test_report` shows the report."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from producer.run.summary import _body_texts
from tests.support.fake_deployment import REF, FakeDeployment, make_fake
from tests.support.stages import Stamp, stamp
from worker.queue.messages import Outcome
from worker.text.control_characters import clean_model, clean_text

NASTY = "a\x00b\x1b[31mc\x7fd\x9be\u202ef\u2066g"
CLEAN = "ab[31mcdefg"


class Line(BaseModel):
    text: str
    parts: tuple[str, ...] = ()
    by_name: dict[str, str | None] = {}
    number: int = 3


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Call me Ishmael.\n\tIt is", "Call me Ishmael.\n\tIt is"),
        (NASTY, CLEAN),
        ("one\r\ntwo\rthree\vfour\ffive\x85six\u2028seven", "one\ntwo\nthree\nfour\nfive\nsix\nseven"),
        ("می‌خواهم \u200fא\u200e ﬁ ß 汉", "می‌خواهم \u200fא\u200e ﬁ ß 汉"),
        ("", ""),
    ],
)
def test_control_characters_are_taken_out_and_texts_stay(text: str, clean: str) -> None:
    assert clean_text(text) == clean
    assert clean_model(Line(text=text)).text == clean


def test_every_text_of_a_model_is_cleaned_however_deep() -> None:
    cleaned = clean_model(Line(text="x", parts=("a\x08", NASTY), by_name={"k": "v\x1f", "n": None}))
    assert cleaned == Line(text="x", parts=("a", CLEAN), by_name={"k": "v", "n": None})


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_model_is_cleaned_as_its_texts_are(text: str) -> None:
    assert clean_model(Line(text=text, parts=(text,))) == Line(text=clean_text(text), parts=(clean_text(text),))
    assert clean_text(clean_text(text)) == clean_text(text)


def test_a_page_is_saved_without_control_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake: FakeDeployment = make_fake(tmp_path / "scans", monkeypatch)
    fake.write_scan()
    fake.stage.act = lambda page: stamp(page, NASTY)
    assert fake.process(1) is Outcome.COMPLETE
    assert Stamp.model_validate_json(fake.output_path(1).read_bytes()).text == CLEAN


def test_an_excerpt_of_an_older_output_holds_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = make_fake(tmp_path / "scans", monkeypatch)
    fake.write_scan()
    outputs = fake.parts.store.outputs(REF)
    monkeypatch.setattr(outputs, "load", lambda _page: {"regions": [{"type": "body", "text": NASTY}]})
    assert [*_body_texts(outputs, 1)] == [CLEAN]
