import errno
import hashlib
import json
import os
from typing import Any, NoReturn

import psutil
import pytest

from checkpointing.errors import PageOutputError
from checkpointing.output_schema import OutputSchema
from checkpointing.outputs import OutputFolder, Problem, Verdict
from checkpointing.page_records import PageRecord
from tests.unit.conftest import Book, Disk, Leaf, leaf


def evidence(book: Book, page: int, version: str = "1") -> PageRecord:
    """What the checkpoint keeps of an output as it stands now."""
    raw = book.outputs.path_of(page).read_bytes()
    return PageRecord(sha256=hashlib.sha256(raw).hexdigest(), schema_version=version)


def open_files(book: Book) -> list[str]:
    """Of a book; other parts of the tests may open what they like."""
    return [file.path for file in psutil.Process().open_files() if file.path.startswith(str(book.root))]


class TestAnOutputThatCounts:
    def test_is_told_with_its_hash(self, book: Book) -> None:
        book.write(1)
        assert book.outputs.check(1) == Verdict(1, hashlib.sha256(leaf(1).encode()).hexdigest())
        assert book.outputs.check(1).valid

    def test_is_loaded_as_parsed_json(self, book: Book) -> None:
        book.write(12)
        assert book.outputs.load(12) == {"page_number": 12, "text": "words"}

    @pytest.mark.parametrize(("page", "name"), [(1, "page_0001.json"), (12345, "page_12345.json")])
    def test_stands_under_the_name_of_its_page(self, book: Book, page: int, name: str) -> None:
        book.write(page)
        assert [path.name for path in book.outputs.path.iterdir()] == [name]
        assert book.outputs.pages() == {page}

    def test_is_not_parsed_again_while_its_bytes_and_its_schema_are_the_same(self, book: Book) -> None:
        def never(_: bytes) -> NoReturn:
            pytest.fail("parsed again")

        book.write(1)
        assert OutputFolder(book.outputs.path, OutputSchema(never)).check(1, evidence(book, 1)).valid

    def test_is_parsed_again_under_a_new_version_of_the_schema(self, book: Book) -> None:
        def stricter(_: bytes) -> NoReturn:
            raise ValueError("a field is missing")

        book.write(1)
        newer = OutputFolder(book.outputs.path, OutputSchema(stricter, version="2"))
        assert newer.check(1, evidence(book, 1, "1")).problem is Problem.INVALID
        assert book.outputs_of_version("2").check(1, evidence(book, 1, "1")).valid


class TestAnOutputThatDoesNotCount:
    def check(self, book: Book, raw: bytes | str, record: PageRecord | None = None) -> Verdict:
        book.write(1)
        book.outputs.path_of(1).write_bytes(raw.encode() if isinstance(raw, str) else raw)
        verdict = book.outputs.check(1, record)
        assert not verdict.valid
        assert verdict.detail
        assert "\n" not in verdict.detail
        return verdict

    def test_missing(self, book: Book) -> None:
        verdict = book.outputs.check(1)
        assert (verdict.problem, verdict.sha256) == (Problem.MISSING, None)

    @pytest.mark.parametrize("length", range(0, len(leaf(1, "w" * 90)), 10))
    def test_cut_off_anywhere(self, book: Book, length: int) -> None:
        assert self.check(book, leaf(1, "w" * 90)[:length]).problem is Problem.UNREADABLE

    @pytest.mark.parametrize(
        "raw",
        [
            b"\x00" * 40,
            b"\xff\xfe{}",
            b"nonsense",
            b'{"page_number": 1, "text": "a"}{}',
            b"[" * 100_000,
            b"1" * 9000,
        ],
        ids=["zeros", "no text", "words", "twice", "deep", "long number"],
    )
    def test_not_json(self, book: Book, raw: bytes) -> None:
        assert self.check(book, raw).problem is Problem.UNREADABLE

    @pytest.mark.parametrize(
        "raw",
        ["{}", "[]", "null", "7", '{"page_number": 1}', '{"page_number": 1, "text": ""}', '{"page_number": "x"}'],
    )
    def test_not_what_the_schema_asks_for(self, book: Book, raw: str) -> None:
        assert self.check(book, raw).problem is Problem.INVALID

    def test_that_of_another_page(self, book: Book) -> None:
        verdict = self.check(book, leaf(2))
        assert verdict.problem is Problem.INVALID
        assert "page 2" in verdict.detail

    def test_changed_since_it_was_checked(self, book: Book) -> None:
        book.write(1)
        seen = evidence(book, 1)
        assert self.check(book, leaf(1, "edited"), seen).problem is Problem.CHANGED

    def test_changed_and_broken(self, book: Book) -> None:
        book.write(1)
        seen = evidence(book, 1)
        assert self.check(book, leaf(1)[:-5], seen).problem is Problem.UNREADABLE

    def test_without_earlier_evidence_a_valid_output_is_no_stranger(self, book: Book) -> None:
        book.write(1)
        assert book.outputs.check(1, PageRecord()).valid

    def test_a_folder_in_its_place(self, book: Book) -> None:
        book.outputs.path_of(1).mkdir(parents=True)
        assert book.outputs.check(1).problem is Problem.UNREADABLE
        assert not book.outputs.holds(1, "a" * 64)

    def test_a_link_that_leads_nowhere(self, book: Book) -> None:
        book.write(2)
        book.outputs.path_of(1).symlink_to("nowhere")
        assert book.outputs.check(1).problem is Problem.MISSING

    def test_one_the_disk_cannot_read_is_not_taken_for_one(
        self, book: Book, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_fd: int, _length: int) -> NoReturn:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        book.write(1)
        sha256 = book.outputs.check(1).sha256 or ""
        monkeypatch.setattr(os, "read", fail)
        with pytest.raises(OSError, match="Input/output error"):
            book.outputs.check(1)
        with pytest.raises(OSError, match="Input/output error"):
            book.outputs.holds(1, sha256)
        assert open_files(book) == []

    def test_cannot_be_loaded(self, book: Book) -> None:
        with pytest.raises(PageOutputError, match="page 1 has no valid output"):
            book.outputs.load(1)


class TestReading:
    @pytest.mark.parametrize("most", [1, 7, 1 << 20])
    def test_an_output_is_read_to_its_end_however_little_comes_at_once(
        self, book: Book, monkeypatch: pytest.MonkeyPatch, most: int
    ) -> None:
        """A network file system may give less than was asked for; what a page begins with is not the page."""
        book.write(1)
        sha256 = book.outputs.check(1).sha256
        assert sha256 is not None
        read = os.read
        monkeypatch.setattr(os, "read", lambda fd, length: read(fd, min(most, length)))
        assert book.outputs.check(1) == Verdict(1, sha256)
        assert book.outputs.load(1) == {"page_number": 1, "text": "words"}
        assert book.outputs.holds(1, sha256)
        with book.outputs.path_of(1).open("ab") as file:
            file.write(b" ")
        assert not book.outputs.holds(1, sha256)

    @pytest.mark.parametrize("length", [(1 << 16) - 100, 1 << 16, 300_000])
    def test_a_long_output_counts_with_all_its_bytes(self, book: Book, length: int) -> None:
        raw = leaf(1, "w" * (length + 1 - len(leaf(1, "w"))))
        assert len(raw) == length
        book.write(2)
        book.outputs.path_of(1).write_text(raw)
        assert book.outputs.check(1) == Verdict(1, hashlib.sha256(raw.encode()).hexdigest())
        assert book.outputs.load(1) == json.loads(raw)

    def test_what_is_loaded_is_what_was_checked(self, book: Book) -> None:
        """Between two reads somebody may have replaced it by something that was never checked."""

        def parse_and_replace(raw: bytes) -> Leaf:
            book.outputs.path_of(1).write_text("{}")
            return Leaf.model_validate_json(raw)

        book.write(1)
        folder = OutputFolder(book.outputs.path, OutputSchema(parse_and_replace))
        assert folder.load(1) == {"page_number": 1, "text": "words"}

    def test_a_thousand_looks_leave_no_file_open(self, book: Book) -> None:
        book.write(1)
        for page in (1, 2) * 500:
            book.outputs.check(page)
            book.outputs.holds(page, "a" * 64)
        assert open_files(book) == []


class TestFindingPages:
    def test_names_that_are_not_ours_are_no_pages(self, book: Book) -> None:
        book.write(1, 2)
        odd = ["page_1.json", "page_00003.json", "page_0000.json", "page_0004.json.tmp.ab", "page_0005.txt"]
        odd += [
            "xpage_0006.json",
            "page_0007.json\n",
            "page_-008.json",
            "page_٠٠٠٩.json",
            "PAGE_0010.json",
            "notes",
        ]
        for name in odd:
            (book.outputs.path / name).touch()
        assert book.outputs.pages() == {1, 2}

    def test_a_page_has_a_file_whether_valid_or_not(self, book: Book) -> None:
        book.write(1)
        book.outputs.path_of(2).touch()
        assert book.outputs.pages() == {1, 2}

    def test_a_folder_that_is_not_there_has_none(self, book: Book) -> None:
        assert book.outputs.pages() == set()

    def test_a_long_book_is_listed_at_once(self, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "listdir", lambda _: [f"page_{page:04d}.json" for page in range(1, 20_001)])
        monkeypatch.setattr(os, "stat", lambda *_: pytest.fail("each page is looked at"))
        assert len(book.outputs.pages()) == 20_000


class TestHolding:
    def test_exactly_these_bytes_and_no_others(self, book: Book) -> None:
        book.write(1)
        sha256 = book.outputs.check(1).sha256
        assert sha256 is not None
        assert book.outputs.holds(1, sha256)
        assert not book.outputs.holds(1, "a" * 64)
        assert not book.outputs.holds(2, sha256)


class TestSaving:
    def test_the_hash_is_that_of_the_file(self, book: Book) -> None:
        sha256 = book.outputs.save(1, Leaf(page_number=1, text="words"))
        assert book.outputs.holds(1, sha256)
        assert book.outputs.check(1).valid

    def test_the_output_of_another_page_is_not_saved(self, book: Book) -> None:
        book.write(1)
        before = book.snapshot()
        with pytest.raises(ValueError, match="it is the output of page 2"):
            book.outputs.save(1, Leaf(page_number=2, text="words"))
        after = book.snapshot()
        assert after[str(book.outputs.path_of(1))] == before[str(book.outputs.path_of(1))]
        assert book.temp_files() == []

    def test_what_does_not_match_the_schema_is_not_saved(self, book: Book) -> None:
        with pytest.raises(ValueError, match="the output of page 1 is invalid"):
            book.outputs.save(1, Leaf.model_construct(page_number=1, text=""))
        assert list(book.outputs.path.iterdir()) == []

    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
    @pytest.mark.parametrize("call", [1, 2, 3], ids=["write", "fsync", "replace"])
    def test_a_failing_disk_leaves_nothing_behind(self, book: Book, disk: Disk, call: int, error: int) -> None:
        book.outputs.path.mkdir(parents=True)
        disk.break_at(call, error)
        with pytest.raises(OSError, match=os.strerror(error)):
            book.outputs.save(1, Leaf(page_number=1, text="words"))
        assert list(book.outputs.path.iterdir()) == []


class TestSettingAside:
    def test_the_copy_is_kept_and_the_page_has_no_output(self, book: Book) -> None:
        book.write(1, 2, text="by hand")
        book.outputs.set_aside(1)
        assert book.outputs.pages() == {2}
        assert (book.outputs.path / "set_aside" / "page_0001.json").read_text() == leaf(1, "by hand")

    def test_the_last_copy_is_the_one_kept(self, book: Book) -> None:
        for text in ("first", "last"):
            book.write(1, text=text)
            book.outputs.set_aside(1)
        assert (book.outputs.path / "set_aside" / "page_0001.json").read_text() == leaf(1, "last")

    def test_an_output_that_is_gone_already_is_fine(self, book: Book) -> None:
        book.outputs.set_aside(1)
        assert book.outputs.check(1).problem is Problem.MISSING


def test_orphans_of_a_crash_are_cleaned_up_and_outputs_are_not(book: Book) -> None:
    book.write(1)
    (book.outputs.path / "page_0002.json.tmp.0123").touch()
    (book.outputs.path / "draft.tmp.json").touch()
    assert [path.name for path in book.outputs.remove_orphans()] == ["page_0002.json.tmp.0123"]
    assert sorted(path.name for path in book.outputs.path.iterdir()) == ["draft.tmp.json", "page_0001.json"]


class Validator:
    """A schema as the seed speaks of it: an object with `validate(data)`."""

    def validate(self, data: Any) -> None:
        if "text" not in data:
            raise ValueError("no text")


def needs_text(data: Any) -> None:
    if "text" not in data:
        raise ValueError("no text")


class TestSchemas:
    @pytest.mark.parametrize("schema", [Leaf, Validator(), needs_text, OutputSchema.of(Leaf)])
    def test_any_kind_of_schema_tells_good_from_bad(self, book: Book, schema: Any) -> None:
        folder = OutputFolder(book.outputs.path, OutputSchema.of(schema))
        book.write(1)
        folder.path_of(2).write_text('{"page_number": 2}')
        assert folder.check(1).valid
        assert folder.check(2).problem is Problem.INVALID

    @pytest.mark.parametrize(("raw", "valid"), [('{"a": 1}', True), ("{}", False), ("[1]", False), ('"a"', False)])
    def test_without_one_any_object_with_something_in_it_is_valid(self, book: Book, raw: str, valid: bool) -> None:
        folder = OutputFolder(book.outputs.path, OutputSchema.of(None))
        book.write(1)
        folder.path_of(1).write_text(raw)
        assert folder.check(1).valid is valid

    def test_without_one_an_output_still_belongs_to_its_page(self, book: Book) -> None:
        folder = OutputFolder(book.outputs.path, OutputSchema.of(None))
        book.write(1)
        folder.path_of(2).write_text(json.dumps({"page_number": 1}))
        assert folder.check(2).problem is Problem.INVALID

    @pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, AttributeError, IndexError, Exception])
    def test_whatever_a_schema_raises_the_output_is_invalid(self, book: Book, error: type[Exception]) -> None:
        def validate(_: Any) -> NoReturn:
            raise error("it is not as it should be")

        book.write(1)
        folder = OutputFolder(book.outputs.path, OutputSchema.of(validate))
        assert folder.check(1).problem is Problem.INVALID

    @pytest.mark.parametrize("schema", [7, "leaf", {"type": "object"}])
    def test_what_is_no_schema_is_refused(self, schema: Any) -> None:
        with pytest.raises(TypeError, match="a schema must be"):
            OutputSchema.of(schema)
