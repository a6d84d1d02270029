"""Errors of a call to a model, told apart by what happens to the page."""

from decimal import Decimal

from checkpointing.errors import LeafmarkError, StagePausedError


class AnswerRefusedError(Exception):
    """An answer was paid for and is unusable. It counts as an attempt, and never becomes an output.

    Attributes:
        kind: a short machine-readable reason: `schema`, `truncated`, `refusal`, `loop`, `commentary`, `length`,
            `regions_lost`, `text_on_blank`, `not_on_page`, `empty`, `request_refused`, `no_answer`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ClaimLostError(LeafmarkError):
    """Another worker holds the claim on the page by now: no call is made for it here."""


class ProviderError(LeafmarkError):
    """The provider cannot be reached, is overloaded or limits the calls. The page waits and loses no attempt."""


class ProviderRefusesError(StagePausedError):
    """The provider refuses all calls until a person acts: a wrong key, no credit, an unknown model."""


class PriceWrongError(StagePausedError):
    """A call cost more than the known price allows, so that price is wrong. Its answer is kept."""


class BudgetReachedError(StagePausedError):
    """The next call may cost more than is left of the budget.

    Attributes:
        budget_usd: the budget that was reached, in USD.
    """

    def __init__(self, message: str, budget_usd: Decimal | None, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.budget_usd = budget_usd
