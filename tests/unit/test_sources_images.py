import errno
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw, ImageOps, TiffImagePlugin

from checkpointing.errors import PageError, StorageError, UnknownNameError
from worker.pages.sources.base import PageImage
from worker.pages.sources.images import ImageFacts, ImageSource, inspect_image, picture_sizes

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)


def page_of(path: Path, *, max_pixels: int = 1_000_000) -> PageImage:
    return ImageSource([(path, 1)], max_pixels=max_pixels).page(1)


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def marked(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """White, with the top left quarter black."""
    image = Image.new("RGB", size, WHITE)
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1] // 2 - 1), fill=BLACK)
    return image.convert(mode)


def luminance(page: PageImage, at: tuple[int, int]) -> int:
    level = page.image.convert("L").getpixel(at)
    assert isinstance(level, int)
    return level


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.TIF", "a.jp2", "a.j2k", "a.webp"])
def test_every_format_decodes_to_the_same_picture(tmp_path: Path, name: str) -> None:
    page = page_of(save(tmp_path / name, marked()))
    assert (page.image.size, page.image.mode) == ((60, 40), "RGB")
    assert luminance(page, (10, 5)) < 10
    assert luminance(page, (50, 35)) > 245


def test_the_content_decides_what_a_file_is_not_its_name(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", marked(), format="JPEG")
    assert page_of(path).image.size == (60, 40)


@pytest.mark.parametrize("format_name", ["GIF", "BMP", "PDF", "EPS"])
def test_formats_that_are_not_listed_are_not_opened_under_a_false_name(tmp_path: Path, format_name: str) -> None:
    path = save(tmp_path / "a.png", marked(), format=format_name)
    with pytest.raises(PageError) as caught:
        page_of(path)
    assert caught.value.kind == "damaged_page"


@pytest.mark.parametrize(
    ("mode", "expected"), [("1", "L"), ("L", "L"), ("P", "RGB"), ("CMYK", "RGB"), ("YCbCr", "RGB")]
)
def test_every_kind_of_pixel_becomes_rgb_or_grey(tmp_path: Path, mode: str, expected: str) -> None:
    page = page_of(save(tmp_path / "a.tiff", marked(mode)))
    assert page.image.mode == expected
    assert luminance(page, (10, 5)) < 40
    assert luminance(page, (50, 35)) > 245


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_become_white_paper(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 29, 19), fill=(0, 0, 0, 255))
    page = page_of(save(tmp_path / "a.png", image.convert(mode)))
    assert luminance(page, (10, 5)) == 0
    assert luminance(page, (50, 35)) == 255


def test_a_palette_with_transparent_entries_is_flattened_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((1, 0), 1)
    page = page_of(save(tmp_path / "a.png", image, transparency=b"\x00\xff"))
    assert [page.image.getpixel((x, 0)) for x in (0, 1)] == [WHITE, RED]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jp2"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path, name: str) -> None:
    levels = np.array([[0, 32768, 65535]], dtype=np.uint16)
    page = page_of(save(tmp_path / name, Image.fromarray(levels)))
    assert page.image.mode == "L"
    assert [page.image.getpixel((x, 0)) for x in range(3)] == [0, 128, 255]


def test_sixteen_bit_grey_that_counts_from_white_is_turned_around(tmp_path: Path) -> None:
    levels = np.array([[0, 65535]], dtype=np.uint16)
    path = save(
        tmp_path / "a.tif",
        Image.fromarray(levels),
        tiffinfo={TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 0},
    )
    page = page_of(path)
    assert [page.image.getpixel((x, 0)) for x in range(2)] == [255, 0]


def test_floating_point_grey_is_stretched_to_eight_bits(tmp_path: Path) -> None:
    levels = np.array([[0.0, 0.25, 1.0]], dtype=np.float32)
    page = page_of(save(tmp_path / "a.tif", Image.fromarray(levels)))
    assert [page.image.getpixel((x, 0)) for x in range(3)] == [0, 63, 255]


def exif_saying(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_a_page_scanned_sideways_is_turned_upright_once(tmp_path: Path, name: str) -> None:
    """Orientation 6: what is stored is the page turned to the left."""
    path = save(tmp_path / name, marked().transpose(Image.Transpose.ROTATE_90), exif=exif_saying(6))
    page = page_of(path)
    assert ImageOps.exif_transpose(page.image).size == (60, 40)
    assert luminance(page, (10, 5)) < 10
    assert luminance(page, (50, 35)) > 245


def test_broken_exif_does_not_cost_the_page(tmp_path: Path) -> None:
    path = save(tmp_path / "a.webp", marked(), exif=b"Exif\x00\x00no TIFF header at all")
    assert page_of(path).image.size == (60, 40)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_the_resolution_is_read_from_the_file(tmp_path: Path, name: str) -> None:
    assert page_of(save(tmp_path / name, marked(), dpi=(400, 400))).dpi == pytest.approx(400, abs=0.1)


@pytest.mark.parametrize("dpi", [1, 9600])
def test_an_implausible_resolution_is_unknown(tmp_path: Path, dpi: int) -> None:
    assert page_of(save(tmp_path / "a.png", marked(), dpi=(dpi, dpi))).dpi is None


def test_a_file_that_says_nothing_has_no_resolution(tmp_path: Path) -> None:
    assert page_of(save(tmp_path / "a.png", marked())).dpi is None


def test_a_page_above_the_bound_shrinks_and_its_resolution_with_it(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", marked(size=(600, 400)), dpi=(300, 300))
    page = page_of(path, max_pixels=60_000)
    assert page.image.size == (300, 200)
    assert page.dpi == pytest.approx(150, abs=0.1)
    assert luminance(page, (50, 40)) < 10


@pytest.mark.parametrize("name", ["a.jpg", "a.jp2"])
def test_a_huge_page_is_decoded_at_a_reduced_size_where_the_format_can(tmp_path: Path, name: str) -> None:
    """At full size it would be refused: 2,000,000 pixels are more than 4 x 60,000."""
    path = save(tmp_path / name, marked(size=(2000, 1000)))
    page = page_of(path, max_pixels=60_000)
    assert 15_000 < page.image.width * page.image.height <= 60_000
    assert luminance(page, (20, 10)) < 10


def test_a_huge_progressive_jpeg_is_refused_because_reducing_it_saves_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", marked(size=(2000, 1000)), progressive=True)
    with pytest.raises(PageError) as caught:
        page_of(path, max_pixels=60_000)
    assert caught.value.kind == "page_too_large"


def write_black_png(path: Path, side: int) -> None:
    """A valid black PNG of 1 bit a pixel; its 150 MB of pixels deflate to 150 KB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj(1)
    row = bytes(1 + (side + 7) // 8)
    pixels = b"".join(rows.compress(row * 100) for _ in range(side // 100)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


TRY_HUGE_PAGE = """
import pathlib, resource, sys
from checkpointing.errors import PageError
from worker.pages.sources.images import ImageSource
source = ImageSource([(pathlib.Path(sys.argv[1]), 1)])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    source.page(1)
except PageError as error:
    print(error.kind, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error, sep="|")
"""


def test_a_page_of_35000_by_35000_pixels_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    write_black_png(tmp_path / "a.png", 35_000)
    command = [sys.executable, "-W", "error", "-c", TRY_HUGE_PAGE, str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kind, grown, message = done.stdout.strip().split("|")
    assert kind == "page_too_large"
    assert int(grown) < 20_000_000 // (1024 if sys.platform != "darwin" else 1)
    assert "35000 x 35000 pixels" in message
    assert "LEAFMARK_MAX_PIXELS" in message


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.jp2", "a.webp"])
@pytest.mark.parametrize("kept", [0, 3, 0.1, 0.6])
def test_a_truncated_file_is_a_damaged_page(tmp_path: Path, name: str, kept: float) -> None:
    path = save(tmp_path / name, Image.effect_noise((200, 200), 90).convert("RGB"))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(PageError, match=r"a\.\w+ cannot be decoded: ") as caught:
        page_of(path)
    assert caught.value.kind == "damaged_page"
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()
    with pytest.raises(PageError, match=r"a\.png cannot be decoded: the file is empty; scan the page again"):
        ImageSource([(path, 1)]).page(1)


def test_a_page_is_a_frame_of_a_tiff_or_a_file_of_its_own(tmp_path: Path) -> None:
    frames = [Image.new("L", (10, 10), level) for level in (10, 20, 30)]
    tiff = save(tmp_path / "a.tif", frames[0], save_all=True, append_images=frames[1:])
    png = save(tmp_path / "b.png", Image.new("L", (10, 10), 40))
    assert [inspect_image(tiff).pages, inspect_image(png).pages] == [3, 1]

    source = ImageSource([(tiff, 3), (png, 1)])
    assert source.total_pages == 4
    assert [source.page(number).image.getpixel((0, 0)) for number in (4, 2, 1, 3)] == [40, 20, 10, 30]


def test_a_frame_that_the_file_no_longer_has_is_a_damaged_page(tmp_path: Path) -> None:
    source = ImageSource([(save(tmp_path / "a.tif", marked()), 2)])
    with pytest.raises(PageError) as caught:
        source.page(2)
    assert caught.value.kind == "damaged_page"


def test_an_animation_counts_as_one_page(tmp_path: Path) -> None:
    path = save(tmp_path / "a.webp", marked(), save_all=True, append_images=[Image.new("RGB", (60, 40))])
    assert inspect_image(path).pages == 1
    assert luminance(page_of(path), (50, 35)) > 245


@pytest.mark.parametrize("number", [0, 2])
def test_a_page_that_does_not_exist_is_an_unknown_name(tmp_path: Path, number: int) -> None:
    source = ImageSource([(save(tmp_path / "a.png", marked()), 1)])
    with pytest.raises(UnknownNameError):
        source.page(number)


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        page_of(tmp_path / "a.png")


def test_a_file_that_the_storage_stops_delivering_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.png", marked())

    class Failing(BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    for module in ("images", "checks"):
        monkeypatch.setattr(f"worker.pages.sources.{module}.open_regular_file", lambda *_: Failing())
    with pytest.raises(StorageError, match="input/output error"):
        page_of(path)


@pytest.mark.parametrize("ending", [b"", b"\xff", bytes(50)])
def test_a_jpeg_that_lacks_only_its_end_marker_is_whole(tmp_path: Path, ending: bytes) -> None:
    path = save(tmp_path / "a.jpg", marked(size=(200, 100)))
    whole = page_of(path).image
    path.write_bytes(path.read_bytes()[:-2] + ending)
    assert page_of(path).image.tobytes() == whole.tobytes()


def test_of_an_animated_png_the_first_picture_is_the_page(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", marked(), save_all=True, append_images=[Image.new("RGB", (60, 40))])
    assert inspect_image(path) == ImageFacts(1)
    assert luminance(page_of(path), (50, 35)) > 245


@pytest.mark.parametrize(("orientation", "size"), [(1, (8, 4)), (6, (4, 8))])
def test_the_size_of_a_picture_is_that_of_its_upright_page(
    tmp_path: Path, orientation: int, size: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    for name in ("page.jpg", "page.webp", "page.tif"):
        Image.new("L", (8, 4)).save(tmp_path / name, exif=exif)
        with picture_sizes(tmp_path / name, 1) as size_of:
            assert size_of(1) == size
        assert ImageSource([(tmp_path / name, 1)]).page(1).image.size == size
