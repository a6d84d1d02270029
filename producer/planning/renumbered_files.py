"""Write the outputs, checkpoints and ledgers of a book with other page numbers into a folder beside the book's.

Nothing of the book is changed. What an output was made from changes with the hashes of the outputs that it names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from checkpointing.atomic import make_folder, write_durably
from checkpointing.checkpoint import Checkpoint
from checkpointing.ledger import LEDGER_FOLDER, ledger_stages
from checkpointing.ledger_entry import Call, State, file_name, parse_name
from checkpointing.money import Money
from checkpointing.page_records import PageRecord
from checkpointing.refs import StageRef
from checkpointing.regular_files import read_regular
from checkpointing.status import Status
from producer.terminal.progress import Counting, uncounted
from worker.stages.base import MadeFrom
from worker.stages.registry import STAGES

if TYPE_CHECKING:
    from producer.planning.page_map import PageMap
    from worker.storage.book_store import BookStore


@dataclass(slots=True)
class _Hashes:
    """The hashes of a stage's outputs.

    Attributes:
        old: by old page.
        new: by old page, too.
    """

    old: dict[int, str] = field(default_factory=dict)
    new: dict[int, str] = field(default_factory=dict)


def write_renumbered(
    store: BookStore, scan_id: str, pages: PageMap, folder: Path, counting: Counting = uncounted
) -> list[str]:
    """Write all that has page numbers into a folder; return the names of the folders in it, in pipeline order.

    An output that is not valid, or that belongs to a page that is gone, is left out.

    Raises:
        OSError: the storage failed.
        CheckpointError: a checkpoint cannot be used.
    """
    made: list[str] = []
    hashes: dict[str, _Hashes] = {}
    for name in STAGES:
        ref = StageRef(scan_id, name)
        outputs, file = store.outputs(ref), store.checkpoint_file(ref)
        if not file.path.exists() and not outputs.path.is_dir():
            continue
        checkpoint = file.read()
        make_folder(folder / outputs.path.name)
        made.append(outputs.path.name)
        depends = {each: hashes.get(each, _Hashes()) for each in store.stages.get(name).depends_on}
        hashes[name], records = _write_outputs(store, ref, checkpoint, pages, folder, depends, counting)
        if file.path.exists():
            make_folder(folder / "checkpoints")
            data = _renumbered(checkpoint, pages, records).model_dump_json().encode()
            write_durably(folder / "checkpoints" / file.path.name, data, Checkpoint.model_validate_json)
    scan = store.scan(scan_id).path
    for stage in ledger_stages(scan):
        _write_ledger(scan / LEDGER_FOLDER / stage, folder / LEDGER_FOLDER / stage, pages, folder)
    return made


def _write_outputs(
    store: BookStore,
    ref: StageRef,
    checkpoint: Checkpoint,
    pages: PageMap,
    folder: Path,
    depends: Mapping[str, _Hashes],
    counting: Counting,
) -> tuple[_Hashes, dict[int, PageRecord]]:
    """Write the outputs of one stage; return their hashes, and the evidence for the complete ones by new page."""
    outputs = store.outputs(ref)
    target = folder / outputs.path.name
    hashes, records = _Hashes(), {}
    there = sorted(outputs.pages() & pages.kept.keys())
    with counting(f"{ref}: pages renumbered", len(there)) as step:
        for page in there:
            record = checkpoint.pages.get(page)
            verdict = outputs.check(page, record)
            if verdict.valid and verdict.sha256 is not None:
                new = pages.kept[page]
                raw = _rewritten(read_regular(outputs.path_of(page)), page, new, depends)
                write_durably(target / f"page_{new:04d}.json", raw, outputs.schema.parse)
                hashes.old[page] = verdict.sha256
                hashes.new[page] = hashlib.sha256(raw).hexdigest()
                if record is not None:
                    made_from = _digest(record.made_from, page, depends)
                    records[new] = replace(record, sha256=hashes.new[page], made_from=made_from)
            step()
    return hashes, records


def _rewritten(raw: bytes, page: int, new: int, depends: Mapping[str, _Hashes]) -> bytes:
    """Return an output with another page number, made from the inputs with their new hashes."""
    data: dict[str, Any] = json.loads(raw)
    before = json.dumps(data)
    if "page_number" in data:
        data["page_number"] = new
    inputs = (data.get("made_from") or {}).get("inputs")
    if isinstance(inputs, dict):
        for name, each in depends.items():
            if name in inputs and inputs[name] == each.old.get(page):
                inputs[name] = each.new[page]
    return raw if json.dumps(data) == before else json.dumps(data, ensure_ascii=False).encode()


def _digest(made_from: str, page: int, depends: Mapping[str, _Hashes]) -> str:
    """Return the digests of a record, that of the inputs changed if it was that of the inputs as they are."""
    if not depends or not all(page in each.old for each in depends.values()):
        return made_from
    was, dot, how = made_from.partition(".")
    old, new = (
        MadeFrom(inputs=inputs, stage_version="", recipe="").digest().partition(".")[0]
        for inputs in (
            {name: each.old[page] for name, each in depends.items()},
            {name: each.new[page] for name, each in depends.items()},
        )
    )
    return f"{new}{dot}{how}" if was == old else made_from


def _renumbered(checkpoint: Checkpoint, pages: PageMap, records: dict[int, PageRecord]) -> Checkpoint:
    """Return a checkpoint with other page numbers, of which nothing is asked for. Its total cost stays."""
    new = checkpoint.model_copy(deep=True)
    new.keep_pages({})
    new.pages = dict(sorted(records.items()))
    new.doubtful_pages = [
        each.model_copy(update={"page": pages.kept[each.page]})
        for each in checkpoint.doubtful_pages
        if pages.kept.get(each.page) in records
    ]
    new.failed_pages = [
        each.model_copy(update={"page": pages.kept[each.page]})
        for each in checkpoint.failed_pages
        if each.page in pages.kept
    ]
    new.attempts = {pages.kept[page]: begun for page, begun in checkpoint.attempts.items() if page in pages.kept}
    spent: dict[int, Money] = {}
    for page in checkpoint.ledger.keys() | checkpoint.ledger_fractions.keys():
        heir = pages.heir(page)
        spent[heir] = spent.get(heir, Money()) + checkpoint.ledger_cost(page)
    new.ledger = {page: cost.rounded_down for page, cost in sorted(spent.items())}
    new.ledger_fractions = {page: rest for page, cost in spent.items() if (rest := cost.micro % 1) != Decimal(0)}
    new.total_pages = pages.total_pages if checkpoint.total_pages else 0
    settled = new.pages.keys() | new.quarantined()
    # Redis may still count attempts by the old numbers.
    new.anew = frozenset(range(1, pages.total_pages + 1)) - settled
    new.requested = []
    new.metadata.pop("run", None)
    new.status = Status.NOT_STARTED
    new.error = new.completed_at = new.failed_at = None
    new.settle()
    new.revision = checkpoint.revision + 1
    return new


def _write_ledger(ledger: Path, target: Path, pages: PageMap, within: Path) -> None:
    """Copy the calls of one stage; answers of pages that are gone are not used again, and their cost counts."""
    for page_folder in sorted(ledger.iterdir()):
        digits = page_folder.name.removeprefix("page_")
        if not page_folder.is_dir() or not digits.isdecimal():
            continue
        page = int(digits)
        heir = pages.heir(page)
        for path in sorted(page_folder.iterdir()):
            line = parse_name(page, path.name)
            # A call that was planned by a dead worker was not sent.
            if line is None or line.state is State.PLANNED:
                continue
            is_unused = line.state is State.ANSWERED and page not in pages.kept
            state = State.OLD if is_unused else line.state
            made = target / f"page_{heir:04d}"
            make_folder(made, within=within)
            write_durably(made / file_name(line.attempt, state, line.amount), _call_of(path, heir), bytes)


def _call_of(path: Path, page: int) -> bytes:
    """Return the record of a call with another page; a damaged file as it is: its name has the amount."""
    raw = read_regular(path)
    try:
        call = Call.model_validate_json(raw)
    except ValidationError:
        return raw
    return call.model_copy(update={"page": page}).model_dump_json().encode()
