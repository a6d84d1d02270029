"""The outputs of one stage: finding, validating, hashing and saving them.

An output is valid when it parses, matches the stage's schema and belongs to the page its name says. Bytes
that were valid once, under the same schema version, are valid still: on resume, equal hashes spare the parsing.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from checkpointing.atomic import make_folder, remove_orphans, sync_folder, write_durably
from checkpointing.errors import PageOutputError, in_one_line
from checkpointing.page_records import Doubt, PageRecord
from checkpointing.regular_files import open_regular
from checkpointing.storage_errors import StorageCheck, no_check

_NAME = re.compile(r"page_(\d{4,})\.json")
_SET_ASIDE = "set_aside"
_READ_BYTES = 1 << 16
# There is no output, and the storage is well: something else has its name.
_NO_OUTPUT = {errno.ENOENT, errno.EISDIR, errno.ELOOP, errno.ENXIO}


class Problem(StrEnum):
    """Why an output does not count."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    INVALID = "invalid"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at one output found.

    Attributes:
        page: which page.
        sha256: of the bytes on storage; None where they could not be read.
        problem: None for a valid output.
        detail: the problem in words.
        doubtful: why its reading is implausible, as the output itself says; empty where the bytes are those of the
            record and were not read again.
    """

    page: int
    sha256: str | None = None
    problem: Problem | None = None
    detail: str = ""
    doubtful: tuple[Doubt, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the output counts."""
        return self.problem is None


def _as_it_is(data: Any) -> Any:
    return data


def any_object(data: Any) -> None:
    """The schema of those who give none: a JSON object with something in it.

    Raises:
        ValueError: it is not one.
    """
    if not isinstance(data, dict) or not data:
        raise ValueError("it is not a JSON object with anything in it")


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """What makes an output valid.

    Attributes:
        parse: makes an object of the raw JSON; raises ValueError (pydantic's ValidationError is one) when it
            does not match.
        version: a new one makes resume validate old outputs again.
        modern: parsed JSON that is valid, in the form of today: an output of an older form may count, and its
            readers need not know that form.
    """

    parse: Callable[[bytes], Any]
    version: str = "1"
    modern: Callable[[Any], Any] = _as_it_is

    @classmethod
    def of(cls, schema: Any, version: str = "1") -> "OutputSchema":
        """Make one from a pydantic model class, an object with `validate(data)`, a callable, or None.

        A model class may have a class method `from_older_form(data)`, which makes of parsed JSON of an older form
        that of today, and None of everything else.

        Raises:
            TypeError: it is none of these.
        """
        if isinstance(schema, OutputSchema):
            return schema
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            older = getattr(schema, "from_older_form", None)
            return (
                cls(schema.model_validate_json, version) if older is None else _of_two_forms(schema, older, version)
            )
        validate = any_object if schema is None else getattr(schema, "validate", schema)
        if not callable(validate):
            raise TypeError("a schema is a pydantic model, an object with validate(data), or a callable")

        def parse(raw: bytes) -> Any:
            data = json.loads(raw)
            validate(data)
            return data

        return cls(parse, version)


def _of_two_forms(schema: type[BaseModel], older: Callable[[Any], Any], version: str) -> OutputSchema:
    def parse(raw: bytes) -> Any:
        try:
            return schema.model_validate_json(raw)
        except ValidationError:
            modern = _older_or_none(raw, older)
            if modern is None:
                raise
            return schema.model_validate(modern)

    return OutputSchema(parse, version, lambda data: older(data) or data)


def _older_or_none(raw: bytes, older: Callable[[Any], Any]) -> Any:
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return older(data)


class OutputFolder:
    """The folder that holds one JSON file a page.

    Args:
        path: `<root>/<scan_id>/<output_dir>`; need not exist yet.
        schema: what makes an output valid.
        check: called before anything is written; raises where the storage is not the right one.
    """

    def __init__(self, path: Path, schema: OutputSchema, check: StorageCheck = no_check) -> None:
        self._check = check
        self.path = path
        self.schema = schema
        # A string: where 100,000 pages are looked at, a Path each would take longer than reading them.
        self._start = f"{path}{os.sep}"

    def path_of(self, page: int) -> Path:
        """Where a page's output stands: `page_0001.json`."""
        return self.path / _name_of(page)

    def pages(self) -> set[int]:
        """The pages that have a file, valid or not."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return set()
        named = ((name, int(match[1])) for name in names if (match := _NAME.fullmatch(name)))
        # page_00001.json is not a name of ours for page 1.
        return {page for name, page in named if page > 0 and _name_of(page) == name}

    def check(self, page: int, record: PageRecord | None = None) -> Verdict:
        """Look at one output.

        Args:
            page: which page.
            record: the evidence from when it was checked last; bytes that differ from it are CHANGED.

        Raises:
            OSError: the storage cannot say. That is not a missing output: taking it for one would do the page, and
                pay for it, again.
        """
        return self._look(page, record)[0]

    def load(self, page: int) -> dict[str, Any]:
        """The parsed output of a page, in the form of today.

        Raises:
            PageOutputError: it is missing or invalid.
            OSError: the storage failed.
        """
        data: dict[str, Any] = self.schema.modern(json.loads(self._valid(page)[1]))
        return data

    def sha256(self, page: int) -> str:
        """Of a page's valid output.

        Raises:
            PageOutputError: it is missing or invalid.
            OSError: the storage failed.
        """
        return self._valid(page)[0]

    def holds(self, page: int, sha256: str) -> bool:
        """Whether the output on storage has exactly these bytes.

        Raises:
            OSError: the storage cannot say.
        """
        try:
            return hashlib.sha256(self._read(page)).hexdigest() == sha256
        except OSError as error:
            if error.errno in _NO_OUTPUT:
                return False
            raise

    def save(self, page: int, output: BaseModel) -> str:
        """Write a page's output durably, validated as it stands on disk.

        Returns:
            Its sha256.

        Raises:
            OSError: the storage failed; nothing of it is left.
            ValueError: what was written does not match the schema; likewise.
        """
        data = output.model_dump_json().encode()
        self._check()
        make_folder(self.path)
        write_durably(self.path_of(page), data, lambda raw: self._insist(page, raw))
        return hashlib.sha256(data).hexdigest()

    def set_aside(self, page: int) -> None:
        """Move an output out of the way, so that the page counts as not done; its last copy is kept.

        It goes to `set_aside/` in the same folder, for whoever edited it by hand.

        Raises:
            OSError: the storage failed.
        """
        self._check()
        aside = self.path / _SET_ASIDE
        make_folder(aside, within=self.path.parent)
        try:
            self.path_of(page).replace(aside / self.path_of(page).name)
        except FileNotFoundError:
            return
        sync_folder(aside)
        sync_folder(self.path)

    def sync(self) -> None:
        """Make what was renamed here durable: its writer may have died, or failed, before it did.

        Raises:
            OSError: the storage failed.
        """
        with contextlib.suppress(FileNotFoundError):
            sync_folder(self.path)

    def remove_orphans(self) -> list[Path]:
        """Delete what crashed writers left half-written here."""
        return remove_orphans(self.path, "page_")

    def _read(self, page: int) -> bytes:
        """The bytes of a page's output, by bare system calls: every page of a resume and of a commit comes here."""
        parts = []
        fd = open_regular(f"{self._start}{_name_of(page)}")
        try:
            # Only an empty read says that there is no more; a short one may not.
            while part := os.read(fd, _READ_BYTES):
                parts.append(part)
        finally:
            os.close(fd)
        return b"".join(parts)

    def _valid(self, page: int) -> tuple[str, bytes]:
        verdict, raw = self._look(page)
        if verdict.sha256 is None or not verdict.valid:
            raise PageOutputError(f"page {page} has no valid output in {self.path}: {verdict.detail}")
        return verdict.sha256, raw

    def _look(self, page: int, record: PageRecord | None = None) -> tuple[Verdict, bytes]:
        """The verdict on an output, and the very bytes that it is on."""
        try:
            raw = self._read(page)
        except FileNotFoundError:
            return Verdict(page, problem=Problem.MISSING, detail="there is no output"), b""
        except OSError as error:
            if error.errno not in _NO_OUTPUT:
                raise
            return Verdict(page, problem=Problem.UNREADABLE, detail=f"cannot be read: {error.strerror}"), b""
        sha256 = hashlib.sha256(raw).hexdigest()
        accepted = record.sha256 if record is not None else None
        if record is not None and (accepted, record.schema_version) == (sha256, self.schema.version):
            return Verdict(page, sha256), raw
        verdict = self._judge(page, raw, sha256)
        if verdict.valid and accepted not in {None, sha256}:
            verdict = Verdict(page, sha256, Problem.CHANGED, "its content changed since it was checked")
        return verdict, raw

    def _insist(self, page: int, raw: bytes) -> None:
        verdict = self._judge(page, raw)
        if not verdict.valid:
            raise ValueError(f"the output of page {page} is {verdict.problem}: {verdict.detail}")

    def _judge(self, page: int, raw: bytes, sha256: str | None = None) -> Verdict:
        """Whether these bytes are a valid output of a page."""
        try:
            parsed = self.schema.parse(raw)
        except Exception as error:  # noqa: BLE001  # whatever a schema raises, it does not accept the output
            return Verdict(page, sha256, *_unreadable_or_invalid(raw, error))
        says = _page_number(parsed, page)
        if says != page:
            return Verdict(page, sha256, Problem.INVALID, f"it says that it is page {says}")
        return Verdict(page, sha256, doubtful=_doubts_in(parsed))


def _name_of(page: int) -> str:
    return f"page_{page:04d}.json"


def _unreadable_or_invalid(raw: bytes, error: Exception) -> tuple[Problem, str]:
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return Problem.UNREADABLE, "it is not whole JSON"
    return Problem.INVALID, in_one_line(str(error), 200) or type(error).__name__


def _doubts_in(parsed: Any) -> tuple[Doubt, ...]:
    """What an output says against its own reading; another schema may use the name for another thing."""
    found = getattr(parsed, "doubtful", ())
    return tuple(each for each in found if isinstance(each, Doubt)) if isinstance(found, tuple) else ()


def _page_number(parsed: Any, default: int) -> Any:
    if isinstance(parsed, dict):
        return parsed.get("page_number", default)
    return getattr(parsed, "page_number", default)
