"""The OCR engines: what they read, and what they say when something is not installed."""

import importlib.metadata
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from checkpointing.errors import SettingsError
from worker.ocr.boxes import Box
from worker.ocr.engines import tesseract, tesseract_data
from worker.ocr.engines.base import Engine
from worker.ocr.engines.rapid import engine as rapid
from worker.ocr.engines.rapid import networks
from worker.ocr.engines.rapid.line_boxes import LineBox
from worker.ocr.engines.rapid.recognition import ReadLine
from worker.ocr.engines.registry import make_engine
from worker.ocr.engines.tesseract_data import LanguageFile
from worker.stages.options import OcrOptions

SENTENCES = ["Call me Ishmael.", "Some years ago"]


def printed(mode: str = "RGB") -> Image.Image:
    page = Image.new("RGB", (600, 200), (240, 232, 214))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(36)
    for number, sentence in enumerate(SENTENCES):
        pen.text((60, 30 + 70 * number), sentence, fill=(30, 25, 20), font=font)
    return page.convert(mode)


def assert_reads(engine: Engine, page: Image.Image) -> None:
    lines = sorted(engine.recognise(page), key=lambda line: line.bbox.y)
    assert [line.text for line in lines] == SENTENCES
    for number, line in enumerate(lines):
        assert 0.8 < line.confidence <= 1
        assert abs(line.bbox.x - 60) < 15
        assert line.bbox.y < 30 + 70 * number + 25 < line.bbox.bottom


@pytest.fixture(scope="module")
def rapidocr() -> Engine:
    engine = make_engine(OcrOptions())
    engine.load()
    return engine


@pytest.fixture
def english_data() -> LanguageFile:
    """Where English is installed; made before `data_folders` hides it."""
    try:
        [english] = tesseract_data.find_data("eng")
    except SettingsError as error:
        pytest.skip(str(error))
    return english


@pytest.fixture
def data_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, Path]:
    """Folders of wheels with `deu`, and of the system with `deu` and Fraktur; each file names itself."""
    wheels, system = tmp_path / "wheels/share/tessdata", tmp_path / "system"
    for folder, name in ((wheels, "deu"), (system, "deu"), (system, "script/Fraktur")):
        path = folder / f"{name}.traineddata"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} in {'wheels' if folder == wheels else 'system'}")
    monkeypatch.delenv("TESSDATA_PREFIX", raising=False)
    monkeypatch.setattr(tesseract_data.sysconfig, "get_path", lambda _: str(tmp_path / "wheels"))
    monkeypatch.setattr(tesseract_data.site, "ENABLE_USER_SITE", False)
    monkeypatch.setattr(tesseract_data, "_SYSTEM_FOLDERS", (system,))
    return wheels, system


@pytest.fixture(scope="module")
def english_tesseract() -> Engine:
    pytest.importorskip("tesserocr", reason="tesserocr is not installed: pip install 'leafmark[tesseract]'")
    engine = make_engine(OcrOptions(ocr_engine="tesseract"))
    try:
        engine.load()
    except SettingsError as error:
        pytest.skip(str(error))
    return engine


def test_rapidocr_reads_print_in_colour(rapidocr: Engine) -> None:
    assert_reads(rapidocr, printed())


def test_rapidocr_reads_grey_pages_from_several_threads_at_once(rapidocr: Engine) -> None:
    with ThreadPoolExecutor(2) as pool:
        for outcome in [pool.submit(assert_reads, rapidocr, printed("L")) for _ in range(4)]:
            outcome.result()


def test_rapidocr_finds_nothing_on_blank_paper_and_says_nothing(
    rapidocr: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    assert rapidocr.recognise(Image.new("L", (400, 300), 230)) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "CMYK"])
def test_the_pixels_of_a_page_are_those_of_its_conversion_to_rgb(mode: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)
    page = Image.fromarray(noise).convert(mode)

    assert np.array_equal(rapid._pixels(page), np.asarray(page.convert("RGB"))[:, :, ::-1])


def test_rapidocr_names_its_models_in_its_version(rapidocr: Engine) -> None:
    runtime = networks.runtime()
    assert rapidocr.version.startswith(f"rapidocr {importlib.metadata.version('rapidocr')}, ")
    assert rapidocr.version.endswith(f", {runtime} {importlib.metadata.version(runtime)}")
    assert "_det_" in rapidocr.version
    assert "_rec_" in rapidocr.version


def test_the_recipe_of_rapidocr_does_not_depend_on_what_runs_its_models(
    rapidocr: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "runtime", lambda: "numpy")
    on_numpy = make_engine(OcrOptions())

    assert "numpy" in on_numpy.version
    assert on_numpy.recipe == rapidocr.recipe


@pytest.mark.parametrize(
    ("has_avx_512", "is_installed", "expected"),
    [(True, True, "openvino"), (True, False, "onnxruntime"), (False, True, "onnxruntime")],
)
def test_openvino_runs_the_models_where_it_is_installed_and_the_processor_has_avx_512(
    monkeypatch: pytest.MonkeyPatch, has_avx_512: bool, is_installed: bool, expected: str
) -> None:
    monkeypatch.setattr(networks.cv2, "checkHardwareSupport", lambda _: has_avx_512)
    monkeypatch.setattr(networks, "find_spec", lambda name: name if is_installed else None)

    assert networks.runtime() == expected


def test_rapidocr_reads_print_on_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed: pip install 'leafmark[openvino]'")
    monkeypatch.setattr(networks, "runtime", lambda: "openvino")
    on_openvino = make_engine(OcrOptions())

    assert_reads(on_openvino, printed())
    assert "openvino " in on_openvino.version


def test_rapidocr_reads_small_print_on_a_very_long_page(rapidocr: Engine) -> None:
    """On a copy of 1280 pixels its letters would be two pixels high."""
    page = Image.new("L", (700, 8000), 235)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(28)
    sentences = {top: f"The line at {top} pixels is read whole." for top in (40, 1600, 1640, 3220, 7900)}
    for top, sentence in sentences.items():
        pen.text((60, top), sentence, fill=30, font=font)

    lines = sorted(rapidocr.recognise(page), key=lambda line: line.bbox.y)

    assert [line.text for line in lines] == list(sentences.values())


def test_a_model_missing_from_disk_is_a_settings_error_and_is_not_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(rapid, "_model_file", lambda task: tmp_path / f"{task}.onnx")

    with pytest.raises(SettingsError, match=r"det\.onnx.*pip install --force-reinstall"):
        rapid.RapidOcr().load()


def test_a_rapidocr_without_models_is_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rapid, "files", lambda _: [])

    with pytest.raises(SettingsError, match="not installed with its det model"):
        rapid.RapidOcr().load()


def test_a_rapidocr_that_reads_nothing_is_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rapid, "_make_reader", lambda *_: object())
    monkeypatch.setattr(rapid, "_read", lambda *_: [])

    with pytest.raises(SettingsError, match="cannot read a plain word"):
        rapid.RapidOcr().load()


def test_tesseract_reads_print(english_tesseract: Engine) -> None:
    assert_reads(english_tesseract, printed())
    assert_reads(english_tesseract, printed("L"))


def test_tesseract_gives_words_and_baselines(english_tesseract: Engine) -> None:
    lines = english_tesseract.recognise(printed())

    for line, sentence in zip(lines, SENTENCES, strict=True):
        assert [word.text for word in line.words] == sentence.split()
        assert all(0.5 < word.confidence <= 1 for word in line.words)
        assert Box.around(word.bbox for word in line.words) == line.bbox
        assert [word.bbox.x for word in line.words] == sorted(word.bbox.x for word in line.words)
        assert line.baseline is not None
        assert all(line.bbox.y < y <= line.bbox.bottom for _, y in line.baseline)


def test_the_outline_of_tesseracts_lines_has_the_slope_of_the_print(english_tesseract: Engine) -> None:
    lines = english_tesseract.recognise(printed().rotate(-3, Image.Resampling.BICUBIC, fillcolor=(240, 232, 214)))

    assert [line.text for line in lines] == SENTENCES
    for line in lines:
        top_left, top_right, bottom_right, bottom_left = line.outline
        slope = (top_right[1] - top_left[1]) / (top_right[0] - top_left[0])
        assert slope == pytest.approx(0.052, abs=0.015)
        assert bottom_right[1] - bottom_left[1] == top_right[1] - top_left[1]
        assert (top_left[1], bottom_right[1]) == (line.bbox.y, line.bbox.bottom)


def test_a_line_of_tesseract_that_runs_upwards_is_outlined_by_its_box() -> None:
    box = Box(10, 20, 30, 200)

    assert tesseract._outline(box, ((40, 220), (40, 20))) == box.corners


def test_tesseract_finds_nothing_on_blank_paper_and_says_nothing(
    english_tesseract: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    assert english_tesseract.recognise(Image.new("L", (400, 300), 230)) == []
    assert capfd.readouterr() == ("", "")


def test_tesseract_names_its_version_and_languages(english_tesseract: Engine) -> None:
    assert english_tesseract.version.startswith("tesseract ")
    assert english_tesseract.version.endswith(", eng")


def test_missing_language_data_is_a_settings_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("tesserocr", reason="tesserocr is not installed: pip install 'leafmark[tesseract]'")
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))

    with pytest.raises(SettingsError, match=r"'deu\+chi_sim'.*tesseract-ocr-deu tesseract-ocr-chi-sim"):
        tesseract.Tesseract(OcrOptions.model_construct(ocr_lang="deu+chi_sim")).load()


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        (
            "deu+eng",
            r"no data for 'deu' in .* \(language 'deu\+eng'\); install it \(Debian: .* tesseract-ocr-deu\)",
        ),
        (
            "script/Fraktur",
            r"'script/Fraktur' in .*tesseract-ocr-script-frak\), put script/Fraktur\.traineddata there",
        ),
        ("script/HanS_vert", r"apt-get install tesseract-ocr-script-hans-vert"),
        ("frak2021", r"'frak2021' in [^;]*; install it, put frak2021\.traineddata there, or set TESSDATA_PREFIX"),
        ("Fraktur", r"-script-frak.*; installed are eng, script/Latin"),
    ],
)
def test_a_language_that_is_not_installed_is_named_with_what_to_install_and_what_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lang: str, expected: str
) -> None:
    monkeypatch.setattr(tesseract, "_tesserocr", lambda: None)
    for name in ("eng", "script/Latin"):
        path = tmp_path / f"{name}.traineddata"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))

    with pytest.raises(SettingsError, match=expected) as caught:
        tesseract.Tesseract(OcrOptions.model_construct(ocr_lang=lang)).load()

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lang", ["frak2021+script/Fraktur", "frak2021+Fraktur"])
@pytest.mark.parametrize("stored", ["script/Fraktur", "Fraktur"])
def test_data_of_a_script_is_found_under_tesseracts_and_under_debians_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lang: str, stored: str
) -> None:
    (tmp_path / "script").mkdir()
    (tmp_path / f"{stored}.traineddata").touch()
    (tmp_path / "frak2021.traineddata").touch()
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))

    found = tesseract_data.find_data(lang)
    assert found == [LanguageFile(tmp_path, "frak2021"), LanguageFile(tmp_path, stored)]


def test_languages_installed_in_several_folders_are_linked_into_one(
    data_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    wheels, system = data_folders
    files = tesseract_data.find_data("deu+script/Fraktur")

    assert files == [LanguageFile(wheels, "deu"), LanguageFile(system, "script/Fraktur")]
    with tesseract_data.one_folder(files) as folder:
        assert tmp_path not in folder.parents
        assert (folder / "deu.traineddata").read_text() == "deu in wheels"
        assert (folder / "script/Fraktur.traineddata").read_text() == "script/Fraktur in system"
    assert not folder.exists()


def test_the_data_of_a_wheel_comes_before_the_data_of_the_system(data_folders: tuple[Path, Path]) -> None:
    wheels, _ = data_folders
    with tesseract_data.one_folder(tesseract_data.find_data("deu")) as folder:
        assert folder == wheels


def test_tessdata_prefix_is_the_only_folder_where_it_is_set(
    data_folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, system = data_folders
    monkeypatch.setenv("TESSDATA_PREFIX", str(system))

    assert tesseract_data.find_data("deu") == [LanguageFile(system, "deu")]
    with pytest.raises(SettingsError) as caught:
        tesseract_data.find_data("jpn")
    assert "pip install" not in str(caught.value)


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        ("deu+jpn", r"'jpn' in .* \(Debian: .*-jpn\), run pip install tessdata\.jpn, put jpn\.traineddata there"),
        ("ell", r"'ell' in .*wheels/share/tessdata or .*system; install it \(Debian: .*-ell\), put ell\."),
        (
            "jpn+ell",
            r"'jpn' and 'ell' in [^;]*; install it \(Debian: .*-jpn .*-ell\), put .*; installed are deu, script",
        ),
    ],
)
@pytest.mark.usefixtures("data_folders")
def test_the_wheel_of_a_missing_language_is_named_where_there_is_one(lang: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        tesseract_data.find_data(lang)


@pytest.mark.usefixtures("english_tesseract")
def test_tesseract_reads_with_languages_of_two_folders(
    english_data: LanguageFile, data_folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """English from where it is installed, and the same data under another name from the folder of the wheels."""
    wheels, _ = data_folders
    (wheels / "other.traineddata").symlink_to(english_data.folder / f"{english_data.name}.traineddata")
    monkeypatch.setattr(tesseract_data, "_SYSTEM_FOLDERS", (english_data.folder,))

    assert_reads(tesseract.Tesseract(OcrOptions.model_construct(ocr_lang="eng+other")), printed())


def test_damaged_language_data_is_a_settings_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("tesserocr", reason="tesserocr is not installed: pip install 'leafmark[tesseract]'")
    (tmp_path / "eng.traineddata").write_bytes(b"not a model")
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))

    with pytest.raises(SettingsError, match="cannot load the language data 'eng'"):
        tesseract.Tesseract(OcrOptions.model_construct(ocr_lang="eng")).load()


def test_tesserocr_not_installed_is_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tesserocr", None)

    with pytest.raises(SettingsError, match=r"pip install 'leafmark\[tesseract\]'"):
        tesseract.Tesseract(OcrOptions.model_construct(ocr_lang="eng")).load()


def test_an_unknown_engine_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="no OCR engine 'abbyy'"):
        make_engine(OcrOptions.model_construct(ocr_engine="abbyy"))


@pytest.mark.parametrize(
    ("text", "score", "expected"), [("words", 0.9, "words"), ("words", 0.49, ""), ("", 0.9, ""), (" ", 0.0, "")]
)
def test_rapidocr_keeps_a_line_that_it_cannot_read_with_its_place_and_without_text(
    text: str, score: float, expected: str
) -> None:
    corners = np.array([[10, 20], [110, 20], [110, 40], [10, 40]], np.float32)
    detector = SimpleNamespace(find=lambda _: [LineBox(corners)])
    recogniser = SimpleNamespace(read=lambda *_: ReadLine(text, score))

    [line] = rapid._read(rapid._Reader(detector, recogniser), Image.new("RGB", (120, 60)))

    assert (line.text, line.bbox) == (expected, Box(10, 20, 100, 20))
