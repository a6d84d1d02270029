"""The settings that stages bring: each stage names one of these classes, and `Settings` inherits them all.

The names of its fields begin with the name of the stage, so that `ocr_engine` is `LEAFMARK_OCR_ENGINE` in the
environment and `ocr_engine` in `leafmark.toml`. They are apart from the stages because every command reads the
settings, and few import a stage.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from worker.ocr.engines.base import Device
from worker.ocr.engines.registry import check_engine
from worker.pages.book_profile import Typeface, check_language
from worker.pages.geometry.settings import Crop, Deskew, Rotate
from worker.plugins import Options

DEFAULT_LANGUAGE = "eng"
DEFAULT_TYPEFACE: Typeface = "antiqua"


class OcrOptions(Options):
    """Settings of the OCR stage."""

    ocr_engine: Annotated[
        str,
        AfterValidator(check_engine),
        Field(
            description="OCR engine: `rapidocr`, `tesseract`, or `auto`, which chooses by language and typeface."
        ),
    ] = "rapidocr"
    ocr_lang: Annotated[
        str,
        AfterValidator(check_language),
        Field(
            description="Languages, as BCP 47 tags (`de`, `de,la`) or as Tesseract's data files are named: `eng`, "
            "`deu+eng`, `frak2021`, `script/Fraktur`. RapidOCR ignores it."
        ),
    ] = DEFAULT_LANGUAGE
    ocr_typeface: Annotated[
        Typeface, Field(description="Typeface: `antiqua` or `fraktur`. RapidOCR ignores it.")
    ] = DEFAULT_TYPEFACE
    ocr_device: Annotated[
        Device,
        Field(
            description="What RapidOCR computes on: `cpu`, `cuda` (an NVIDIA GPU), or `auto`, which takes a GPU "
            "where one works. Tesseract always computes on the CPU."
        ),
    ] = "cpu"

    ocr_rotate: Annotated[
        Rotate,
        Field(
            description="Turn pages the right way up: `auto`, `off`, or the degrees by which each page is turned "
            "clockwise: `90`, `180`, `270`."
        ),
    ] = "auto"
    ocr_deskew: Annotated[
        Deskew,
        Field(
            description="Straighten pages: `auto`, `off`, or the degrees by which the lines of each page are "
            "turned clockwise, such as `1.5`."
        ),
    ] = "auto"
    ocr_crop: Annotated[
        Crop,
        Field(
            description="Crop pages to the paper: `auto`, `off`, or the percent to cut off at the left, top, right "
            "and bottom, such as `5,0,5,2`."
        ),
    ] = "auto"


class CorrectionOptions(Options):
    """Settings of the correction stage."""

    correction_model: Annotated[str, Field(description="Model that corrects the text of a page.")] = ""
    correction_vision: Annotated[
        bool, Field(description="Send the page image with each correction; costs more.")
    ] = False


class FixOptions(Options):
    """Settings of the fix stage."""

    fix_model: Annotated[
        str, Field(description="Model that checks doubtful pages against their image; must accept images.")
    ] = ""


class StructureOptions(Options):
    """Settings of the structure stage."""

    structure_model: Annotated[str, Field(description="Model that finds headings and page numbers.")] = ""
