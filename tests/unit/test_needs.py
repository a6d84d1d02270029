"""Which queue the pages of a book go through, and whether a worker can serve it."""

from pathlib import Path

import pytest

from checkpointing.errors import SettingsError
from worker.config.settings import Settings
from worker.ocr.engines.base import Engine, OcrLine
from worker.ocr.engines.needs import Need, needs_of, queue_name, stage_of
from worker.ocr.engines.registry import ENGINES

GREEK = Need("tesseract", "el", "antiqua")
FRAKTUR = Need("tesseract", "de+la", "fraktur")


@pytest.fixture
def tessdata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which language data is looked for."""
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("needs", "name"),
    [
        ([], "ocr"),
        ([Need("rapidocr", "eng", "antiqua")], "ocr"),
        ([GREEK], "ocr:tesseract:el:antiqua"),
        ([GREEK, FRAKTUR, GREEK], "ocr:tesseract:de+la:fraktur|tesseract:el:antiqua"),
        ([Need("rapidocr", "eng", "antiqua"), GREEK], "ocr:tesseract:el:antiqua"),
        ([Need("unheard-of", "script/Fraktur", "antiqua")], "ocr:unheard-of:script/Fraktur:antiqua"),
    ],
)
def test_a_queue_is_named_after_what_not_every_installation_has(needs: list[Need], name: str) -> None:
    assert queue_name("ocr", needs) == name
    assert stage_of(name) == "ocr"
    assert needs_of(name) == sorted(need for need in set(needs) if need.engine != "rapidocr")


@pytest.mark.parametrize(
    "name",
    [
        "ocr:",
        "ocr:tesseract",
        "ocr:tesseract:el",
        "ocr:tesseract:../../etc/passwd:antiqua",
        "ocr:tesseract:el:antiqua|",
        "ocr:tesseract:el:antiqua:",
        "ocr:tesseract:e l:antiqua",
        "ocr:tesseract:el\n:antiqua",
        "ocr:" + "|".join(["tesseract:el:antiqua"] * 100),
        "ocr:\ud800",
    ],
)
def test_a_forged_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        needs_of(name)


@pytest.mark.usefixtures("tessdata")
def test_data_that_is_not_installed_is_named_with_its_package() -> None:
    with pytest.raises(SettingsError, match="apt-get install tesseract-ocr-ell"):
        GREEK.check(Settings())


def test_data_that_is_installed_is_enough(tessdata: Path) -> None:
    for name in ("ell", "frk", "lat", "osd"):
        (tessdata / f"{name}.traineddata").touch()
    for need in (GREEK, FRAKTUR):
        need.check(Settings())
    assert ENGINES["tesseract"].languages_installed() == ["ell", "frk", "lat"]


def test_how_to_install_it_is_told_on_machines_that_have_it() -> None:
    assert "tesseract-ocr-ell" in GREEK.installation(Settings())
    assert "tesseract-ocr-frk tesseract-ocr-lat" in FRAKTUR.installation(Settings())
    assert Need("unheard-of", "el", "antiqua").installation(Settings()) == ""


class Handwriting(Engine):
    """An engine of a plug-in whose package is not installed."""

    name = "handwriting"
    package = "handwriting-that-nobody-has"
    languages = "all"

    @property
    def version(self) -> str:
        return "1"

    def load(self) -> None:
        raise NotImplementedError

    def recognise(self, image: object) -> list[OcrLine]:
        raise NotImplementedError


@pytest.fixture
def handwriting(monkeypatch: pytest.MonkeyPatch) -> Need:
    monkeypatch.setitem(ENGINES, "handwriting", Handwriting)
    return Need("handwriting", "eng", "antiqua")


def test_an_engine_of_a_plug_in_needs_its_package(handwriting: Need) -> None:
    with pytest.raises(SettingsError, match="pip install handwriting-that-nobody-has"):
        handwriting.check(Settings())


def test_an_engine_that_this_installation_does_not_know_is_lacking() -> None:
    with pytest.raises(SettingsError, match="no OCR engine"):
        Need("unheard-of", "eng", "antiqua").check(Settings())
