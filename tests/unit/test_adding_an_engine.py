"""The example of docs/adding-an-engine.md, registered in this process and asked to read a page."""

import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from checkpointing.errors import SettingsError
from worker.config.settings import Settings
from worker.ocr.engines.needs import Need, needs_of, queue_name
from worker.ocr.engines.registry import ENGINES

PROJECT = Path(__file__).parents[2]
EXAMPLE = PROJECT / "examples" / "leafmark-tesseract-program" / "leafmark_tesseract_program.py"
# As Tesseract 5.3 printed it for a page with these two lines.
TABLE = """level page_num block_num par_num line_num word_num left top width height conf text
1 1 0 0 0 0 0 0 900 220 -1 _
2 1 1 0 0 0 62 58 334 30 -1 _
3 1 1 1 0 0 62 58 334 30 -1 _
4 1 1 1 1 0 62 58 334 30 -1 _
5 1 1 1 1 1 62 58 77 30 96.581581 Call
5 1 1 1 1 2 154 66 59 22 96.581581 me
5 1 1 1 1 3 229 58 167 30 96.799744 Ishmael.
2 1 2 0 0 0 63 128 317 38 -1 _
3 1 2 1 0 0 63 128 317 38 -1 _
4 1 2 1 1 0 63 128 317 38 -1 _
5 1 2 1 1 1 63 128 108 30 96.412773 Some
5 1 2 1 1 2 186 136 107 30 96.647263 years
5 1 2 1 1 3 310 136 70 30 96.492844 ago
"""
PROGRAM = """#!/bin/sh
case "$1" in
--version) echo 'tesseract 5.3.0' ;;
--list-langs) printf 'List of available languages (2):\\neng\\nosd\\n' ;;
*) cat > /dev/null; tr ' ' '\\t' < "$0.table" ;;
esac
"""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = spec_from_file_location("leafmark_tesseract_program", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(ENGINES, "_entries", dict(ENGINES._entries))
    ENGINES.register(module.TesseractProgram.name, module.TesseractProgram)
    return module.TesseractProgram


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `tesseract` that prints what the real one printed."""
    path = tmp_path / "tesseract"
    path.write_text(PROGRAM)
    path.chmod(0o755)
    (tmp_path / "tesseract.table").write_text(TABLE.replace("_\n", "\n"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return path


def test_the_page_shows_the_example() -> None:
    assert EXAMPLE.read_text() in (PROJECT / "docs" / "adding-an-engine.md").read_text()


@pytest.mark.usefixtures("program")
def test_it_reads_lines_with_words(engine: Any) -> None:
    made = engine(Settings(ocr_engine=engine.name))
    made.load()
    lines = made.recognise(Image.new("L", (900, 220), 255))
    assert [line.text for line in lines] == ["Call me Ishmael.", "Some years ago"]
    assert tuple(lines[0].bbox) == (62, 58, 334, 30)
    assert tuple(lines[1].words[2].bbox) == (310, 136, 70, 30)
    assert 0.96 < lines[0].confidence < 0.97
    assert made.recipe == "tesseract 5.3.0, eng"
    assert engine.languages_installed() == ["eng", "osd"]


@pytest.mark.usefixtures("program")
def test_its_pages_go_to_workers_that_have_it(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    need = Need(engine.name, "eng", "antiqua")
    assert needs_of(queue_name("ocr", [need])) == [need]
    need.check(Settings())
    with pytest.raises(SettingsError, match=r"no data for deu; run: apt-get install .*-ocr-deu"):
        Need(engine.name, "deu", "antiqua").check(Settings())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match="tesseract_program is not installed; run: apt-get install"):
        need.check(Settings())


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="no program here: apt-get install tesseract-ocr")
def test_it_reads_a_real_page(engine: Any) -> None:
    made = engine(Settings(ocr_engine=engine.name))
    try:
        made.load()
    except SettingsError as error:
        pytest.skip(str(error))
    assert made.recognise(Image.new("L", (300, 100), 255)) == []
