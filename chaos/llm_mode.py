"""The LLM mode: pages go through the stages that ask a model, and the provider's bill shows what that really cost.

Faults that would justify more calls are left out: damage to outputs and checkpoints of correction and fix, since a
page that is made from another text is rightly asked about again; and a flipped bit in an output of structure, which
its schema need not notice.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from chaos.accounts import Accounts, read_entries
from chaos.audit import Use, classify, overshoots, violations
from chaos.books import STAGES, Book, Books
from chaos.history import History, Log
from chaos.mode import Audit, Mode
from chaos.observer import Observer
from chaos.plan import Fault, make_plan
from chaos.producers import Producers
from chaos.scans import Scan
from sample.provider.bill import Bill

_MODEL = "a-model"
_TROUBLE = 0.1
_LATENCIES_SECONDS = (0.05, 0.1, 0.15, 0.2)
_SLOW_SECONDS = 1.0
_LEFT_OUT = frozenset({("damage-output", "flip")})
_STOP_SECONDS = 10.0


class LlmMode(Mode):
    """The stages correction, fix and structure, and a provider that misbehaves."""

    name: ClassVar[str] = "llm"
    application: ClassVar[str] = "chaos.asking"
    queues: ClassVar[tuple[str, ...]] = STAGES
    concurrency: ClassVar[Mapping[str, int]] = {"prefork": 2, "threads": 16}
    # Wrong answers use up attempts; no page gets so many in a row.
    max_attempts: ClassVar[int] = 100
    # A page whose budget is held by calls without an answer waits a minute for them, and keeps its worker.
    rest_cap_seconds: ClassVar[float] = 120.0
    probe_cap_seconds: ClassVar[float] = 90.0

    def __init__(self, history_folder: Path, seed: int) -> None:
        super().__init__(history_folder, seed)
        self._bill = history_folder / "bill.jsonl"

    def plan(self, seconds: float) -> list[Fault]:
        faults = make_plan(self.seed, seconds)
        return [fault for fault in faults if (fault.kind, fault.variant) not in _LEFT_OUT]

    def start(self, stack: ExitStack) -> dict[str, str]:
        process = stack.enter_context(
            subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(_stop, process)
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        assert base_url, "the provider has not started"
        return {
            "LEAFMARK_LLM_BASE_URL": base_url,
            "LEAFMARK_LLM_API_KEY": "a-key-of-the-chaos",
            "LEAFMARK_PRICES": f"{_MODEL}=0.15/0.60",
            **{f"LEAFMARK_{stage.upper()}_MODEL": _MODEL for stage in STAGES},
        }

    def scans(self, root: Path, observer: Observer, producers: Producers, log: Log) -> Books:
        return Books(root, self.seed, observer, producers, log)

    def audit(self, scans: Sequence[Scan], history: History) -> Audit:
        books = [scan for scan in scans if isinstance(scan, Book)]
        accounts = self._accounts(books, history)
        rows = accounts.rows
        uses = Counter(classify(accounts).values())
        found = violations(accounts)
        figures = {
            "calls": len(rows),
            "billed": sum(row.billed_usd > 0 for row in rows),
            "billed_usd": float(sum(row.billed_usd for row in rows)),
            "answers_used": uses[Use.USED],
            "spoilt_by_the_provider": uses[Use.PROVIDER],
            "in_flight_at_a_kill": uses[Use.KILL],
            "in_flight_at_a_lost_claim": uses[Use.LOST_CLAIM],
            "paid_again": uses[Use.PAID_AGAIN],
            "calls_beyond": uses[Use.BEYOND],
            "budget_overshoot_usd": float(sum(overshoots(accounts).values())),
            "budgets_reached": sum(book.is_paused for book in books),
            "provider_troubles": dict(sorted(Counter(row.trouble.value for row in rows if row.trouble).items())),
        }
        return Audit(figures, found)

    def _accounts(self, books: Sequence[Book], history: History) -> Accounts:
        bill = Bill(self._bill)
        bill.close()
        return Accounts(
            rows=bill.statement().rows,
            entries=[entry for book in books for entry in read_entries(book.folder)],
            attempts=history.attempts,
            faults=history.faults,
            scan_of_page={page: book.scan_id for book in books for page in book.wanted},
            budgets_usd={book.scan_id: book.budget_usd for book in books},
            totals_usd={
                (book.scan_id, stage): total for book in books for stage, total in book.totals_usd().items()
            },
        )

    def _command(self) -> list[str]:
        latency = _LATENCIES_SECONDS[self.seed % len(_LATENCIES_SECONDS)]
        options = {
            "--trouble": _TROUBLE,
            "--seed": self.seed,
            "--latency": latency,
            "--slow": _SLOW_SECONDS,
            "--bill": self._bill,
        }
        return [sys.executable, "-m", "sample.provider", *(str(word) for pair in options.items() for word in pair)]


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(_STOP_SECONDS)
