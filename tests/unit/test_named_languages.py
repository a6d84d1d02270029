"""Which languages count as named by a person: those of the profile, and of a setting that the engine reads with."""

from typing import Any

import pytest

from tests.support.fake_deployment import REF, SCAN, FakeDeployment
from worker.config.configured_stages import ConfiguredStages
from worker.config.settings import Settings
from worker.pages.book_profile import NO_PROFILE, BookProfile, PageProfile
from worker.pipeline.stage_inputs import ScanInputs


@pytest.mark.parametrize(
    ("own", "profile", "named"),
    [
        ({}, BookProfile(lang="de,la"), ("de", "la")),
        ({}, BookProfile(lang="deu+frak2021"), ("de", "frak2021")),
        ({"ocr_engine": "auto"}, BookProfile(lang="el"), ("el",)),
        # RapidOCR ignores the setting, whose default is English.
        ({}, NO_PROFILE, ()),
        ({}, BookProfile(dpi=400), ()),
        ({"ocr_engine": "auto"}, NO_PROFILE, ()),
        # Tesseract reads with it.
        ({"ocr_engine": "tesseract"}, NO_PROFILE, ("en",)),
        ({}, BookProfile(engine="tesseract"), ("en",)),
        ({"ocr_lang": "deu"}, BookProfile(engine="tesseract"), ("de",)),
        ({"ocr_engine": "tesseract"}, BookProfile(engine="rapidocr"), ()),
        # With Fraktur, it reads with German data too.
        ({"ocr_engine": "tesseract"}, BookProfile(typeface="fraktur"), ()),
        ({"ocr_engine": "tesseract", "ocr_lang": "da"}, BookProfile(typeface="fraktur"), ("da",)),
    ],
)
def test_languages_are_those_of_the_profile_or_those_that_the_engine_reads_with(
    fake: FakeDeployment, own: dict[str, Any], profile: BookProfile, named: tuple[str, ...]
) -> None:
    metadata = fake.parts.store.metadata(SCAN).model_copy(update={"profile": profile})

    assert ConfiguredStages(Settings(**own)).named_languages(metadata, 1) == named


def test_a_worker_takes_the_languages_that_were_set_where_the_book_was_enqueued(fake: FakeDeployment) -> None:
    stages = ConfiguredStages(Settings(ocr_engine="tesseract", ocr_lang="de"), as_enqueued=True)
    metadata = fake.parts.store.metadata(SCAN)
    enqueued = metadata.model_copy(update={"defaults": BookProfile(engine="tesseract", lang="fr")})
    ignored = metadata.model_copy(update={"defaults": BookProfile(engine="rapidocr", lang="eng")})

    assert stages.named_languages(enqueued, 1) == ("fr",)
    assert stages.named_languages(ignored, 1) == ()


def test_the_inputs_of_a_page_have_the_languages_of_that_page(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    greek = PageProfile(pages=((2, 3),), profile=BookProfile(lang="el"))
    store = fake.parts.store
    update = {"profile": BookProfile(lang="de"), "page_profiles": (greek,)}
    metadata = store.metadata(SCAN).model_copy(update=update)
    monkeypatch.setattr(store, "metadata", lambda _scan_id: metadata)

    inputs = ScanInputs(store, fake.parts.calls, REF, 2, lambda: True)

    assert [inputs.languages(page) for page in (1, 2, 3, 4)] == [("de",), ("el",), ("el",), ("de",)]
