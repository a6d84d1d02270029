"""Estimate the cost of a stage that calls a model, before any call is made.

The estimate uses the first of these three sources that has enough data:

1. this scan: the cost of its pages with the current model, from the ledger of the stage;
2. this library: the same from other scans, the most recently changed ones;
3. token counts: the text of the pages from an earlier stage, or a typical page, at the price of the model.

The expected cost is the mean cost of a page times the number of pages: by the median, a stage that calls the model
for few pages would seem free. Only files are read, a limited number for any size of book and library.
"""

import heapq
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from checkpointing.errors import PageOutputError, StorageError
from checkpointing.ledger import Ledger, ledger_stages
from checkpointing.ledger_entry import Line, State
from checkpointing.money import Money, dollars
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.storage_errors import storage_errors
from worker.billing.estimate import likely_tokens
from worker.config.settings import ENV_PREFIX
from worker.llm.reply import CostSource, Usage
from worker.pages.scan import list_scans
from worker.stages.base import CostShape
from worker.storage.book_store import BookStore

# Minimum number of pages for an estimate from history: front matter is unlike the rest of a book.
_MIN_PAGES = 10
# Limits of what is read; pages are spread evenly over a book.
_MAX_PAGES_OF_SCAN = 500
_MAX_OTHER_SCANS = 20
_MAX_PAGES_OF_OTHER = 50
_MAX_TEXTS = 50
# Tokens of 400 words of six bytes; two pages in ten have 50% more.
_TYPICAL_PAGES = (600,) * 8 + (900,) * 2
# Approximate number of tokens of a page image with common models.
_TOKENS_OF_PICTURE = 1500


@dataclass(frozen=True, slots=True)
class Forecast:
    """The estimated cost of a stage for some pages. All costs are None if no price is known.

    Attributes:
        calls: estimated number of model calls; includes retries and rejected answers if there is a history.
        expected_usd: expected cost of all pages, in USD.
        high_usd: cost of all pages at the 90th percentile of a page, in USD; never below `expected_usd`.
        median_usd: median cost of a page, in USD.
        p90_usd: 90th percentile of the cost of a page, in USD.
        basis: description of the data that the estimate is made from.
    """

    stage: str
    pages: int
    calls: int
    expected_usd: float | None
    high_usd: float | None
    median_usd: float | None
    p90_usd: float | None
    basis: str

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object that `producer enqueue --dry-run --json` prints."""
        return asdict(self)


class _Page(NamedTuple):
    """The cost of one page in USD, None if no price is known, and its number of calls."""

    usd: Decimal | None
    calls: float


_FREE = _Page(Decimal(0), 0)


def forecast(store: BookStore, ref: StageRef, pages: Sequence[int]) -> Forecast | None:
    """Estimate the cost of a stage for pages of a scan; return None for a stage that calls no model.

    Raises:
        UnknownNameError: there is no such stage.
        InputError: there is no scan with this id.
        StorageError: the scan cannot be read.
    """
    if not store.stages.get(ref.stage).uses_model:
        return None
    model = store.settings.model(ref.stage)
    seen = _history(store, ref, model, _MAX_PAGES_OF_SCAN)
    if len(seen) >= _MIN_PAGES:
        return _make(ref.stage, len(pages), seen, f"from {counted(len(seen), 'page')} of this scan")
    histories = _library(store, ref, model)
    seen = [page for history in histories for page in history]
    if len(seen) >= _MIN_PAGES:
        scans = "1 other scan" if len(histories) == 1 else f"{len(histories)} scans"
        return _make(ref.stage, len(pages), seen, f"from {counted(len(seen), 'page')} of {scans} in this library")
    return _from_tokens(store, ref, model, pages)


def describe(made: Forecast) -> list[str]:
    """Return an estimate as text: a line for all pages and, if a price is known, a line for one page."""
    start = f"{made.stage}: {counted(made.pages, 'page')}, about {counted(made.calls, 'call')}"
    expected, high = made.expected_usd, made.high_usd
    median, p90 = made.median_usd, made.p90_usd
    if expected is None or high is None or median is None or p90 is None:
        return [f"{start}, cost unknown ({made.basis})"]
    return [
        f"{start}, {dollars(expected)} expected, {dollars(high)} at the 90th percentile ({made.basis})",
        f"{made.stage}: a page costs {dollars(median)} at the median, {dollars(p90)} at the 90th percentile",
    ]


class _History(Ledger):
    """A ledger that can also report whether all calls for a page were made to one model."""

    def lines_now(self, page: int) -> list[Line]:
        """Return the calls for a page, without those of an earlier run of the page."""
        return [line for line in self.lines(page) if line.state is not State.OLD]

    def speak_of(self, model: str, lines: Iterable[Line]) -> bool:
        """Return whether the calls include answers, and all answers are of that model and have a price."""
        answers = [self._read(line) for line in lines if line.state is not State.ASKED]
        return bool(answers) and all(
            call is not None and call.model == model and call.cost_source != CostSource.UNPRICED for call in answers
        )


def _history(store: BookStore, ref: StageRef, model: str, max_pages: int) -> list[_Page]:
    """Return the costs of settled pages of a scan with a model; a page that needed no call counts as $0."""
    scan_dir = store.scan(ref.scan_id).path
    ledger = _History(scan_dir, ref.stage)
    with storage_errors(ledger.path):
        if ref.stage not in ledger_stages(scan_dir):
            return []
        checkpoint, _unusable = store.checkpoint_file(ref).read_or_salvage()
        costs = {page: record.cost_usd for page, record in checkpoint.pages.items()}
        costs.update(dict.fromkeys(checkpoint.quarantined()))
        return _pages_of(ledger, model, costs, max_pages)


def _pages_of(ledger: _History, model: str, costs: dict[int, float | None], max_pages: int) -> list[_Page]:
    """Return the costs of settled pages; `costs` has the cost of each in the checkpoint, in USD."""
    found: list[_Page] = []
    free = others = 0
    for page in _evenly(sorted(costs), max_pages):
        lines = ledger.lines_now(page)
        if not lines:
            free += costs[page] == 0
        elif ledger.speak_of(model, lines):
            spent = Money.total(line.amount for line in lines if line.state is not State.ASKED)
            found.append(_Page(spent.exact_usd, len(lines)))
        else:
            others += 1
    if not found:
        return []
    # The ledger does not have the model of a page without calls: these pages are divided among all models.
    return found + [_FREE] * round(free * len(found) / (len(found) + others))


def _library(store: BookStore, ref: StageRef, model: str) -> list[list[_Page]]:
    """Return the costs of pages of other scans, one list per scan with such pages, most recently changed first."""
    changed: dict[str, int] = {}
    for other in list_scans(store.root):
        when = _changed_at(store.ledger(StageRef(other, ref.stage)).path)
        if other != ref.scan_id and when is not None:
            changed[other] = when
    histories = []
    for other in heapq.nlargest(_MAX_OTHER_SCANS, changed, key=changed.__getitem__):
        # A damaged book must not make the estimate for another one fail.
        with suppress(StorageError):
            histories.append(_history(store, StageRef(other, ref.stage), model, _MAX_PAGES_OF_OTHER))
    return [history for history in histories if history]


def _changed_at(path: Path) -> int | None:
    """Return the modification time of a folder in nanoseconds; None if it cannot be read."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _from_tokens(store: BookStore, ref: StageRef, model: str, pages: Sequence[int]) -> Forecast:
    """Estimate from the text of the pages and the price of the model."""
    shape = store.stages.get(ref.stage).cost_shape
    tokens = _tokens_of_texts(store, ref, pages)
    usages = [_usage_of(text, shape) for text in tokens or _TYPICAL_PAGES]
    asked = [float(shape.asked) if usage.tokens_in else 0 for usage in usages]
    prices = store.settings.price_book()
    if not model or not prices.knows(model):
        unset = f"{ENV_PREFIX}{ref.stage.upper()}_MODEL is not set"
        basis = f"no price is known for {model}" if model else unset
        return _make(ref.stage, len(pages), [_Page(None, calls) for calls in asked], basis)
    # Mean over all pages: `shape.asked` is the fraction of pages with text that need a call.
    costs = [prices.price(model, usage) * shape.asked for usage in usages]
    counted = "token counts" if tokens else "a typical page of 400 words"
    seen = list(map(_Page, costs, asked))
    return _make(ref.stage, len(pages), seen, f"from {counted} and {prices.describe(model)}")


def _usage_of(text: int, shape: CostShape) -> Usage:
    """Return the tokens of a call for a page with this many tokens of text. An empty page needs no call: 0."""
    if not text:
        return Usage()
    around = shape.tokens_around + (_TOKENS_OF_PICTURE if shape.picture else 0)
    return Usage(tokens_in=around + math.ceil(text * shape.texts_in), tokens_out=math.ceil(text * shape.out))


def _tokens_of_texts(store: BookStore, ref: StageRef, pages: Sequence[int]) -> list[int]:
    """Return the token counts of some of the pages, from the latest earlier stage that has outputs."""
    for name in reversed(store.stages.get(ref.stage).depends_on):
        outputs = store.outputs(StageRef(ref.scan_id, name))
        tokens = []
        with storage_errors(outputs.path):
            for page in _evenly(sorted(outputs.pages().intersection(pages)), _MAX_TEXTS):
                with suppress(PageOutputError):
                    tokens.append(likely_tokens("\n".join(_texts(outputs.load(page)))))
        if tokens:
            return tokens
    return []


def _texts(part: object) -> Iterator[str]:
    """Yield the `text` fields of an output, at any depth."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "text" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(part, list):
        for each in part:
            yield from _texts(each)


def _make(stage: str, pages: int, seen: Sequence[_Page], basis: str) -> Forecast:
    """Return an estimate for a number of pages from the pages seen."""
    calls = math.ceil(round(pages * statistics.fmean(page.calls for page in seen), 6))
    costs = sorted(page.usd for page in seen if page.usd is not None)
    if not costs:
        return Forecast(stage, pages, calls, None, None, None, None, basis)
    expected = pages * sum(costs, Decimal(0)) / len(costs)
    # By nearest rank.
    p90 = costs[math.ceil(len(costs) * 9 / 10) - 1]
    return Forecast(
        stage=stage,
        pages=pages,
        calls=calls,
        expected_usd=_to_float(expected),
        high_usd=_to_float(max(expected, pages * p90)),
        median_usd=_to_float(statistics.median(costs)),
        p90_usd=_to_float(p90),
        basis=basis,
    )


def _evenly(ordered: Sequence[int], most: int) -> list[int]:
    """Return all numbers, or at most `most` of them, spread evenly."""
    count = min(len(ordered), most)
    return [ordered[index * len(ordered) // count] for index in range(count)]


def _to_float(amount: Decimal) -> float:
    return float(round(amount, 6))
