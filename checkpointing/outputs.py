"""The outputs of one stage: finding, validating, hashing and saving them.

An output is valid if it parses, matches the schema of the stage and belongs to the page in its name. Bytes that
were valid once are valid under the same schema version: on resume, an equal hash makes parsing unnecessary.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from checkpointing.atomic import make_folder, remove_orphans, sync_folder, write_durably
from checkpointing.errors import PageOutputError, in_one_line
from checkpointing.output_schema import OutputSchema
from checkpointing.page_records import Doubt, PageRecord
from checkpointing.regular_files import open_regular
from checkpointing.storage_errors import StorageCheck, no_check

SET_ASIDE = "set_aside"
"""Subfolder of an output folder that `OutputFolder.set_aside` moves outputs to."""
_NAME = re.compile(r"page_(\d{4,})\.json")
_READ_BYTES = 1 << 16
# There is no output although the storage works: nothing, or something else, has its name.
_NO_OUTPUT = {errno.ENOENT, errno.EISDIR, errno.ELOOP, errno.ENXIO}


class Problem(StrEnum):
    """Why an output does not count."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    INVALID = "invalid"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking one output.

    Attributes:
        sha256: of the bytes on storage; None where they could not be read.
        problem: None for a valid output.
        detail: the problem in words.
        doubtful: why its reading is implausible, from the output itself; empty where the bytes have the recorded
            hash and were not parsed again.
    """

    page: int
    sha256: str | None = None
    problem: Problem | None = None
    detail: str = ""
    doubtful: tuple[Doubt, ...] = ()

    @property
    def valid(self) -> bool:
        """Return whether the output counts."""
        return self.problem is None


class OutputFolder:
    """The folder `<root>/<scan_id>/<output_dir>` with one JSON file per page; it may be missing.

    Every method raises OSError where the storage failed.
    """

    def __init__(self, path: Path, schema: OutputSchema, check: StorageCheck = no_check) -> None:
        self._check = check
        self.path = path
        self.schema = schema
        # A string: with 100,000 pages, making a Path for each would take longer than reading them.
        self._start = f"{path}{os.sep}"

    def path_of(self, page: int) -> Path:
        """Return the path of a page's output: `page_0001.json`."""
        return self.path / _name_of(page)

    def pages(self) -> set[int]:
        """Return the pages that have a file, valid or not."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return set()
        named = ((name, int(match[1])) for name in names if (match := _NAME.fullmatch(name)))
        # `page_00001.json` is not the name for page 1.
        return {page for name, page in named if page > 0 and _name_of(page) == name}

    def check(self, page: int, record: PageRecord | None = None) -> Verdict:
        """Check one output. Bytes that differ from those of the last check (`record`) are CHANGED.

        Raises:
            OSError: the storage failed. That is not a missing output: treating it as one would do the page, and pay
                for it, again.
        """
        return self._look(page, record)[0]

    def load(self, page: int) -> dict[str, Any]:
        """Return the parsed output of a page, in its current form.

        Raises:
            PageOutputError: the output is missing or invalid.
        """
        data: dict[str, Any] = self.schema.modern(json.loads(self._valid(page)[1]))
        return data

    def sha256(self, page: int) -> str:
        """Return the sha256 of a page's valid output.

        Raises:
            PageOutputError: the output is missing or invalid.
        """
        return self._valid(page)[0]

    def holds(self, page: int, sha256: str) -> bool:
        """Return whether the output on storage has this hash."""
        try:
            return hashlib.sha256(self._read(page)).hexdigest() == sha256
        except OSError as error:
            if error.errno in _NO_OUTPUT:
                return False
            raise

    def save(self, page: int, output: BaseModel) -> str:
        """Write a page's output durably, validated as it is on disk; return its sha256.

        Raises:
            OSError: the storage failed; no output is left.
            ValueError: the written bytes do not match the schema; no output is left.
        """
        data = output.model_dump_json().encode()
        self._check()
        make_folder(self.path)
        write_durably(self.path_of(page), data, lambda raw: self._check_written(page, raw))
        return hashlib.sha256(data).hexdigest()

    def set_aside(self, page: int) -> None:
        """Move an output to `set_aside/` in the same folder, so that the page counts as not done.

        The last copy is kept there, because a person may have edited it.
        """
        self._check()
        aside = self.path / SET_ASIDE
        make_folder(aside, within=self.path.parent)
        try:
            self.path_of(page).replace(aside / self.path_of(page).name)
        except FileNotFoundError:
            return
        sync_folder(aside)
        sync_folder(self.path)

    def sync(self) -> None:
        """Make renames in this folder durable: their writer may have died, or failed, before it did."""
        with contextlib.suppress(FileNotFoundError):
            sync_folder(self.path)

    def remove_orphans(self) -> list[Path]:
        """Delete the temp files of crashed writers in this folder."""
        return remove_orphans(self.path, "page_")

    def _read(self, page: int) -> bytes:
        """Return the bytes of a page's output, by bare system calls: a resume and a commit read each page here."""
        parts = []
        fd = open_regular(f"{self._start}{_name_of(page)}")
        try:
            # Only an empty read is the end of the file; a short one need not be.
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
        """Return the verdict on an output, and the bytes that were checked."""
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

    def _check_written(self, page: int, raw: bytes) -> None:
        verdict = self._judge(page, raw)
        if not verdict.valid:
            raise ValueError(f"the output of page {page} is {verdict.problem}: {verdict.detail}")

    def _judge(self, page: int, raw: bytes, sha256: str | None = None) -> Verdict:
        """Return the verdict on bytes as the output of a page."""
        try:
            parsed = self.schema.parse(raw)
        except Exception as error:  # noqa: BLE001  # any exception of a schema is a rejection
            return Verdict(page, sha256, *_unreadable_or_invalid(raw, error))
        number = _page_number(parsed, page)
        if number != page:
            return Verdict(page, sha256, Problem.INVALID, f"it is the output of page {number}")
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
    """Return the doubts that an output records; another schema may use the name for something else."""
    found = getattr(parsed, "doubtful", ())
    return tuple(each for each in found if isinstance(each, Doubt)) if isinstance(found, tuple) else ()


def _page_number(parsed: Any, default: int) -> Any:
    if isinstance(parsed, dict):
        return parsed.get("page_number", default)
    return getattr(parsed, "page_number", default)
