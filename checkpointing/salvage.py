"""What can still be read of a broken checkpoint file: above all, the money that was spent."""

import contextlib
import re

from pydantic import TypeAdapter, ValidationError

from checkpointing.checkpoint import Checkpoint
from checkpointing.fields import PageRange
from checkpointing.money import add_usd

_MAX_USD = 1e9
# A comma or a brace must follow: the end of a torn file may cut digits off, which makes another number.
_NUMBER = rb'"\s*:\s*([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?=\s*[,}])'
_COST = re.compile(rb'"total_(?:cost_)?usd' + _NUMBER)
_BEFORE_LEDGER = re.compile(rb'"cost_before_ledger_usd' + _NUMBER)
_CURRENT_VERSION = re.compile(rb'"version"\s*:\s*"2\.0"')
_NO_LEDGER = re.compile(rb'"ledger"\s*:\s*{\s*}')
_TOTAL_PAGES = re.compile(rb'"total_pages"\s*:\s*([0-9]{1,7})\b')
_REQUESTED = re.compile(rb'"requested"\s*:\s*(\[[\[\]0-9,\s]*\])\s*,')
_RANGES = TypeAdapter(list[PageRange])


def salvage(checkpoint: Checkpoint, raw: bytes, last: Checkpoint | None) -> None:
    """Add to a new checkpoint what can still be read of a broken file and of the `last` state that was read."""
    _salvage_cost(checkpoint, raw, last)
    if not _names(checkpoint, raw):
        return
    total, requested = _TOTAL_PAGES.search(raw), _REQUESTED.search(raw)
    if total:
        checkpoint.total_pages = int(total[1])
    if requested:
        with contextlib.suppress(ValidationError):
            checkpoint.requested = _RANGES.validate_json(requested[1])
    if checkpoint.pending():
        checkpoint.begin()


def _salvage_cost(checkpoint: Checkpoint, raw: bytes, last: Checkpoint | None) -> None:
    """Restore the total, and what was spent before there was a ledger: the rest must not be added again."""
    costs = [float(amount) for amount in _COST.findall(raw)]
    if costs:
        checkpoint.raise_cost_to(add_usd(min(max(costs), _MAX_USD)))
    before_ledger = _BEFORE_LEDGER.search(raw)
    if before_ledger:
        checkpoint.earlier_cost_usd = min(float(before_ledger[1]), checkpoint.total_cost_usd)
    elif last is not None:
        checkpoint.earlier_cost_usd = last.earlier_cost_usd
    elif _CURRENT_VERSION.search(raw) and not _NO_LEDGER.search(raw):
        # The file is cut off before that field. Nearly all of the total comes from the ledger.
        checkpoint.earlier_cost_usd = 0.0


def _names(checkpoint: Checkpoint, raw: bytes) -> bool:
    """Return whether broken JSON still names this scan and stage: the pages of another book do not count."""
    names = {"scan_id": checkpoint.scan_id, "stage": checkpoint.stage}
    fields = (rf'"{field}"\s*:\s*"{re.escape(name)}"' for field, name in names.items())
    return all(re.search(field.encode(), raw) for field in fields)
