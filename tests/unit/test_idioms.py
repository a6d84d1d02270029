"""The check finds each idiom in prose, and nothing in good English."""

from pathlib import Path

import pytest

from docs_tools import idioms
from docs_tools.idioms import IDIOMS, findings, idioms_in, prose_of_page, prose_of_script, prose_of_source

REJECTED = [
    "Nobody is asked.",
    "Whoever has to wait notes the call.",
    "A caller notes his call.",
    "The hard limit, likewise.",
    "As above, for files.",
    "A key that is no setting is refused.",
    "It was no answer.",
    "Most that a scan may cost.",
    "The least amount that nine of ten do not exceed.",
    "It takes eleven minutes at the most.",
    "`--repair` mends the file.",
    "A test insists that they are up to date.",
    "The user is told the reason.",
    "A line tells of the page.",
    "Every command may be said again.",
    "Say it again at any time.",
    "The doctor looks whether Redis answers.",
    "Pages that a worker still owes.",
    "The table is written anew.",
    "A script of ours plays the model.",
    "Such a stage is passed over.",
    "The profile goes before the settings of the workers.",
    "It prints a row a metric.",
    "The healer finds lost pages.",
]
GOOD = [
    "There is no scan with this id; list them with the status command.",
    "The page is no longer in quarantine, and the queue is no more than a hint.",
    "Use the most recent checkpoint, at the most recent revision.",
    "Most of the time is spent in OCR; most pages take a second.",
    "The most that a call can cost is reserved before it is sent.",
    "The worker reports the error and retries the page after 9 s.",
    "The two causes can be told apart by their exit codes.",
    "The algorithm makes two passes over the data.",
    "It takes 3.2 s a page, at most 5 MB of memory, and 10 pages a minute.",
    "What comes before the colon is the name of the stage.",
    "The maximum number of pages that a worker may hold.",
    "Recommended settings are amended in the appendix; the other worker continues.",
    "Check whether the file exists, and report it if it does not.",
    "This is not a PDF. Their hashes differ, so its output does not count.",
    "Commands that were said to be safe are listed above, as they were before.",
    "The history of the page is shown; this is new.",
    "Set `nobody` as the user, or run ``likewise`` instead.",
]


@pytest.mark.parametrize("sentence", REJECTED)
def test_an_idiom_is_found(sentence: str) -> None:
    assert list(idioms_in(sentence))


def test_every_idiom_has_a_sentence_that_shows_it() -> None:
    shown = {idiom for sentence in REJECTED for _, _, idiom in idioms_in(sentence)}
    assert shown == set(IDIOMS)


@pytest.mark.parametrize("sentence", GOOD)
def test_good_english_is_not_reported(sentence: str) -> None:
    assert list(idioms_in(sentence)) == []


def test_the_code_of_a_page_does_not_count() -> None:
    page = "Nobody\n\n```sh\nnobody\n```\n\n    nobody knows\n\n~~~\nnobody\n~~~\nwhoever\n"
    [(first, prose)] = prose_of_page(page)
    assert [(first + line, words) for line, words, _ in idioms_in(prose)] == [
        (1, "Nobody"),
        (7, "nobody"),
        (12, "whoever"),
    ]


def test_names_of_a_module_do_not_count_and_its_strings_and_comments_do() -> None:
    module = 'nobody = 1\n\n\ndef whoever(his):\n    """Tell nobody."""\n    return f"{his} mends"  # anew\n'
    found = [(first + line, words) for first, text in prose_of_source(module) for line, words, _ in idioms_in(text)]
    assert sorted(found) == [(5, "nobody"), (6, "anew"), (6, "mends")]


def test_only_the_comments_of_a_script_count() -> None:
    assert list(prose_of_script("local nobody = 1 -- his claim\nreturn nobody\n")) == [(1, " his claim")]


def test_a_finding_names_file_line_words_and_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# A\n\nNothing is mended.\n")
    (tmp_path / "docs" / "seed").mkdir(parents=True)
    (tmp_path / "docs" / "seed" / "a.md").write_text("Nobody\n")
    assert [str(each) for each in findings(tmp_path)] == [
        "README.md:3: 'mended': write repair, fix, correct (the ordinary verb)"
    ]


def test_files_are_checked_unless_exempt_and_an_exemption_must_be_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("Nobody\n")
    (tmp_path / "CHANGELOG.md").write_text("Clean.\n")
    exempt = tmp_path / "exempt.txt"
    monkeypatch.setattr(idioms, "findings", lambda: findings(tmp_path))
    monkeypatch.setattr(idioms, "exemptions", lambda: exempt.read_text().split())
    exempt.write_text("")
    assert idioms.main([]) == 1
    assert "README.md:1" in capsys.readouterr().out
    exempt.write_text("README.md\n")
    assert idioms.main([]) == 0
    assert idioms.main(["--all"]) == 1
    exempt.write_text("README.md\nCHANGELOG.md\n")
    capsys.readouterr()
    assert idioms.main([]) == 1
    assert "CHANGELOG.md has no idiom" in capsys.readouterr().out
