"""What may become of a checkpoint: each write is compared with what stood there and with the outputs just then."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from redis import Redis

from tests.model.state import Entry, State, micro
from tests.model.steps import Step
from tests.support.stages import Stamp

_COST = re.compile(rb'"total_cost_usd": ?([0-9.]+)[,}]')
_RESUMES = {"enqueue", "get_remaining"}


class Judge:
    """Knows what the checkpoint said last, and says what may not be.

    It records violations and does not raise: production code may catch what is raised in its midst.

    Args:
        path: of the checkpoint.
        output_path: where a page's output stands.
        redis: a client that nothing goes wrong with.
        stream: key of the inbox.
        done_steps: what is under way, the innermost last.
        total_pages: of the book.
    """

    def __init__(
        self,
        path: Path,
        output_path: Callable[[int], Path],
        redis: Redis,
        stream: str,
        done_steps: list[Step],
        total_pages: int,
    ) -> None:
        self.violations: list[str] = []
        self.state = State(None)
        self.most_cost = 0
        self.damaged = False
        self.writes = 0
        self._path = path
        self._output_path = output_path
        self._redis = redis
        self._stream = stream
        self._done_steps = done_steps
        self._total_pages = total_pages
        self._raw: bytes | None = None
        self._entries: dict[bytes, Entry] = {}

    def complain(self, what: str) -> None:
        during = " in ".join(step.verb for step in reversed(self._done_steps))
        self.violations.append(f"{what} (during {during})")

    def insist(self, holds: object, what: str) -> None:
        if not holds:
            self.complain(what)

    def begin(self, step: Step) -> None:
        """A step is about to begin: what it may forget, and what it may find in the inbox."""
        step.unsound |= {page for page in self.state.pages if not self.borne_out(page)}
        self.look_into_inbox()
        for page, sha256, cost in self._completions():
            _owe(step, page, sha256, cost)

    def borne_out(self, page: int) -> bool:
        """Whether storage has the output that the checkpoint speaks of."""
        found, known = self.valid_output(page), self.state.sha256(page)
        return found is not None and known in {None, found}

    def valid_output(self, page: int) -> str | None:
        """The hash of a page's output, if it is valid."""
        try:
            raw = self._output_path(page).read_bytes()
            valid = Stamp.model_validate_json(raw).page_number == page
        except (OSError, ValidationError):
            return None
        return hashlib.sha256(raw).hexdigest() if valid else None

    def look(self) -> None:
        """Nobody writes the checkpoint but by a rename."""
        raw = self._path.read_bytes() if self._path.exists() else None
        self.insist(raw == self._raw, "the checkpoint was written in place")

    def look_into_inbox(self) -> None:
        """Nothing leaves the inbox that was not merged, or rejected with reason."""
        found: Any = self._redis.xrange(self._stream)
        there = {entry_id for entry_id, _ in found}
        for entry_id in self._entries.keys() - there:
            entry = self._entries.pop(entry_id)
            kind = "a failure" if entry.sha256 is None else "a completion"
            self.insist(entry.settled, f"{kind} of page {entry.page} left the inbox without being merged")
        new = [(entry_id, fields) for entry_id, fields in found if entry_id not in self._entries]
        for entry_id, fields in new:
            told = _told(fields)
            self._entries[entry_id] = Entry(told["page"], told.get("sha256"))
            for step in self._done_steps:
                _owe(step, told["page"], told.get("sha256"), told.get("cost_usd"))
        if new:
            self._settle_entries()

    def touched(self, page: int) -> None:
        """An output was changed, by whomever."""
        for step in self._done_steps:
            step.touched.add(page)
            step.unsound.add(page)
        self._settle_entries()

    def tampered(self, raw: bytes, *, usable: bool) -> None:
        """The checkpoint was written behind everybody's back."""
        self._raw = raw
        self.damaged = not usable
        for step in self._done_steps:
            step.unsound |= self.state.pages.keys()
        if usable:
            self.state = State(raw)

    def flushed(self) -> None:
        self._entries.clear()

    def written(self) -> None:
        """The checkpoint has just been replaced."""
        self.writes += 1
        raw = self._path.read_bytes()
        step = self._done_steps[-1]
        try:
            after = State(raw)
        except ValueError:
            self.complain("a torn checkpoint")
            return
        if self.damaged:
            self._check_rebuilt(after, step)
        else:
            self._check_change(after, step)
        self._check_state(after, step)
        self.state, self._raw, self.damaged = after, raw, False
        self.most_cost = max(self.most_cost, after.cost)
        for entry in self._entries.values():
            entry.settled |= entry.page in step.drops | step.releases
        self._settle_entries()

    def _check_state(self, after: State, step: Step) -> None:
        self.insist(not after.pages.keys() & set(after.failed), "a page is complete and in quarantine")
        self.insist(len(after.failed) == len(set(after.failed)), "a page is in quarantine twice")
        self.insist(after.total_pages in {0, self._total_pages}, f"the book has {after.total_pages} pages")
        if step.verb in {"commit", "recover", "enqueue"} and after.status != self.state.status:
            ended = not after.pending()
            self.insist(ended or after.status == "in_progress", f"{after.status} with pages pending")
            whole = len(after.pages) == self._total_pages
            self.insist(whole or after.status != "completed", "completed without all pages")
            self.insist(after.failed or after.status != "failed", "failed without a failed page")

    def _check_change(self, after: State, step: Step) -> None:
        before = self.state
        gone = before.pages.keys() - after.pages.keys() - step.drops
        if step.verb in _RESUMES:
            gone -= step.unsound
        self.insist(not gone, f"lost completed pages {sorted(gone)}")
        forgiven = set(before.failed) - set(after.failed) - after.pages.keys() - step.drops - step.releases
        self.insist(not forgiven, f"lost quarantined pages {sorted(forgiven)}")
        self.insist(after.revision == before.revision + 1, f"revision {after.revision} after {before.revision}")
        self.insist(after.requested >= before.requested or step.starts_over, "forgot pages that somebody asked for")
        news = [page for page in after.pages if page not in before.pages or _differs(before, after, page)]
        self._check_evidence(news, after, step)
        kept = [page for page in after.pages if page in before.pages and page not in news]
        for page in kept:
            known = before.cost_of(page)
            self.insist(known in {None, after.cost_of(page)}, f"page {page} forgot its cost")
        told = [page for page in kept if before.cost_of(page) is None]
        self._check_cost(before, after, [*news, *told], step)

    def _check_cost(self, before: State, after: State, news: list[int], step: Step) -> None:
        added = after.cost - before.cost
        if step.raises_cost_to:
            self.insist(after.cost == max(before.cost, step.raises_cost_to), "the total was not taken over")
        elif step.verb == "enqueue":
            self.insist(0 <= added <= sum(step.owed.values()), f"the cost changed by {added} micro-dollars")
        else:
            owed = sum(after.cost_of(page) or 0 for page in news)
            self.insist(added == owed, f"the cost changed by {added} micro-dollars, not by {owed}")

    def _check_evidence(self, news: list[int], after: State, step: Step) -> None:
        for page in set(news) - step.touched:
            found = self.valid_output(page)
            self.insist(found is not None, f"page {page} became complete without a valid output")
            self.insist(found == after.sha256(page), f"page {page} became complete with the hash of another output")

    def _check_rebuilt(self, after: State, step: Step) -> None:
        kept = {page for page in self.state.pages if self.borne_out(page)} - step.touched - step.drops
        self.insist(after.pages.keys() >= kept, f"a rebuild lost {sorted(kept - after.pages.keys())}")
        self._check_evidence(list(after.pages), after, step)
        readable = [micro(float(amount)) for amount in _COST.findall(self._raw or b"")]
        self.insist(after.cost >= max(readable, default=0), "a rebuild lost money")
        # What an earlier rebuild could not read any more, another process may remember.
        self.insist(after.cost <= self.most_cost, "a rebuild made money up")

    def _settle_entries(self) -> None:
        for entry in self._entries.values():
            if entry.settled:
                continue
            if entry.sha256 is None:
                entry.settled = entry.page in self.state.pages or entry.page in self.state.failed
            else:
                merged = self.state.sha256(entry.page) == entry.sha256
                entry.settled = merged or self._hash_of(entry.page) != entry.sha256

    def _completions(self) -> list[tuple[int, str | None, float | None]]:
        found: Any = self._redis.xrange(self._stream)
        told = [_told(fields) for _, fields in found]
        return [(each["page"], each.get("sha256"), each.get("cost_usd")) for each in told]

    def _hash_of(self, page: int) -> str | None:
        try:
            return hashlib.sha256(self._output_path(page).read_bytes()).hexdigest()
        except OSError:
            return None


def _told(fields: dict[bytes, bytes]) -> dict[str, Any]:
    """What an entry of the inbox says; what stands beside it is not its matter."""
    [raw] = [raw for name, raw in fields.items() if name not in {b"run", b"doubtful", b"cpu_seconds"}]
    told: dict[str, Any] = json.loads(raw)
    return told


def _owe(step: Step, page: int, sha256: str | None, cost: float | None) -> None:
    if sha256 is not None:
        step.owed[page, sha256] = max(step.owed.get((page, sha256), 0), micro(cost or 0))


def _differs(before: State, after: State, page: int) -> bool:
    return before.sha256(page) != after.sha256(page)
