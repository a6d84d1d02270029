"""What the steps of a paid call share: ledger, meter and budget of one stage of a scan, and the question."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from checkpointing.ledger import Ledger
from checkpointing.ledger_entry import Call
from checkpointing.money import Money
from worker.billing.estimate import most_cost, most_tokens_in
from worker.billing.learned_costs import Estimate
from worker.billing.meter import Meter
from worker.billing.model_endpoint import ModelEndpoint
from worker.llm.errors import ClaimLostError
from worker.llm.prompt import Prompt


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """A question about one page.

    Attributes:
        page: number of the page, from 1.
        sha256: of the question to that model; the ledger finds earlier answers by it.
        estimate: the maximum that the call can cost by the known price.
        still_ours: returns whether this worker still holds the claim on the page.
    """

    page: int
    prompt: Prompt[Any]
    sha256: str
    estimate: Estimate
    still_ours: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class StageAccount:
    """Where the calls of one stage of one scan are booked.

    Attributes:
        refill: fills the meter of the scan from the ledgers of all stages.
        budget: returns what the scan may cost, in USD; None for no limit.
    """

    scan_id: str
    stage: str
    endpoint: ModelEndpoint
    ledger: Ledger
    meter: Meter
    refill: Callable[[], object]
    budget: Callable[[], Decimal | None]

    @property
    def scan_dir(self) -> Path:
        """Return `<root>/<scan_id>`."""
        return self.ledger.path.parent.parent

    def estimate(self, prompt: Prompt[Any]) -> Estimate:
        """Return the maximum that a call can cost by the known price."""
        prices, model = self.endpoint.prices, self.endpoint.model
        most = most_cost(prompt, model, prices)
        basis = most.rounded_up or most_tokens_in(prompt) + prompt.most_tokens
        return Estimate(prices.describe(model), most, basis)

    def to_reserve(self, estimate: Estimate) -> Money:
        """Return what to reserve for a call, by the known price and by what calls really cost."""
        endpoint = self.endpoint
        return endpoint.learned.of(endpoint.provider, endpoint.model, estimate.price).most(estimate)

    def paid_earlier(self, page: int, sha256: str) -> Call | None:
        """Return the call that already paid for the answer to a question; None where there is none."""
        call = self.ledger.usable(page, sha256)
        if call is not None:
            # The worker that booked the answer may have died before the meter knew. Settling is safe to repeat.
            self.meter.settle(call.attempt, call.cost)
        return call

    def check_again(self, question: PageQuestion) -> Call | None:
        """Return the call of another worker that has paid for the answer meanwhile. Due after every wait.

        Raises:
            ClaimLostError: another worker has the page.
        """
        if not question.still_ours():
            raise ClaimLostError(f"the claim on page {question.page} was lost before its call was made")
        return self.paid_earlier(question.page, question.sha256)

    def withdraw(self, call: Call) -> None:
        """Remove a call that cannot have been billed: first from disk, then from the meter."""
        self.ledger.withdraw(call)
        self.meter.cancel(call.attempt)

    def spent_of_budget(self) -> str:
        """Return how much of the budget is spent, for people."""
        reading, budget = self.meter.read(), self.budget()
        spent = "the answer is paid for" if reading is None else f"{reading.spent} spent"
        return f"{spent}, no budget set" if budget is None else f"{spent} of the budget of ${budget}"
