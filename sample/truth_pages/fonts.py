"""The typefaces: that of the sample book for antiqua and Greek, and a system font for Fraktur where it is found."""

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from PIL import ImageFont

from checkpointing.errors import SettingsError

Font = ImageFont.FreeTypeFont
REGULAR, ITALIC, BOLD = "Regular", "It", "Semibold"
_PACKAGE = "font_source_serif_pro"
_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts")
_FRAKTUR_FILES = ("UnifrakturMaguntia*", "Blankenburg*")
"""The second one is in Debian's package fonts-blankenburg."""


@cache
def antiqua(size: float, style: str = REGULAR) -> Font:
    """Return the sample book's typeface at `size` pixels; it has Latin letters, and Greek ones with one accent.

    Raises:
        SettingsError: the extra `sample` is not installed.
    """
    try:
        package = files(_PACKAGE)
    except ModuleNotFoundError as error:
        raise SettingsError("the sample pages have no typeface: run pip install 'leafmark[sample]'") from error
    with as_file(package / "files" / f"SourceSerifPro-{style}.otf") as path:
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@cache
def fraktur(size: float) -> Font:
    """Return a Fraktur typeface at `size` pixels.

    Raises:
        SettingsError: none is installed.
    """
    path = fraktur_file()
    if path is None:
        raise SettingsError("no Fraktur typeface is installed: run apt-get install fonts-blankenburg")
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@cache
def fraktur_file() -> Path | None:
    """Return the file of a Fraktur typeface; None if there is none."""
    found = (path for name in _FRAKTUR_FILES for folder in _FOLDERS for path in sorted(folder.rglob(name)))
    return next((path for path in found if path.suffix in {".otf", ".ttf"}), None)
