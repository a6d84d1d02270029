import base64
import errno
import hashlib
import os
import shutil
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from checkpointing.errors import InputError, PageError, StorageError
from checkpointing.storage_errors import storage_error
from producer.ingest import ingest_source as ingest_module
from producer.ingest.ingest_output import print_ingested
from producer.ingest.ingest_source import Ingested, ingest
from producer.ingest.source_check import natural_key
from tests.support.tiff_files import grey_frame, tiff_of
from worker.pages.scan import ScanFolder, list_scans
from worker.pages.sources.open import open_source

ENCRYPTED_PDF = zlib.decompress(
    base64.b85decode(
        "c-o~=O=}x55WVYH%*Dq>(&%di#)l>`l(r-|Z7(4QNjq}4nBA~eAnBj%q5q)$Bh_vQHgyYy3Vpzvd2dE<7S|W+SMp4;#gCugzB2>?"
        "L;S*)OU6Gu-4pQZu%$iY=fgu^02zPVwR^Y)T@yE8=KGGVR*d>~BB~RC^H9QW*s^COm?~_J2>Oo|8Q;);co<V<)JRR|@2Ty=>*28$"
        "7iVHV4nb;N>sQW5Q-8mSoBtE9`|sNJNc$7WDmvNoj{0r+3|dqkX!P1!hrR~Z-LB9G{HBDy4P(pr6)b}z3OQtNrH-VWYh17beM_jV"
        "Bwrt=B1Y#k86Um1m@p;GM%cFXws!szmPY$%l%r%5c@dn@zG)|JXfp-d*qCBtf=<a&bjJG-O~`1Pgi)g~tD|2%j+9ybJQFWVf;C1N"
        "$Z)`_Lv!Q^lLnq6{Q+yl2`15>V2F5vDX9-w8AG?Dakl!V`%1Mvz8QuBYMu#yb5ZBElt$HMlgiekMel@FvU(AP&Dl{{{Yy%n_hp~P"
        "r~3l-W#Ib~#xfgYuwjeE<<*+~0$)eaXa"
    )
)
"""Two empty pages, 72 x 144 and 72 x 72 points; RC4, 40 bits; the password is `sesame`."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "root"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three pages in an order that only people see, and things that are no pages."""
    folder = tmp_path / "My Book (1888)"
    folder.mkdir()
    for level, name in enumerate(["Page1.png", "page2.TIF", "page10.jpg"]):
        Image.new("L", (8, 8), level * 100).save(folder / name)
    for name in (".DS_Store", "._page1.png", "Thumbs.db", "notes.txt"):
        (folder / name).write_text("not a page")
    (folder / "page3.png").mkdir()
    return folder


def make_pdf(path: Path, levels: tuple[int, ...] = (0, 200)) -> Path:
    pages = [Image.new("L", (80, 120), level) for level in levels]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def make_image(path: Path) -> Path:
    Image.new("L", (8, 8)).save(path)
    return path


def visible(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.glob(".leafmark/*") if not path.name.startswith("library.")]


def grey_levels(root: Path, done: Ingested) -> list[object]:
    """The level in the corner of each page, as a worker will see it."""
    scan = ScanFolder(root, done.metadata.scan_id)
    with closing(open_source(scan, scan.read_metadata(), dpi=72)) as source:
        pages = [source.page(number).image for number in range(1, source.total_pages + 1)]
    return [page.convert("L").getpixel((0, 0)) for page in pages]


def test_a_pdf_becomes_a_scan(tmp_path: Path, root: Path) -> None:
    source = make_pdf(tmp_path / "My Book (1888).pdf")
    done = ingest(source, root)

    assert done.created
    assert done.metadata == ScanFolder(root, "my-book-1888").read_metadata()
    assert done.metadata.title == "My Book (1888)"
    assert done.metadata.total_pages == 2
    assert done.metadata.source.kind == "pdf"
    assert done.metadata.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert done.metadata.created_at.utcoffset() is not None
    assert (root / "my-book-1888/source/My Book (1888).pdf").read_bytes() == source.read_bytes()
    assert grey_levels(root, done) == [0, 200]
    assert visible(root) == ["my-book-1888"]
    assert leftovers(root) == []


def test_a_folder_of_images_is_taken_in_the_order_people_number_pages(images: Path, root: Path) -> None:
    done = ingest(images, root)
    assert [file.name for file in done.metadata.source.files] == ["Page1.png", "page2.TIF", "page10.jpg"]
    assert grey_levels(root, done) == [0, 100, 200]
    assert done.ignored_files == 5
    assert done.unreadable_files == 0
    assert sorted(os.listdir(root / "my-book-1888/source")) == ["Page1.png", "page10.jpg", "page2.TIF"]


def test_equal_numbers_are_ordered_by_name_whatever_the_file_system_says() -> None:
    names = ["p01.png", "p1.png", "p.png", "P2.png", "p1-b.png", "12.png", "p10.png"]
    expected = ["12.png", "p.png", "p01.png", "p1.png", "p1-b.png", "P2.png", "p10.png"]
    for listing in (names, names[::-1]):
        assert sorted(listing, key=natural_key) == expected


def test_a_single_image_is_a_book_of_one_file(tmp_path: Path, root: Path) -> None:
    frames = [Image.new("L", (8, 8), level) for level in (10, 20)]
    frames[0].save(tmp_path / "leaf.tiff", save_all=True, append_images=frames[1:])
    done = ingest(tmp_path / "leaf.tiff", root)
    assert (done.metadata.scan_id, done.metadata.total_pages) == ("leaf", 2)
    assert grey_levels(root, done) == [10, 20]


@pytest.mark.parametrize(("title", "expected"), [(None, "book"), ("  \n", "book"), (" Walden ", "Walden")])
def test_a_blank_title_falls_back_to_the_name(tmp_path: Path, root: Path, title: str | None, expected: str) -> None:
    assert ingest(make_pdf(tmp_path / "book.pdf"), root, title=title).metadata.title == expected


def test_an_unsafe_name_of_a_pdf_is_not_kept(tmp_path: Path, root: Path) -> None:
    done = ingest(make_pdf(tmp_path / "-o\nbook.pdf"), root)
    assert done.metadata.source.files[0].name == "book.pdf"
    assert done.metadata.source.name == "-o book.pdf"


def test_the_same_source_again_is_harmless(tmp_path: Path, root: Path) -> None:
    source = make_pdf(tmp_path / "book.pdf")
    first = ingest(source, root, title="First")
    again = ingest(source.rename(tmp_path / "other.pdf"), root, scan_id="book", title="Second")
    assert not again.created
    assert again.metadata == first.metadata
    assert visible(root) == ["book"]


def test_the_same_pictures_in_the_same_order_are_the_same_book(images: Path, root: Path) -> None:
    first = ingest(images, root)
    (images / "page10.jpg").rename(images / "page11.jpg")
    assert not ingest(images, root).created
    (images / "page11.jpg").rename(images / "page0.jpg")
    with pytest.raises(InputError, match="taken"):
        ingest(images, root)
    assert ScanFolder(root, "my-book-1888").read_metadata() == first.metadata


def test_another_source_under_a_taken_id_is_refused_with_both_names(tmp_path: Path, root: Path) -> None:
    ingest(make_pdf(tmp_path / "one.pdf"), root, scan_id="book")
    with pytest.raises(InputError, match=r"'one\.pdf'.*'two\.pdf'.*--scan-id"):
        ingest(make_pdf(tmp_path / "two.pdf", (5,)), root, scan_id="book")
    assert leftovers(root) == []


def test_another_book_of_the_same_name_is_told_by_what_differs(tmp_path: Path, root: Path) -> None:
    ingest(make_pdf(tmp_path / "book.pdf"), root, title="Moby-Dick")
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError) as caught:
        ingest(make_pdf(tmp_path / "other" / "book.pdf", (5,)), root)
    assert "is taken by 'Moby-Dick' (from 'book.pdf', 2 pages, ingested 2" in str(caught.value)
    assert "and 'book.pdf' (1 page) has different content" in str(caught.value)


def test_a_scan_that_an_earlier_version_named_is_found_again(tmp_path: Path, root: Path) -> None:
    first = ingest(make_pdf(tmp_path / "Straße.pdf"), root, scan_id="strae")
    again = ingest(tmp_path / "Straße.pdf", root)
    assert (again.created, again.metadata) == (False, first.metadata)
    (tmp_path / "other").mkdir()
    assert ingest(make_pdf(tmp_path / "other" / "Straße.pdf", (5,)), root).metadata.scan_id == "strasse"


@pytest.mark.parametrize("inside", [(), ("source", "ocr")])
def test_a_folder_that_is_no_scan_is_left_alone(tmp_path: Path, root: Path, inside: tuple[str, ...]) -> None:
    (root / "book").mkdir(parents=True)
    for name in inside:
        (root / "book" / name).mkdir()
    with pytest.raises(InputError, match="is not a Leafmark scan"):
        ingest(make_pdf(tmp_path / "book.pdf"), root)
    assert visible(root / "book") == sorted(inside)


@pytest.mark.parametrize("levels", [(0, 200), (9,)])
def test_of_two_at_once_the_first_wins_and_the_second_sees_it(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, levels: tuple[int, ...]
) -> None:
    """The other ingest finishes after ours has looked for the id, and before ours is renamed to it."""
    ours, theirs = make_pdf(tmp_path / "ours.pdf"), make_pdf(tmp_path / "theirs.pdf", levels)
    build = ingest_module._build

    def build_late(*args: object) -> object:
        monkeypatch.setattr(ingest_module, "_build", build)
        ingest(theirs, root, scan_id="book")
        return build(*args)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(ingest_module, "_build", build_late)
    if ours.read_bytes() == theirs.read_bytes():
        assert not ingest(ours, root, scan_id="book").created
    else:
        with pytest.raises(InputError, match=r"taken by 'theirs' \(from 'theirs\.pdf'"):
            ingest(ours, root, scan_id="book")
    assert ScanFolder(root, "book").read_metadata().source.name == "theirs.pdf"
    assert leftovers(root) == []


def test_an_encrypted_pdf_is_stored_so_that_it_opens_without_a_password(tmp_path: Path, root: Path) -> None:
    source = tmp_path / "secret.pdf"
    source.write_bytes(ENCRYPTED_PDF)
    done = ingest(source, root, password="sesame")  # noqa: S106 - the password of the file above
    assert done.decrypted
    assert done.metadata.total_pages == 2
    assert done.metadata.sha256 == hashlib.sha256(ENCRYPTED_PDF).hexdigest()
    assert grey_levels(root, done) == [255, 255]
    for path in (root / "secret").rglob("*.*"):
        assert b"sesame" not in path.read_bytes()
    assert not ingest(source, root, password="sesame").created  # noqa: S106 - likewise


@pytest.mark.parametrize(
    ("password", "message"), [(None, "give its password with --password"), ("x", "does not open")]
)
def test_an_encrypted_pdf_needs_its_password(
    tmp_path: Path, root: Path, password: str | None, message: str
) -> None:
    (tmp_path / "secret.pdf").write_bytes(ENCRYPTED_PDF)
    with pytest.raises(InputError, match=message):
        ingest(tmp_path / "secret.pdf", root, password=password)
    assert not root.exists()


def test_a_disk_that_fills_up_while_pdfium_writes_is_noticed(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pdfium calls our `write` from C, where an exception would be printed and lost."""

    class Full(BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    real = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode: Full() if mode == "xb" else real(path, mode))
    (tmp_path / "secret.pdf").write_bytes(ENCRYPTED_PDF)
    with pytest.raises(StorageError, match="no space left"):
        ingest(tmp_path / "secret.pdf", root, password="sesame")  # noqa: S106 - likewise
    assert leftovers(root) == []
    assert visible(root) == []


def test_a_password_that_is_not_needed_changes_nothing(tmp_path: Path, root: Path) -> None:
    done = ingest(make_pdf(tmp_path / "book.pdf"), root, password="sesame")  # noqa: S106 - any would do
    assert not done.decrypted
    assert done.metadata.source.files[0].sha256 == done.metadata.sha256


def test_bad_input_is_one_clear_line_and_leaves_nothing(tmp_path: Path, root: Path) -> None:
    (tmp_path / "text.pdf").write_text("Chapter 1")
    (tmp_path / "book.docx").write_text("Chapter 1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "page1.png").write_text("not a picture")
    (tmp_path / "broken" / "page2.png").touch()
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost" / "page1.png").symlink_to("nowhere.png")
    expected = {
        "missing.pdf": "does not exist",
        "text.pdf": "is not a PDF",
        "book.docx": "is neither a PDF nor a page image",
        "empty": "supported formats are PNG, JPEG, TIFF, JPEG 2000 or WebP",
        "broken": "no page image can be opened",
        "lost": "page1.png is a link to nothing",
    }
    for name, message in expected.items():
        with pytest.raises(InputError, match=message) as caught:
            ingest(tmp_path / name, root)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
    assert not root.exists()


def test_a_bad_scan_id_is_refused_before_anything_is_written(tmp_path: Path, root: Path) -> None:
    with pytest.raises(InputError, match="is not a scan id"):
        ingest(make_pdf(tmp_path / "book.pdf"), root, scan_id="../book")
    assert not root.exists()


def test_a_damaged_image_counts_as_a_page_and_fails_only_when_it_is_worked_on(images: Path, root: Path) -> None:
    (images / "page3.jpg").write_bytes(b"\xff\xd8\xff broken")
    done = ingest(images, root)
    assert (done.metadata.total_pages, done.unreadable_files) == (4, 1)
    source = open_source(ScanFolder(root, "my-book-1888"), done.metadata)
    with closing(source), pytest.raises(PageError, match=r"page3\.jpg"):
        source.page(3)


def test_a_damaged_page_of_a_pdf_does_not_stop_the_book(tmp_path: Path, root: Path) -> None:
    source = make_pdf(tmp_path / "book.pdf")
    content = source.read_bytes()
    at = content.index(b"/Type /Page\n")
    source.write_bytes(content[:at] + b"/Type /Cage\n" + content[at + 12 :])
    assert ingest(source, root).metadata.total_pages == 2


def test_a_pdf_replaced_after_ingest_is_noticed(tmp_path: Path, root: Path) -> None:
    done = ingest(make_pdf(tmp_path / "book.pdf"), root)
    make_pdf(root / "book/source/book.pdf", (1, 2, 3))
    with pytest.raises(InputError, match="has 3 pages, but had 2"):
        open_source(ScanFolder(root, "book"), done.metadata)


@pytest.mark.parametrize("step", ["copyfileobj", "sync_file", "sync_folder"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_full_disk_at_any_step_leaves_no_scan_and_no_leftovers(
    images: Path, root: Path, monkeypatch: pytest.MonkeyPatch, step: str, nth: int
) -> None:
    owner = shutil if step == "copyfileobj" else ingest_module
    real, calls = getattr(owner, step), []

    def full(*args: object) -> object:
        calls.append(args)
        if len(calls) == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    monkeypatch.setattr(owner, step, full)
    with pytest.raises(StorageError, match="no space left") as caught:
        ingest(images, root)
    assert str(root) in str(caught.value)
    assert leftovers(root) == []
    # The last sync of all is that of the root, when the scan is whole and has its name already.
    whole = step == "sync_folder" and nth == 3
    assert list_scans(root) == visible(root) == (["my-book-1888"] if whole else [])
    assert ingest(images, root).created is not whole


def test_an_interrupt_leaves_nothing_behind(images: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest(images, root)
    assert leftovers(root) == []
    assert visible(root) == []


def test_a_staging_folder_of_a_crash_goes_after_a_day_and_a_living_one_stays(tmp_path: Path, root: Path) -> None:
    dead, alive = root / ".leafmark/ingest-dead", root / ".leafmark/ingest-alive"
    for folder in (dead, alive):
        (folder / "book" / "source").mkdir(parents=True)
    two_days_ago = time.time() - 2 * 24 * 60 * 60
    os.utime(dead, (two_days_ago, two_days_ago))
    ingest(make_pdf(tmp_path / "book.pdf"), root)
    assert leftovers(root) == [alive]


@pytest.mark.parametrize("place", ["deep", "deep/root", "deep/root/.leafmark"])
def test_a_file_in_the_place_of_a_folder_is_a_storage_error(tmp_path: Path, root: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).touch()
    with pytest.raises(StorageError, match="a file is in the place of a folder"):
        ingest(make_pdf(tmp_path / "book.pdf"), root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_root_is_a_storage_error(tmp_path: Path, root: Path) -> None:
    root.mkdir(parents=True)
    root.chmod(0o500)
    with pytest.raises(StorageError, match="permission denied"):
        ingest(make_pdf(tmp_path / "book.pdf"), root)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "permission denied"),
        (errno.EIO, "input/output error"),
        (errno.ENOENT, "no such file"),
        (errno.ESTALE, "stale"),
        (errno.ELOOP, os.strerror(errno.ELOOP)),
    ],
)
def test_a_failed_system_call_is_put_in_words_with_the_path(number: int, words: str) -> None:
    message = str(storage_error(OSError(number, os.strerror(number)), Path("shelf/book")))
    assert message.startswith("shelf/book: ")
    assert words in message


def test_an_error_without_a_number_still_says_something() -> None:
    assert str(storage_error(OSError(), Path("shelf"))) == "shelf: OSError"


def link_out(path: Path, outside: Path) -> None:
    outside.write_text("secret")
    path.symlink_to(outside)


REFUSED: dict[str, Callable[[Path, Path], object]] = {
    "a link out of it, to ": link_out,
    "a link to nothing": lambda path, _: path.symlink_to("nowhere.png"),
    "a FIFO": lambda path, _: os.mkfifo(path),
    "a link to a device": lambda path, _: path.symlink_to("/dev/zero"),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", REFUSED)
def test_ingest_refuses_a_folder_with_a_page_that_is_not_a_regular_file_inside_it(
    tmp_path: Path, root: Path, what: str
) -> None:
    folder = tmp_path / "book"
    folder.mkdir()
    make_image(folder / "page1.png")
    REFUSED[what](folder / "page2.png", tmp_path / "outside.png")
    with pytest.raises(InputError, match=rf"page2\.png is {what}") as caught:
        ingest(folder, root)
    assert "page1.png" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not root.exists()


def test_ingest_names_a_few_of_many_pages_that_it_refuses(tmp_path: Path, root: Path) -> None:
    for number in range(1, 9):
        os.mkfifo(tmp_path / f"page{number}.png")
    with pytest.raises(
        InputError, match=r"page5\.png is a FIFO; and 3 more\. Replace them by the pages themselves"
    ):
        ingest(tmp_path, root)


@pytest.mark.timeout(300)
def test_ingest_passes_over_special_files_that_are_not_pages(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "book"
    folder.mkdir()
    make_image(folder / "page1.png")
    os.mkfifo(folder / "notes")
    (folder / "Thumbs.db").symlink_to("/dev/zero")
    done = ingest(folder, root)
    assert (done.metadata.total_pages, done.ignored_files) == (1, 2)


def test_ingest_takes_links_to_pages_inside_the_folder_and_a_source_that_is_a_link(
    tmp_path: Path, root: Path
) -> None:
    folder = tmp_path / "book"
    folder.mkdir()
    make_image(folder / "page1.png")
    (folder / "page2.png").symlink_to("page1.png")
    (tmp_path / "linked").symlink_to("book")
    done = ingest(tmp_path / "linked", root)
    assert done.metadata.total_pages == 2
    stored = root / done.metadata.scan_id / "source" / "page2.png"
    assert not stored.is_symlink()
    assert stored.read_bytes() == (folder / "page1.png").read_bytes()

    (tmp_path / "one.png").symlink_to("book/page1.png")
    assert ingest(tmp_path / "one.png", root).metadata.total_pages == 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["book.pdf", "page.tif"])
def test_ingest_refuses_a_source_that_is_a_fifo(tmp_path: Path, root: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name} is a FIFO; give a PDF, a page image or a folder"):
        ingest(tmp_path / name, root)


def test_ingest_of_a_tiff_that_is_cut_off_says_what_is_missing(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "book"
    folder.mkdir()
    whole = tiff_of([grey_frame(level) for level in (10, 20, 30, 40, 50)])
    (folder / "a.tif").write_bytes(whole[: len(whole) * 7 // 10])
    (folder / "b.tif").write_bytes(tiff_of([grey_frame(60), grey_frame(70)]))
    done = ingest(folder, root)
    assert done.metadata.total_pages == 6
    assert [file.pages for file in done.metadata.source.files] == [4, 2]
    print_ingested(done)
    assert "a.tif: the chain of frames breaks off after frame 3" in capsys.readouterr().err.replace("\n", " ")
    source = open_source(ScanFolder(root, "book"), done.metadata)
    assert [source.page(number).image.getpixel((0, 0)) for number in (1, 2, 3, 5, 6)] == [10, 20, 30, 60, 70]
    with pytest.raises(PageError, match=r"a\.tif cannot be decoded"):
        source.page(4)


def test_ingest_counts_each_frame_of_a_tiff_that_does_not_open_beside_other_pages(
    tmp_path: Path, root: Path
) -> None:
    folder = tmp_path / "book"
    folder.mkdir()
    (folder / "a.tif").write_bytes(tiff_of([grey_frame(10, t258=[7])] * 3))
    make_image(folder / "b.png")
    done = ingest(folder, root)
    assert (done.metadata.total_pages, done.unreadable_files) == (4, 1)
