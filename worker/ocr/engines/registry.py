"""The OCR engines that exist. Each is imported when it is asked for: no command loads one that it does not use."""

from checkpointing.errors import SettingsError
from worker.ocr.engines.base import OcrEngine


def make_engine(name: str, lang: str) -> OcrEngine:
    """Make an engine by its name, without loading it.

    Args:
        name: `rapidocr` or `tesseract`.
        lang: Tesseract's names of the languages, joined by `+`. RapidOCR reads all of its own at once and
            takes no notice.

    Raises:
        SettingsError: there is no engine of that name.
    """
    match name:
        case "rapidocr":
            from worker.ocr.engines.rapid import RapidOcr  # noqa: PLC0415

            return RapidOcr()
        case "tesseract":
            from worker.ocr.engines.tesseract import Tesseract  # noqa: PLC0415

            return Tesseract(lang)
        case _:
            raise SettingsError(f"there is no OCR engine {name!r}; choose rapidocr or tesseract")
