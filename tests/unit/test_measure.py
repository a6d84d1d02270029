"""Error rates: by their definitions, and the same as those of jiwer and dinglehopper."""

import json
import random
import re
from pathlib import Path
from typing import Any

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.evaluate.bootstrap import Intervals, intervals
from producer.evaluate.measure import Counts, count_errors, graphemes
from producer.evaluate.normalise import AS_READ, NORMALISED, normalised
from tests.support.character_errors import edit_distance

PAIRS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "dinglehopper" / "figures.json").read_text())
SAME = pytest.approx


def as_read(truth: str, reading: str) -> Counts:
    return count_errors(normalised(truth, AS_READ), normalised(reading, AS_READ))


@pytest.mark.parametrize("pair", PAIRS, ids=[pair["name"] for pair in PAIRS])
def test_character_errors_are_those_of_dinglehopper(pair: dict[str, Any]) -> None:
    cer = as_read(pair["truth"], pair["reading"]).cer
    assert cer is None if pair["cer"] is None else cer == SAME(pair["cer"], abs=1e-6)


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair["words"]], ids=lambda pair: pair["name"])
def test_word_errors_are_those_of_dinglehopper_where_words_have_no_punctuation(pair: dict[str, Any]) -> None:
    wer = as_read(pair["truth"], pair["reading"]).wer
    assert wer is None if pair["wer"] is None else wer == SAME(pair["wer"], abs=1e-6)


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair["truth"]], ids=lambda pair: pair["name"])
def test_errors_are_those_of_jiwer_where_each_character_is_one_code_point(pair: dict[str, Any]) -> None:
    truth, reading = (normalised(pair[name], AS_READ) for name in ("truth", "reading"))
    found = count_errors(truth, reading)
    assert found.wer == SAME(jiwer.wer(truth, reading), abs=1e-6)
    if all(len(graphemes(text)) == len(text) for text in (truth, reading)):
        assert found.cer == SAME(jiwer.cer(truth, reading), abs=1e-6)


def test_a_book_has_the_rate_of_jiwer_over_all_its_pages() -> None:
    pairs = [pair for pair in PAIRS if pair["truth"].isascii() and pair["truth"]]
    book = sum((as_read(pair["truth"], pair["reading"]) for pair in pairs), Counts())
    truths, readings = ([normalised(pair[name], AS_READ) for pair in pairs] for name in ("truth", "reading"))
    assert book.cer == SAME(jiwer.cer(truths, readings), abs=1e-6)
    assert book.wer == SAME(jiwer.wer(truths, readings), abs=1e-6)


@given(st.text("ab \u00e4\u0308\u093f", max_size=12), st.text("ab \u00e4\u0308\u093f", max_size=12))
def test_counts_keep_their_bounds(truth: str, reading: str) -> None:
    found = as_read(truth, reading)
    assert found.ordered_words <= found.recalled_words <= found.words
    assert found.words - found.recalled_words <= found.word_errors
    assert found.character_errors <= max(found.characters, len(normalised(reading, AS_READ)))
    assert as_read(truth, truth) == Counts(found.characters, 0, found.words, 0, found.words, found.words)


@given(st.text("abc ", max_size=30), st.text("abc ", max_size=30))
def test_character_errors_are_the_levenshtein_distance(truth: str, reading: str) -> None:
    texts = (normalised(truth, AS_READ), normalised(reading, AS_READ))
    assert count_errors(*texts).character_errors == edit_distance(*texts)


def test_words_are_recalled_wherever_they_stand_and_as_often_as_both_have_them() -> None:
    found = as_read("a b c d a", "c d a b b")
    assert (found.recalled_words, found.word_recall) == (4, 0.8)
    # In order are "c d a", or "a b" of the four.
    assert (found.ordered_words, found.word_order) == (3, 0.75)


def test_columns_read_in_the_wrong_order_are_found_by_the_order_and_not_by_the_recall() -> None:
    left, right = (" ".join(f"{side}{number}" for number in range(10)) for side in ("l", "r"))
    found = as_read(f"{left} {right}", f"{right} {left}")
    assert (found.word_recall, found.word_order) == (1.0, 0.5)


def test_rates_without_anything_to_divide_by_do_not_exist() -> None:
    assert (Counts().cer, Counts().wer, Counts().word_recall, Counts().word_order) == (None,) * 4
    assert as_read("abc", "").word_order is None
    assert as_read("ab", "abcdef").cer == 2


def test_a_large_page_is_measured_in_about_a_second(record_property: Any) -> None:
    rng = random.Random(3)
    truth, reading = ("".join(rng.choices("abcdefg hijklmnopä", k=30_000)) for _ in range(2))
    # The time is bounded by the suite's; a table of 900 million cells in Python would not end.
    found = as_read(truth, reading)
    assert found.characters > 25_000
    record_property("characters", found.characters)


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("dashes", "a\u2014b\u2e17c\u00add", "a-b-c-d"),
        ("line_end_hyphens", "exam-\nple, state-of-\nArt", "example, state-of- Art"),
        ("quotes", "\u201ea\u201c \u00bbb\u00ab \u2018c\u2019", '"a" "b" \'c\''),
        ("long_s", "\u017fie", "sie"),
        ("ligatures", "ﬁnd ﬂow oﬃce ﬅ", "find flow office st"),
        ("umlauts", "u\u0364ber Ha\u0364user", "über Häuser"),
        ("ellipsis", "so\u2026", "so..."),
        ("compatibility_form", "x\u00b2 \uff21", "x2 A"),
        ("spaces", " a\u00a0 b\n\nc ", "a b c"),
        ("canonical_form", "a\u0308", "ä"),
    ],
)
def test_each_rule_does_what_its_name_says(rule: str, text: str, expected: str) -> None:
    assert rule in {each.name for each in NORMALISED}
    assert normalised(text, NORMALISED) == expected


def test_the_reference_lists_the_rules_in_their_order() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "evaluation.md").read_text(encoding="utf-8")
    assert re.findall(
        r"^\| `(\w+)` \| [^`]", page.partition("## Rules")[2].partition("\n## ")[0], re.MULTILINE
    ) == [rule.name for rule in NORMALISED]


def test_what_was_read_keeps_its_spelling() -> None:
    assert normalised("\u017fie\u2014ﬁ\u2019 \n u\u0364", AS_READ) == "\u017fie\u2014ﬁ\u2019 u\u0364"
    assert normalised("Alice, alice!", NORMALISED) == "Alice, alice!"


@given(st.text("aS \n-\u2014\u00ad\ufe58\u017f\u0308\u0364u\ufb01\u201e\u2026\u00b2\u00a0", max_size=20))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    for rules in (AS_READ, NORMALISED):
        once = normalised(text, rules)
        assert normalised(once, rules) == once


def test_intervals_hold_the_rate_and_are_the_same_each_time() -> None:
    rng = random.Random(5)
    pages = [Counts(1000, rng.randrange(60), 200, rng.randrange(40), 190, 180) for _ in range(40)]
    found = intervals(pages)
    book = sum(pages, Counts())
    assert found == intervals(pages)
    for name in ("cer", "wer", "word_recall", "word_order"):
        low, high = getattr(found, name)
        assert low <= getattr(book, name) <= high
    assert found.cer is not None
    # By the normal approximation: 40 pages with errors spread evenly from 0 to 59.
    assert found.cer[1] - found.cer[0] == pytest.approx(2 * 1.96 * 0.0173 / 40**0.5, rel=0.25)


def test_one_page_has_no_interval() -> None:
    assert intervals([Counts(10, 1, 2, 1, 1, 1)]) == Intervals()
    assert intervals([Counts(), Counts()]) == Intervals()
