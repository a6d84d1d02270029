"""The metadata of a scan: the content of `metadata.json`, written when it is ingested."""

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AwareDatetime, Field, PositiveInt, StringConstraints, model_validator

from checkpointing.fields import OpenModel, PageNumber, Sha256
from checkpointing.plurals import counted
from worker.pages.book_profile import NO_PROFILE, BookProfile, PageProfile, check_in_order
from worker.pages.geometry.gutter import SIDES, Gutter, Half

# A plain name: metadata.json may be edited by hand, and must not lead out of source/.
_FileName = Annotated[str, StringConstraints(pattern=r"^[^./\x00][^/\x00]*$")]


class SourceFile(OpenModel):
    """One file in `source/`.

    Attributes:
        name: as stored.
        pages: how many it holds; more than one for a PDF or a multi-page TIFF.
        sha256: of the stored bytes.
    """

    name: _FileName
    pages: PositiveInt
    sha256: Sha256


class ReplacedPage(OpenModel):
    """A page that was scanned again after the ingest, and what it replaces.

    Attributes:
        page: which page of the book.
        kind: of the file that it is in now.
        file: that it is in now.
        place: which page of that file it is.
        original: name of the file that was given.
        replaced_at: when.
        before: name of the file in `source/` in which the page as it was is kept.
        before_sha256: of that file.
        before_place: which page of that file it was.
    """

    page: PageNumber
    kind: Literal["pdf", "images"]
    file: SourceFile
    place: PositiveInt
    original: str
    replaced_at: AwareDatetime
    before: _FileName
    before_sha256: Sha256
    before_place: PositiveInt


class Spread(OpenModel):
    """A source image that shows two pages of the book.

    Attributes:
        image: which of the source images of all files, from 1.
        gutter: where its two pages meet. The left one comes first.
    """

    image: PositiveInt
    gutter: Gutter


class PagePlace(NamedTuple):
    """Where a page is.

    Attributes:
        kind: of the file.
        file: that it is in.
        place: which source image of that file it is on, from 1.
        half: which half of it the page is; None for all of it.
    """

    kind: Literal["pdf", "images"]
    file: SourceFile
    place: int
    half: Half | None = None


class ScanSource(OpenModel):
    """Where the pages of a scan come from.

    Attributes:
        kind: a PDF, or page images.
        name: of the file or folder that was ingested.
        files: in page order, as they were ingested.
        replaced: pages that were scanned again, the latest last: of several for one page the last one counts.
        spreads: source images with two pages, in order; all others have one. Left out where there are none;
            versions before 0.3 do not read a book that has some.
    """

    kind: Literal["pdf", "images"]
    name: str
    files: tuple[SourceFile, ...] = Field(min_length=1)
    replaced: tuple[ReplacedPage, ...] = ()
    spreads: tuple[Spread, ...] = Field(default=(), exclude_if=lambda spreads: not spreads)

    @property
    def total_images(self) -> int:
        """The number of source images, each of which has one page or two."""
        return sum(file.pages for file in self.files)

    @property
    def total_pages(self) -> int:
        """The number of pages."""
        return self.total_images + len(self.spreads)

    def places(self) -> Iterator[PagePlace]:
        """Yield where each page is now, in page order."""
        replaced = self.replacements
        for page, place in enumerate(self.ingested_places(), start=1):
            new = replaced.get(page)
            yield PagePlace(new.kind, new.file, new.place) if new else place

    def ingested_places(self) -> Iterator[PagePlace]:
        """Yield where each page was when it was ingested, in page order."""
        gutters = {spread.image: spread.gutter for spread in self.spreads}
        images = ((file, place) for file in self.files for place in range(1, file.pages + 1))
        for image, (file, place) in enumerate(images, start=1):
            gutter = gutters.get(image)
            if gutter is None:
                yield PagePlace(self.kind, file, place)
                continue
            for side in SIDES:
                yield PagePlace(self.kind, file, place, Half(gutter, side))

    def place_of(self, page: int) -> PagePlace:
        """Return where a page is now. For many pages `places` is faster.

        Raises:
            ValueError: there is no such page.
        """
        for number, place in enumerate(self.places(), start=1):
            if number == page:
                return place
        raise ValueError(f"there is no page {page}")

    @property
    def replacements(self) -> dict[int, ReplacedPage]:
        """The latest replacement of each page that was scanned again, by page."""
        return {each.page: each for each in self.replaced}


class ScanMetadata(OpenModel):
    """The content of `metadata.json`.

    Attributes:
        scan_id: names the scan and its folder.
        title: for people; never empty.
        total_pages: of the whole book.
        source: the files the pages are in.
        sha256: tells whether two sources are the same. For a PDF the hash of the file that was ingested, before any
            decryption; for images the hash over the files' hashes in page order, whatever the files are called.
        created_at: when the scan was ingested.
        taken_over: whether another program made the folder; its files stay beside.
        profile: how the book is read, in place of the settings; left out where it says nothing.
        defaults: the settings of the last enqueue, by which workers read what the profile leaves open.
        page_profiles: how some pages are read, in place of the book's profile; a page is in one of them at most.
            Left out where there are none; versions before 0.3 ignore it.
    """

    scan_id: str
    title: str = Field(min_length=1)
    total_pages: PageNumber
    source: ScanSource
    sha256: Sha256
    created_at: AwareDatetime
    taken_over: bool = False
    profile: BookProfile = Field(default=NO_PROFILE, exclude_if=lambda profile: profile.is_empty)
    defaults: BookProfile = Field(default=NO_PROFILE, exclude_if=lambda profile: profile.is_empty)
    page_profiles: tuple[PageProfile, ...] = Field(default=(), exclude_if=lambda profiles: not profiles)

    def own_profile_of(self, page: int) -> BookProfile:
        """Return the fields of a page's profile that replace those of the book's; empty for most pages."""
        return next((each.profile for each in self.page_profiles if each.includes(page)), NO_PROFILE)

    def profile_of(self, page: int) -> BookProfile:
        """Return how a page is read: the profile of the book, with the fields that the page has of its own."""
        return self.profile.changed_by(self.own_profile_of(page))

    def profiles(self) -> tuple[BookProfile, ...]:
        """Return all profiles that apply to some page of the book, each once."""
        with_own = sum(each.count for each in self.page_profiles)
        of_book = (self.profile,) if with_own < self.total_pages else ()
        own = (self.profile.changed_by(each.profile) for each in self.page_profiles)
        return tuple(dict.fromkeys((*of_book, *own)))

    @model_validator(mode="after")
    def _pages_add_up(self) -> Self:
        spreads = [spread.image for spread in self.source.spreads]
        if spreads != sorted(set(spreads)) or max(spreads, default=0) > self.source.total_images:
            raise ValueError("a spread is named twice, out of order, or is not in the files")
        in_files = self.source.total_pages
        if in_files != self.total_pages:
            raise ValueError(f"total_pages is {self.total_pages}, but the files hold {counted(in_files, 'page')}")
        if any(each.page > in_files or each.place > each.file.pages for each in self.source.replaced):
            raise ValueError("a page that was replaced is not in the book, or not in its file")
        return self

    @model_validator(mode="after")
    def _page_profiles_add_up(self) -> Self:
        ranges = sorted(pages for each in self.page_profiles for pages in each.pages)
        check_in_order(tuple(ranges))
        if ranges and ranges[-1][1] > self.total_pages:
            raise ValueError(f"page_profiles names page {ranges[-1][1]}, but total_pages is {self.total_pages}")
        return self
