"""When a page is in doubt because its text is not in the script or the language that a person named for it."""

import random
from pathlib import Path

import pytest
from PIL import Image

import benchmarks
from tests.unit.test_ocr_stage import ListEngine, OnePage
from worker.ocr.boxes import Box
from worker.ocr.engines import languages
from worker.ocr.engines.base import OcrLine
from worker.ocr.language_plausibility import language_doubts
from worker.ocr.scripts import count_scripts, scripts_of
from worker.stages.ocr import OcrStage

PRINTS = {path.stem: path for path in (Path(benchmarks.__file__).parent / "old_print").glob("*.txt")}
PROSE = (
    "de-kant-1784",
    "en-bible-1611",
    "fr-montaigne-1580",
    "la-caesar",
    "es-cervantes-1605",
    "pl-mickiewicz-1834",
)


def text_of(name: str) -> str:
    return PRINTS[name].read_text(encoding="utf-8")


def tag_of(name: str) -> str:
    return name.partition("-")[0]


def kinds(text: str, *names: str) -> list[str]:
    return [doubt.kind for doubt in language_doubts(text, names)]


def test_text_in_another_script_gives_its_share_and_the_script_of_the_language() -> None:
    [doubt] = language_doubts("ψυχή " * 25 + "soul " * 225, ["el"])

    assert doubt.kind == "other_script"
    assert doubt.message == "script: 90 % of 1,000 letters are Latin, and el is written in Greek"


def test_the_message_names_all_languages_and_all_their_scripts() -> None:
    [doubt] = language_doubts("ψυχή " * 100, ["ja", "ru"])

    assert doubt.message == (
        "script: 100 % of 400 letters are Greek, and ja and ru are written in Cyrillic or Han or Kana"
    )


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("道可道非常道名可名非常名", "zh-Hant"),
        ("吾輩は猫である名前はまだ無い", "ja"),
        ("나랏말싸미 듕귁에 달아", "ko"),
        ("Добар дан", "sr"),
        ("Dobar dan", "sr"),
        ("Dobar dan", "sr-Latn"),
        ("Guten Tag", "de-Latf"),
        ("שלום עולם", "yi"),
        ("नमस्ते", "hi"),
        ("ⲁⲛⲟⲕ", "de"),  # Coptic is not among the known scripts.
        ("1865 456", "el"),
    ],
)
def test_text_in_the_script_of_the_language_is_not_doubted(text: str, tag: str) -> None:
    assert "other_script" not in kinds(text * 30, tag)


def test_foreign_words_up_to_two_thirds_of_the_letters_are_not_doubted() -> None:
    assert kinds("ψυχή LEAFMARK" * 50, "el") == []
    assert kinds("ψυχή LEAFMARKS" * 50, "el") == ["other_script"]


def test_a_few_letters_in_another_script_are_not_doubted() -> None:
    assert kinds("London, Macmillan and Co., 1865", "el") == []


def test_wide_and_joined_letters_belong_to_the_script_of_their_plain_form() -> None:
    assert count_scripts("Ａﬁª") == {"Latin": 3}
    assert count_scripts("ｱア") == {"Kana": 2}
    assert count_scripts("a1 -") == {"Latin": 1}


def test_every_language_has_the_script_that_cldr_gives_it() -> None:
    core = pytest.importorskip("babel.core", reason="babel is not installed: pip install babel")
    likely = core.get_global("likely_subtags")
    names = {
        "Arab": "Arabic", "Armn": "Armenian", "Beng": "Bengali", "Cans": "Canadian-syllabics", "Cher": "Cherokee",
        "Cyrl": "Cyrillic", "Deva": "Devanagari", "Ethi": "Ethiopic", "Geor": "Georgian", "Grek": "Greek",
        "Gujr": "Gujarati", "Guru": "Gurmukhi", "Hans": "Han", "Hant": "Han", "Hebr": "Hebrew", "Jpan": "Kana",
        "Khmr": "Khmer", "Knda": "Kannada", "Kore": "Hangul", "Laoo": "Lao", "Latn": "Latin", "Mlym": "Malayalam",
        "Mymr": "Myanmar", "Orya": "Oriya", "Sinh": "Sinhala", "Syrc": "Syriac", "Taml": "Tamil", "Telu": "Telugu",
        "Thaa": "Thaana", "Thai": "Thai", "Tibt": "Tibetan",
    }  # fmt: skip
    for tag in languages.known_tags():
        # CLDR has Northern Kurdish as `ku`.
        script = tag.partition("-")[2] or likely["ku" if tag == "kmr" else tag].split("_")[1]
        assert names[script] in scripts_of(tag), tag


@pytest.mark.parametrize("name", PRINTS)
def test_old_spelling_verse_indexes_tables_and_quotations_are_not_doubted(name: str) -> None:
    assert kinds(text_of(name), tag_of(name)) == []


@pytest.mark.parametrize("name", PROSE)
def test_text_in_another_language_of_the_same_script_is_doubted(name: str) -> None:
    tag = tag_of(name)

    for other in {"de", "en", "fr", "hu", "tr"} - {tag}:
        assert kinds(text_of(name), other) == ["other_language"]


def test_text_in_another_language_names_the_language_that_it_looks_like() -> None:
    [doubt] = language_doubts(text_of("fr-descartes-1637"), ["de", "la"])

    assert doubt.message == "language: 380 letters of running text look like fr, and not like de or la"


def test_one_of_several_languages_is_enough() -> None:
    assert kinds(text_of("fr-descartes-1637"), "de", "fr") == []
    assert kinds(text_of("fr-descartes-1637"), "ell", "fra") == []


@pytest.mark.parametrize("name", PROSE)
def test_text_with_a_tenth_of_its_letters_wrong_is_still_recognised(name: str) -> None:
    chance = random.Random(name)
    wrong = "".join(
        chance.choice("acehilnorstu") if each.islower() and chance.random() < 0.1 else each
        for each in text_of(name)
    )

    assert kinds(wrong, tag_of(name)) == []
    assert kinds(wrong, "fi") == ["other_language"]


def test_a_page_of_which_half_is_in_another_language_is_not_doubted() -> None:
    assert kinds(text_of("la-caesar") + text_of("de-kant-1784"), "de") == []
    assert kinds(text_of("de-kant-1784") + text_of("la-caesar") * 2, "de") == []


def test_a_few_words_in_another_language_are_not_doubted() -> None:
    assert kinds("Sapere aude! Habe Muth dich deines eigenen Verstandes zu bedienen!", "fr") == []
    assert kinds(text_of("de-kant-1784").upper(), "fr") == []


@pytest.mark.parametrize(
    "names", [(), ("frak2021",), ("script/Fraktur",), ("el", "Latin"), ("osd",), ("xx",), ("el", "de-best")]
)
def test_a_page_is_not_judged_where_not_all_languages_are_known(names: tuple[str, ...]) -> None:
    assert kinds(text_of("de-kant-1784"), *names) == []


def test_the_language_is_not_judged_where_the_identifier_does_not_know_one() -> None:
    assert kinds(text_of("de-kant-1784"), "fr") == ["other_language"]
    assert kinds(text_of("de-kant-1784"), "fr", "fo", "frm") == []
    assert kinds(text_of("de-kant-1784"), "frm") == []


def test_names_of_tesseracts_data_are_the_languages_that_they_read() -> None:
    assert kinds(text_of("de-kant-1784"), "frk") == []
    assert kinds(text_of("la-caesar"), "deu_latf") == ["other_language"]
    assert kinds(text_of("la-caesar"), "lat") == []


def found(text: str) -> list[OcrLine]:
    return [
        OcrLine(line, 0.95, Box(60, 50 + 60 * number, 800, 40)) for number, line in enumerate(text.splitlines())
    ]


@pytest.mark.parametrize(
    ("named", "expected"),
    [((), []), (("de",), []), (("el",), ["other_script"]), (("fr",), ["other_language"]), (("frak2021",), [])],
)
def test_the_stage_doubts_a_page_that_is_not_in_the_languages_named_for_it(
    named: tuple[str, ...], expected: list[str]
) -> None:
    stage = OcrStage(engine=ListEngine(found(text_of("de-kant-1784"))))

    page = stage.run(7, OnePage(Image.new("L", (1000, 1400), 235), languages=named))

    assert [doubt.kind for doubt in page.doubtful] == expected
