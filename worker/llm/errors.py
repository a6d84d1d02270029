"""What may go wrong between a page and its model, told apart by what becomes of the page."""

from decimal import Decimal

from checkpointing.errors import LeafmarkError, StagePausedError


class AnswerRefusedError(Exception):
    """An answer was paid for and makes no sense. It counts as an attempt, and never becomes an output.

    Attributes:
        kind: a short machine-readable reason: `schema`, `truncated`, `refusal`, `loop`, `commentary`, `length`,
            `regions_lost`, `text_on_blank`, `not_on_page`, `empty`, `request_refused`,
            `no_answer`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ClaimLostError(LeafmarkError):
    """Another worker has the page by now: nothing is asked for it here."""


class ProviderError(LeafmarkError):
    """The provider is away, overloaded or limits us. The page waits and loses no attempt."""


class ProviderRefusesError(StagePausedError):
    """The provider will not serve us until a person does something: a wrong key, no credit, no such model."""


class PriceWrongError(StagePausedError):
    """A call cost more than was reserved for it: the price known for the model is wrong. Its answer is kept."""


class BudgetReachedError(StagePausedError):
    """The next call might cost more than is left.

    Attributes:
        budget_usd: the budget that is reached, in USD.
    """

    def __init__(self, message: str, budget_usd: Decimal | None) -> None:
        super().__init__(message)
        self.budget_usd = budget_usd
