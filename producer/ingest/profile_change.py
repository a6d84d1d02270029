"""Change the profile of a book, or of some of its pages, in its metadata. What a newer version has added stays."""

import json
from collections.abc import Set as AbstractSet
from typing import Any

from checkpointing.storage_errors import storage_errors
from producer.ingest.metadata_file import metadata_lock, read_form, write_form
from producer.page_ranges import runs
from worker.pages.book_profile import BookProfile
from worker.pages.metadata import ScanMetadata
from worker.pages.scan import ScanFolder


def change_profile(
    scan: ScanFolder,
    wanted: BookProfile,
    unset: AbstractSet[str] = frozenset(),
    pages: AbstractSet[int] = frozenset(),
) -> ScanMetadata:
    """Set fields of a scan's profile, remove others, and keep the rest. Return the metadata as it is then.

    Args:
        scan: the folder of the scan.
        wanted: the fields to set.
        unset: the names of the fields to remove.
        pages: the pages of the book whose own profile is changed; none for the profile of the book.

    Raises:
        InputError: the metadata is broken.
        CheckpointError: another process holds the metadata.
        StorageError: the storage failed.
    """
    with storage_errors(scan.path), metadata_lock(scan):
        before, form = scan.read_metadata(), read_form(scan)
        _change(form, wanted, unset, pages)
        if _read(form) != before:
            write_form(scan, form)
        return scan.read_metadata()


def preview_change(
    scan: ScanFolder,
    wanted: BookProfile,
    unset: AbstractSet[str] = frozenset(),
    pages: AbstractSet[int] = frozenset(),
) -> ScanMetadata:
    """Return the metadata as `change_profile` would leave it. Changes nothing.

    Raises:
        InputError: the metadata is broken.
        StorageError: the storage failed.
    """
    with storage_errors(scan.path):
        scan.read_metadata()
        form = read_form(scan)
        _change(form, wanted, unset, pages)
        return _read(form)


def record_defaults(scan: ScanFolder, metadata: ScanMetadata, defaults: BookProfile) -> ScanMetadata:
    """Record what the settings say for a book without a profile; return the metadata as it is then.

    Raises:
        InputError: the metadata is broken.
        CheckpointError: another process holds the metadata.
        StorageError: the storage failed.
    """
    if metadata.defaults == defaults:
        return metadata
    with storage_errors(scan.path), metadata_lock(scan):
        form = read_form(scan)
        form["defaults"] = defaults.model_dump()
        write_form(scan, form)
        return scan.read_metadata()


def _read(form: dict[str, Any]) -> ScanMetadata:
    return ScanMetadata.model_validate_json(json.dumps(form))


def _change(form: dict[str, Any], wanted: BookProfile, unset: AbstractSet[str], pages: AbstractSet[int]) -> None:
    if pages:
        _put(form, "page_profiles", _with_pages(form.get("page_profiles", []), wanted, unset, pages))
    else:
        _put(form, "profile", _changed(form.get("profile", {}), wanted, unset))


def _put(form: dict[str, Any], name: str, value: list[Any] | dict[str, Any]) -> None:
    """Write a field, or leave it out if it says nothing, as earlier versions wrote the metadata."""
    if value:
        form[name] = value
    else:
        form.pop(name, None)


def _changed(profile: dict[str, Any], wanted: BookProfile, unset: AbstractSet[str]) -> dict[str, Any]:
    kept = {name: value for name, value in profile.items() if name not in unset}
    return kept | wanted.model_dump()


def _with_pages(
    entries: list[dict[str, Any]], wanted: BookProfile, unset: AbstractSet[str], pages: AbstractSet[int]
) -> list[dict[str, Any]]:
    """Return the entries of `page_profiles`, one for each profile, with as few ranges of pages as possible."""
    own: dict[int, dict[str, Any]] = {}
    for entry in entries:
        rest = {name: value for name, value in entry.items() if name != "pages"}
        own.update((page, rest) for first, last in entry["pages"] for page in range(first, last + 1))
    for page in pages:
        rest = own.get(page, {})
        own[page] = {**rest, "profile": _changed(rest.get("profile", {}), wanted, unset)}
    alike: dict[str, list[int]] = {}
    for page in sorted(own):
        if own[page]["profile"]:
            alike.setdefault(json.dumps(own[page], sort_keys=True), []).append(page)
    return [{"pages": runs(numbers), **json.loads(rest)} for rest, numbers in alike.items()]
