"""TIFFs of several frames: each frame that reads is a page; what does not is a damaged page, not a missing one."""

from pathlib import Path

import pytest
from PIL import Image

from checkpointing.errors import PageError
from tests.support.tiff_files import DEFLATE, MadeFrame, grey_frame, tiff_of
from worker.pages.sources.images import ImageFacts, ImageSource, inspect_image
from worker.pages.sources.tiff import walk_tiff

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
LEVELS = (10, 20, 30, 40, 50)
# Sixty-four bits of floating point, and a compression that there is not.
UNSUPPORTED: dict[str, dict[str, list[int]]] = {
    "64-bit float": {"t258": [64], "t339": [3]},
    "7 bits": {"t258": [7]},
    "compression": {"t259": [12345]},
    "planes that are missing": {"t284": [2], "t277": [3], "t258": [8, 8, 8], "t262": [2]},
}


def levels_of(path: Path, content: bytes, pages: int | None = None) -> list[int | str]:
    """The shade of each page, or the message of the error that it ends with."""
    path.write_bytes(content)
    counted = inspect_image(path).pages if pages is None else pages
    source = ImageSource([(path, counted)])
    return [_level_of(source, number) for number in range(1, counted + 1)]


def _level_of(source: ImageSource, number: int) -> int | str:
    try:
        return int(source.page(number).image.getpixel((0, 0)))
    except PageError as error:
        return f"{error.kind}: {error}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tif"


ORDERS = pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])


@ORDERS
@pytest.mark.parametrize("directories_first", [False, True])
@pytest.mark.parametrize("compression", [1, DEFLATE])
def test_each_frame_of_a_whole_tiff_is_a_page(
    path: Path, order: str, big: bool, directories_first: bool, compression: int
) -> None:
    frames = [grey_frame(level, compression=compression) for level in LEVELS]
    content = tiff_of(frames, order=order, big=big, directories_first=directories_first)
    assert levels_of(path, content) == [*LEVELS]


@ORDERS
@pytest.mark.parametrize("compression", [1, DEFLATE])
def test_a_tiff_cut_between_its_frames_keeps_those_before_and_one_damaged_page(
    path: Path, order: str, big: bool, compression: int
) -> None:
    content = tiff_of([grey_frame(level, compression=compression) for level in LEVELS], order=order, big=big)
    cut = content[: int(len(content) * 0.7)]
    *read, rest = levels_of(path, cut)
    assert read == [10, 20, 30]
    assert "page 4 in it: the chain of frames breaks off after frame 3: the file ends at byte" in str(rest)
    facts = inspect_image(path)
    assert (facts.pages, facts.opens) == (4, True)
    assert "after frame 3" in facts.broken
    assert str(rest).startswith("damaged_page: a.tif cannot be decoded")


@ORDERS
@pytest.mark.parametrize("compression", [1, DEFLATE])
def test_a_tiff_whose_pictures_are_cut_off_keeps_the_count_of_its_directories(
    path: Path, order: str, big: bool, compression: int
) -> None:
    """Also in the middle of a strip: of five pages each is read whole or damaged."""
    frames = [grey_frame(level, 400, 300, compression=compression) for level in LEVELS]
    content = tiff_of(frames, order=order, big=big, directories_first=True)
    room = len(content) - sum(len(frame.strip) for frame in frames)
    cut = content[: room + len(frames[0].strip) * 5 // 2]
    *read, third, fourth, fifth = levels_of(path, cut)
    assert read == [10, 20]
    for damaged in (third, fourth, fifth):
        assert "cannot be decoded: page" in str(damaged)


@pytest.mark.parametrize("kept", [7, 8, 20])
def test_a_tiff_without_a_whole_directory_is_one_damaged_page(path: Path, kept: int) -> None:
    [damaged] = levels_of(path, tiff_of([grey_frame(10)])[:kept])
    assert "cannot be decoded" in str(damaged)
    assert inspect_image(path).opens is False


@pytest.mark.parametrize(("last_link", "reason"), [(1208, "turns back"), (10**8, "breaks off"), (-1, "breaks off")])
def test_a_chain_that_leads_nowhere_or_back_is_a_damaged_page_after_the_others(
    path: Path, last_link: int, reason: str
) -> None:
    content = tiff_of([grey_frame(level) for level in LEVELS], last_link=last_link)
    *read, rest = levels_of(path, content)
    assert read == [*LEVELS]
    assert f"the chain of frames {reason} after frame 5" in str(rest)


@ORDERS
def test_zeros_in_the_place_of_a_directory_break_the_chain(path: Path, order: str, big: bool) -> None:
    """As a download leaves them that was not finished: a directory without entries would look like the last one."""
    content = bytearray(tiff_of([grey_frame(level) for level in LEVELS], order=order, big=big))
    path.write_bytes(content)
    with path.open("rb") as file:
        tiff = walk_tiff(file)
    assert tiff is not None
    lost = tiff.frames[2].offset
    content[lost : lost + 1000] = bytes(1000)
    *read, rest = levels_of(path, bytes(content))
    assert read == [10, 20]
    assert f"the chain of frames breaks off after frame 2: there is nothing at byte {lost:,}" in str(rest)
    assert inspect_image(path).broken


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("kind", UNSUPPORTED)
@pytest.mark.parametrize("compression", [1, DEFLATE])
def test_a_frame_of_an_unsupported_kind_is_the_only_damaged_page(
    path: Path, place: int, kind: str, compression: int
) -> None:
    frames = [grey_frame(level, compression=compression) for level in LEVELS]
    more = {"compression": compression, **UNSUPPORTED[kind]}
    frames[place] = grey_frame(99, **more)  # type: ignore[arg-type]  # a tag or the argument
    found = levels_of(path, tiff_of(frames))
    assert f"cannot be decoded: page {place + 1} in it: " in str(found.pop(place))
    assert found == [level for index, level in enumerate(LEVELS) if index != place]


@pytest.mark.parametrize("compression", [1, DEFLATE])
def test_a_first_directory_that_says_nothing_harms_its_own_page_only(path: Path, compression: int) -> None:
    frames = [MadeFrame({270: [1]}, b"x"), *(grey_frame(level, compression=compression) for level in LEVELS)]
    first, *others = levels_of(path, tiff_of(frames))
    assert "cannot be decoded" in str(first)
    assert others == [*LEVELS]


def test_thumbnails_and_masks_are_not_pages(path: Path) -> None:
    frames = [
        grey_frame(10),
        grey_frame(11, 20, 15, t254=[1]),
        grey_frame(20),
        grey_frame(21, 20, 15, t255=[2]),
        grey_frame(30, t254=[2]),
        grey_frame(31, t254=[4]),
        grey_frame(32, 20, 15, t254=[5]),
    ]
    assert levels_of(path, tiff_of(frames)) == [10, 20, 30]


def test_a_frame_that_is_called_reduced_and_is_not_smaller_is_a_page(path: Path) -> None:
    frames = [grey_frame(10), grey_frame(20, t254=[1]), grey_frame(30, 80, 10, t254=[1])]
    assert levels_of(path, tiff_of(frames)) == [10, 20, 30]


def test_a_tiff_of_thumbnails_alone_has_pages_all_the_same(path: Path) -> None:
    frames = [grey_frame(10, t254=[1]), grey_frame(20, t254=[1])]
    assert levels_of(path, tiff_of(frames)) == [10, 20]


def test_the_pages_of_a_pyramid_are_those_of_its_chain_and_not_of_its_sub_directories(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    content = tiff_of([grey_frame(10, t330=[8]), grey_frame(20)])
    assert levels_of(path, content) == [10, 20]


def test_a_book_of_an_earlier_version_keeps_the_numbers_of_its_pages(path: Path) -> None:
    """It counted thumbnails, and one page for a chain that breaks."""
    thumbs = tiff_of([grey_frame(10), grey_frame(11, 20, 15, t254=[1]), grey_frame(20)])
    assert levels_of(path, thumbs, pages=3) == [10, 11, 20]
    whole = tiff_of([grey_frame(level) for level in LEVELS])
    assert levels_of(path, whole[: len(whole) * 7 // 10], pages=1) == [10]


def test_fifty_thousand_frames_are_counted(path: Path) -> None:
    """Frame by frame from the first one each time, it would take hours."""
    path.write_bytes(tiff_of([grey_frame(10, 1, 1)] * 50_000))
    assert inspect_image(path) == ImageFacts(50_000)


def test_a_chain_that_never_ends_is_not_followed_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.pages.sources.tiff._MAX_FRAMES", 3)
    path.write_bytes(tiff_of([grey_frame(level) for level in LEVELS]))
    assert inspect_image(path) == ImageFacts(4, broken="it has more than 3 frames")


def test_a_directory_of_a_great_many_entries_is_read_in_part(path: Path) -> None:
    more: dict[str, list[int]] = {f"t{tag}": [0] for tag in range(50_000, 60_000)}
    path.write_bytes(tiff_of([grey_frame(10, **more)]))  # type: ignore[arg-type]  # tags only
    with path.open("rb") as file:
        tiff = walk_tiff(file)
    assert tiff is not None
    assert [(frame.width, frame.height) for frame in tiff.frames] == [(40, 30)]


def test_a_group_4_tiff_of_pillows_that_is_cut_keeps_its_whole_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pages = [Image.effect_noise((300, 400), 90).convert("1") for _ in LEVELS]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="group4")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.7)])
    facts = inspect_image(path)
    assert facts.pages == 4
    source = ImageSource([(path, 4)])
    for number, picture in enumerate(pages[:3], start=1):
        assert source.page(number).image.tobytes() == picture.convert("L").tobytes()
    with pytest.raises(PageError, match="the chain of frames breaks off after frame 3"):
        source.page(4)
