"""Which files are taken as a source, by the ending of their names.

The ending only chooses the files; what a file really is, its content decides when it is opened.
"""

from pathlib import PurePath

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".jp2", ".jpx", ".j2k", ".webp")
IMAGE_FORMATS = "PNG, JPEG, TIFF, JPEG 2000 or WebP"


def is_pdf_name(name: str) -> bool:
    """Whether a file of this name is taken as a PDF."""
    return PurePath(name).suffix.lower() == ".pdf"


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken as a page image; hidden files are not."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")


def bare_name(name: str) -> str:
    """The name without the ending of a PDF or an image: `My Book.pdf` gives `My Book`, `vol.2` stays."""
    return PurePath(name).stem if is_pdf_name(name) or is_image_name(name) else name
