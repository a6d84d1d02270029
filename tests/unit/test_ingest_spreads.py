"""Pictures of two pages: split when a book is ingested, and read one half at a time."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from producer.ingest import spread_search
from producer.ingest.ingest_output import ingested_json, print_ingested
from producer.ingest.ingest_source import Ingested, ingest
from producer.ingest.profile_options import parse_changes, spreads_without_effect
from producer.ingest.spread_search import SpreadSearch, find_spreads
from producer.report.pictures import pictures_of
from sample import pages, write_pdf
from tests.support.fake_deployment import FakeDeployment
from tests.support.scanned_pages import turned
from tests.support.spread_pictures import FOLD, HEIGHT, WIDTH, blank_sheet, print_text, shade_fold, spread
from worker.pages.book_profile import BookProfile
from worker.pages.geometry.resample import page_image
from worker.pages.geometry.settings import GeometrySettings
from worker.pages.metadata import ScanMetadata
from worker.pages.scan import ScanFolder
from worker.pages.sources.open import open_source
from worker.pages.sources.small import SourceImage, sizes_of
from worker.pipeline.provenance import source_sha256

AUTO = SpreadSearch("auto", GeometrySettings(rotate="off"))
SINGLE = 500, 700


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cover, a spread, and a spread on which a picture reaches across the fold."""
    folder = tmp_path_factory.mktemp("sources") / "book"
    folder.mkdir()
    Image.new("L", SINGLE, 200).save(folder / "1.png")
    spread().save(folder / "2.jpg", quality=90)
    plate = blank_sheet()
    plate.paste(Image.effect_noise((900, 500), 80).convert("RGB"), (150, 150))
    shade_fold(plate).save(folder / "3.png")
    return folder


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ingested]:
    root = tmp_path_factory.mktemp("root")
    return root, ingest(folder, root, profile=BookProfile(spreads="auto"), search=AUTO)


def test_a_spread_counts_as_two_pages(done: tuple[Path, Ingested], capsys: pytest.CaptureFixture[str]) -> None:
    metadata = done[1].metadata
    assert metadata.total_pages == 4
    places = [(place.file.name, place.half and place.half.side) for place in metadata.source.places()]
    assert places == [("1.png", None), ("2.jpg", "left"), ("2.jpg", "right"), ("3.png", None)]
    print_ingested(done[1])
    told = capsys.readouterr().err
    assert "3 pictures, 4 pages: 1 spread, 2 single" in told
    assert "1 picture may show two pages and stayed whole (3): something reaches across its fold." in told
    assert ingested_json(done[1])["spreads"] == 1
    assert ingested_json(done[1])["doubtful_spreads"] == [3]


def test_sizes_are_those_of_each_page_and_none_where_a_file_is_damaged(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 4)), Image.new("L", (4, 8))]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7 and no more")
    write_pdf(tmp_path / "c.pdf", pages(1))

    sizes = sizes_of(
        [
            *(SourceImage(tmp_path / "a.tif", "images", 2, place) for place in (1, 2)),
            *(SourceImage(tmp_path / "b.pdf", "pdf", 2, place) for place in (1, 2)),
            *(SourceImage(tmp_path / "c.pdf", "pdf", 1, place) for place in (1, 2)),
        ]
    )

    assert sizes[:4] == [(8, 4), (4, 8), None, None]
    assert sizes[4] is not None
    assert sizes[4][0] < sizes[4][1]
    assert sizes[5] is None


def test_each_half_is_opened_as_its_picture_with_its_side(done: tuple[Path, Ingested]) -> None:
    root, made = done
    with closing(open_source(ScanFolder(root, made.metadata.scan_id), made.metadata)) as source:
        left, right = source.page(2), source.page(3)
        assert source.page(1).half is None
    assert left.image.size == right.image.size == (WIDTH, HEIGHT)
    assert left.half is not None
    assert right.half is not None
    x, _, width, _ = left.half.geometry(left.image.size).box
    assert (x, width) == (0, pytest.approx(FOLD, abs=12))
    assert right.half.geometry(right.image.size).box[0] == pytest.approx(width, abs=1)


def test_a_picture_that_stays_whole_has_the_hash_that_it_had_before_spreads_were_split(
    done: tuple[Path, Ingested], folder: Path, tmp_path: Path
) -> None:
    whole = ingest(folder, tmp_path, search=SpreadSearch("no")).metadata
    split = done[1].metadata
    assert whole.total_pages == 3
    assert "spreads" not in whole.source.model_dump()
    of_whole, of_split = ([source_sha256(place) for place in each.source.places()] for each in (whole, split))
    assert (of_split[0], of_split[3]) == (of_whole[0], of_whole[2])
    assert len({*of_split, *of_whole}) == 5


def test_the_pages_of_metadata_with_a_spread_that_is_not_there_do_not_add_up(done: tuple[Path, Ingested]) -> None:
    form = done[1].metadata.model_dump(mode="json")
    assert ScanMetadata.model_validate(form) == done[1].metadata
    form["source"]["spreads"][0]["image"] = 4
    with pytest.raises(ValidationError, match="not in the files"):
        ScanMetadata.model_validate(form)


def test_the_report_shows_the_half_that_a_page_is(folder: Path, fake: FakeDeployment) -> None:
    made = ingest(folder, fake.root, search=AUTO)
    found = pictures_of(fake.parts.store, made.metadata, {2: None, 4: None}, lambda: None)
    assert found[2].width == pytest.approx(FOLD, abs=12)
    assert found[4].width == WIDTH


def test_the_pages_of_a_pdf_are_looked_at_too(tmp_path: Path) -> None:
    spread().save(tmp_path / "book.pdf", resolution=100)
    made = ingest(tmp_path / "book.pdf", tmp_path / "root", search=AUTO)
    assert made.metadata.total_pages == 2


def test_upright_pictures_are_split_where_the_spreads_of_a_book_lie_on_their_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned(spread(), 90).save(tmp_path / "1.png")
    image = SourceImage(tmp_path / "1.png", "images", 1, 1)
    found = find_spreads([image] * 2, SpreadSearch("auto", GeometrySettings(rotate="270")))
    assert [each.image for each in found.spreads] == [1, 2]
    looked: list[object] = []
    monkeypatch.setattr(spread_search, "_look_at", lambda images, _search: looked.append(images) or {})
    page = blank_sheet(600, 840)
    print_text(page, 60, 540)
    page.save(tmp_path / "1.png")
    assert find_spreads([image] * 9, AUTO).spreads == ()
    assert looked == [{}]


def test_yes_splits_where_the_gutter_is_faint(tmp_path: Path) -> None:
    sheet = blank_sheet()
    for y in range(100, 700, 200):
        print_text(sheet, 90, 580, top=y, bottom=y + 60)
        print_text(sheet, 620, 1110, top=y, bottom=y + 60)
    sheet.save(tmp_path / "1.png")
    image = SourceImage(tmp_path / "1.png", "images", 1, 1)
    assert find_spreads([image], AUTO).spreads == ()
    [found] = find_spreads([image], SpreadSearch("yes", GeometrySettings(rotate="off"))).spreads
    assert found.gutter.top[0] == pytest.approx(0.5, abs=0.02)


def test_a_picture_that_cannot_be_decoded_stays_whole(tmp_path: Path) -> None:
    spread().save(tmp_path / "1.png")
    cut = (tmp_path / "1.png").read_bytes()[:5000]
    (tmp_path / "1.png").write_bytes(cut)
    assert find_spreads([SourceImage(tmp_path / "1.png", "images", 1, 1)], AUTO).spreads == ()


def test_ctrl_c_while_spreads_are_looked_for_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(spread_search, "_counted", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest(folder, tmp_path / "root", search=AUTO)
    assert [path.name for path in (tmp_path / "root").iterdir()] == [".leafmark"]
    assert list((tmp_path / "root" / ".leafmark").glob("ingest-*")) == []


def test_an_option_for_spreads_does_not_change_a_book_that_exists(done: tuple[Path, Ingested]) -> None:
    metadata = done[1].metadata
    assert spreads_without_effect(metadata, BookProfile(spreads="auto")) == ""
    assert "--spreads no applies to new books" in spreads_without_effect(metadata, BookProfile(spreads="no"))
    with pytest.raises(Exception, match="how many pages"):
        parse_changes(["spreads=no"], [])


def test_halves_meet_without_a_pixel_lost(done: tuple[Path, Ingested]) -> None:
    root, made = done
    with closing(open_source(ScanFolder(root, made.metadata.scan_id), made.metadata)) as source:
        found = [source.page(page) for page in (2, 3)]
    halves = [page_image(each.image, each.half.geometry(each.image.size)) for each in found if each.half]
    assert sum(half.width for half in halves) == WIDTH
    assert np.array_equal(np.hstack([np.asarray(half) for half in halves]), np.asarray(found[0].image))
