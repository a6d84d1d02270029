"""Languages as BCP 47 tags, Tesseract's names for them, and the engine that `auto` chooses by them."""

import json
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image, ImageDraw, ImageFont

from checkpointing.errors import SettingsError
from checkpointing.refs import StageRef
from producer.ingest.ingest_source import ingest
from tests.support.fake_deployment import SCAN, FakeDeployment
from worker.config.settings import Settings
from worker.ocr.engines import languages, registry, tesseract
from worker.ocr.engines.base import Engine
from worker.ocr.engines.rapid.engine import RapidOcr
from worker.ocr.engines.registry import choose_engine
from worker.pages.book_profile import BookProfile, check_language
from worker.pipeline.stage_inputs import ScanInputs
from worker.stages.ocr import OcrStage
from worker.stages.options import OcrOptions


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("de", "de"),
        ("de,la", "de+la"),
        ("de, la", "de+la"),
        ("zh-Hant,en", "zh-Hant+en"),
        ("deu+eng", "deu+eng"),
        ("frak2021", "frak2021"),
        ("script/Fraktur+frak2021_1.069", "script/Fraktur+frak2021_1.069"),
    ],
)
def test_languages_are_kept_in_the_form_that_earlier_versions_read(given: str, kept: str) -> None:
    assert check_language(given) == kept


@pytest.mark.parametrize("given", ["", ",", "de,", "de;la", "de la", "../de", "de,../x"])
def test_what_is_not_a_language_is_refused_with_what_is_allowed(given: str) -> None:
    with pytest.raises(
        ValueError, match=r"BCP 47 tags, like de or de,la, .* like eng, deu\+eng, frak2021 or script/Fr"
    ):
        check_language(given)


@pytest.mark.parametrize(
    ("lang", "names"),
    [
        ("de+la", ["deu", "lat"]),
        ("el+grc", ["ell", "grc"]),
        ("DE-at", ["deu"]),
        ("pt-BR", ["por"]),
        ("zh", ["chi_sim"]),
        ("zh-hans", ["chi_sim"]),
        ("zh-Hant-HK", ["chi_tra"]),
        ("zh-TW", ["chi_tra"]),
        ("sr+sr-Latn", ["srp", "srp_latn"]),
        ("nb+nn", ["nor"]),
        # Names of data files stay as they are.
        ("deu+eng", ["deu", "eng"]),
        ("frak2021+script/Fraktur+Latin", ["frak2021", "script/Fraktur", "Latin"]),
        ("de-best", ["de-best"]),
        ("grc-best", ["grc-best"]),
        ("frk", ["frk"]),
    ],
)
def test_languages_have_the_names_of_tesseracts_data(lang: str, names: list[str]) -> None:
    assert languages.tesseract_names(lang, "antiqua") == names


@pytest.mark.parametrize(
    ("lang", "names"),
    [
        ("de", ["fraktur"]),
        ("deu", ["fraktur"]),
        ("de+da", ["fraktur"]),
        # Latin within a German book is set in roman type.
        ("de+la", ["fraktur", "lat"]),
        ("eng", ["fraktur", "eng"]),
        ("frak2021+lat", ["frak2021", "lat"]),
    ],
)
def test_in_fraktur_its_data_stands_for_the_languages_that_were_set_in_it(lang: str, names: list[str]) -> None:
    assert languages.tesseract_names(lang, "fraktur") == names


def test_the_script_of_a_tag_says_fraktur_too() -> None:
    assert languages.tesseract_names("de-Latf+la", "antiqua") == ["fraktur", "lat"]


def test_every_tag_is_that_of_cldr_for_the_code_of_its_data() -> None:
    """CLDR knows the two-letter code of each three-letter one, by the register of ISO 639-3."""
    core = pytest.importorskip("babel.core", reason="babel is not installed: pip install babel")
    aliases = core.get_global("language_aliases")
    for tag in languages.known_tags():
        [name] = languages.tesseract_names(tag, "antiqua")
        code = name.split("_")[0]
        if tag not in {"kmr", "ku", "nb", "nn", "tl"} and code != "chi":
            assert aliases.get(code, code) == tag.split("-")[0]


def test_unknown_tags_are_found_and_names_of_data_files_are_not_taken_for_tags() -> None:
    assert languages.unknown_tags("de+xx+de-Latn+de-Wxyz+deu+frak2021+script/Fraktur") == ["xx", "de-Wxyz"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of data."""
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    (tmp_path / "script").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (["script/Fraktur", "deu"], "script/Fraktur"),
        (["Fraktur"], "script/Fraktur"),
        (["script/Fraktur", "frk"], "frk"),
        (["frk", "deu_latf"], "deu_latf"),
        (["script/Fraktur", "frk", "deu_latf", "frak2021"], "frak2021"),
    ],
)
def test_german_in_fraktur_is_read_with_the_best_data_that_is_installed(
    installed: Path, names: list[str], best: str
) -> None:
    for name in names:
        (installed / f"{name}.traineddata").touch()
    options = OcrOptions(ocr_lang="de,la", ocr_typeface="fraktur")

    assert tesseract.Tesseract(options).lang == f"{best}+lat"


@pytest.mark.usefixtures("installed")
def test_fraktur_without_data_is_a_settings_error_that_names_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tesseract, "_tesserocr", lambda: None)
    engine = tesseract.Tesseract(OcrOptions(ocr_lang="de", ocr_typeface="fraktur"))

    with pytest.raises(SettingsError, match=r"no data for 'frk' in .*apt-get install tesseract-ocr-frk"):
        engine.load()


@pytest.mark.parametrize(
    ("lang", "typeface", "engine"),
    [
        ("eng", "antiqua", "rapidocr"),
        ("de+en", "antiqua", "rapidocr"),
        ("deu+eng", "antiqua", "rapidocr"),
        ("zh-Hans", "antiqua", "rapidocr"),
        ("de", "fraktur", "tesseract"),
        ("el", "antiqua", "tesseract"),
        ("ru", "antiqua", "tesseract"),
        ("cs", "antiqua", "tesseract"),
        # One of the languages is enough.
        ("de+el", "antiqua", "tesseract"),
        ("frak2021", "antiqua", "tesseract"),
        ("script/Latin", "antiqua", "tesseract"),
        ("de-Latf", "antiqua", "tesseract"),
    ],
)
def test_auto_chooses_the_first_engine_that_reads_all_languages_in_the_typeface(
    lang: str, typeface: str, engine: str
) -> None:
    assert choose_engine("auto", lang, typeface) == engine
    assert Settings(ocr_engine="auto", ocr_lang=lang, ocr_typeface=typeface).chosen_engine == engine
    assert choose_engine("rapidocr", lang, typeface) == "rapidocr"


class SilentEngine(RapidOcr):
    """Declares nothing, like the engine of an older plug-in."""

    name = "silent"
    languages_read: ClassVar[frozenset[str]] = frozenset()
    reads = Engine.reads


def test_an_engine_that_declares_nothing_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ENGINES", {"silent": SilentEngine})
    with pytest.raises(SettingsError, match="no OCR engine reads de in antiqua; name one: silent"):
        choose_engine("auto", "de", "antiqua")
    assert choose_engine("silent", "de", "antiqua") == "silent"


def recipe(fake: FakeDeployment, profile: BookProfile) -> str:
    metadata = fake.parts.store.metadata(SCAN).model_copy(update={"profile": profile})
    stage = fake.parts.store.stages.get_for(metadata, OcrStage.name, 1)
    assert isinstance(stage, OcrStage)
    return stage.recipe


def test_another_name_of_the_same_reading_makes_no_page_stale(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("tesserocr", reason="tesserocr is not installed: pip install 'leafmark[tesseract]'")
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    (tmp_path / "frk.traineddata").touch()
    as_before = recipe(fake, BookProfile(engine="tesseract", lang="deu+eng"))

    assert ", deu+eng, " in as_before
    assert recipe(fake, BookProfile(engine="tesseract", lang="de+en")) == as_before
    assert recipe(fake, BookProfile(engine="tesseract", lang="deu+eng", typeface="antiqua")) == as_before
    assert recipe(fake, BookProfile(engine="tesseract", lang="de", typeface="fraktur")).count(", frk, ")
    assert recipe(fake, BookProfile(engine="auto", lang="de", typeface="fraktur")).count(", frk, ")
    plain = recipe(fake, BookProfile())
    assert plain == recipe(fake, BookProfile(engine="auto")) == recipe(fake, BookProfile(engine="auto", lang="de"))


def test_books_of_all_languages_that_rapidocr_reads_share_one_engine(fake: FakeDeployment) -> None:
    store = fake.parts.store
    metadata = store.metadata(SCAN)
    for profile in (BookProfile(engine="auto", lang="de"), BookProfile(typeface="fraktur", lang="el")):
        profiled = metadata.model_copy(update={"profile": profile})
        assert store.stages.get_for(profiled, "ocr", 1) is store.stages.get("ocr")


def test_a_typeface_is_kept_in_the_metadata(fake: FakeDeployment) -> None:
    metadata = fake.parts.store.metadata(SCAN)
    profile = BookProfile(lang="de+la", typeface="fraktur", engine="auto")
    kept = json.loads(metadata.model_copy(update={"profile": profile}).model_dump_json())["profile"]
    assert kept == {"lang": "de+la", "typeface": "fraktur", "engine": "auto"}
    assert profile.words() == "language de+la, typeface fraktur, engine auto"


PRINTED = {"de": "Größere Bäume, süße Früchte.", "el": "Ψυχή γράφει βιβλία."}


def printed(text: str) -> Image.Image:
    try:
        font = ImageFont.truetype("DejaVuSerif.ttf", 40)
    except OSError:
        pytest.skip("there is no font DejaVu Serif: apt-get install fonts-dejavu-core")
    page = Image.new("L", (1000, 200), 240)
    ImageDraw.Draw(page).text((60, 60), text, font=font, fill=20)
    return page


def tesseract_for(lang: str) -> Engine:
    pytest.importorskip("tesserocr", reason="tesserocr is not installed: pip install 'leafmark[tesseract]'")
    engine = tesseract.Tesseract(OcrOptions(ocr_engine="tesseract", ocr_lang=lang))
    try:
        engine.load()
    except SettingsError as error:
        pytest.skip(str(error))
    return engine


@pytest.mark.parametrize("lang", PRINTED)
def test_tesseract_reads_a_language_that_is_given_by_its_tag(lang: str) -> None:
    lines = tesseract_for(lang).recognise(printed(PRINTED[lang]))
    assert [line.text for line in lines] == [PRINTED[lang]]


def test_books_in_german_and_greek_are_each_read_right_in_one_process(fake: FakeDeployment, tmp_path: Path) -> None:
    for lang, text in PRINTED.items():
        tesseract_for(lang)
        folder = tmp_path / lang
        folder.mkdir()
        for number in (1, 2):
            printed(f"{text} {number}").save(folder / f"{number}.png", dpi=(300, 300))
        ingest(folder, fake.root, scan_id=lang, profile=BookProfile(lang=lang, engine="tesseract"))
    store, calls = fake.parts.store, fake.parts.calls

    for page in (1, 2):
        for lang, text in PRINTED.items():
            inputs = ScanInputs(store, calls, StageRef(lang, OcrStage.name), page, lambda: True)
            output = inputs.stage.run(page, inputs).model_dump()
            assert [region["text"] for region in output["regions"]] == [f"{text} {page}"]
