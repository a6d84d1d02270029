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


class CallFailedError(ProviderError):
    """A call got no answer, and another try may succeed.

    Attributes:
        retry_after_seconds: the pause that the provider asks for; None where it names none.
        may_have_been_billed: whether the provider may have answered and charged, although no answer arrived.
        is_rate_limit: whether the provider works, and only wants fewer calls.
        is_foreign: whether the response hardly came from the API: a person may have to correct an address.
        is_timeout: whether the call exceeded its time limit.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retry_after_seconds: float | None = None,
        may_have_been_billed: bool = False,
        is_rate_limit: bool = False,
        is_foreign: bool = False,
        is_timeout: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds
        self.may_have_been_billed = may_have_been_billed
        self.is_rate_limit = is_rate_limit
        self.is_foreign = is_foreign
        self.is_timeout = is_timeout


class RequestRefusedError(AnswerRefusedError):
    """The provider refuses this page alone: it is too long, or against its rules. Nothing was billed."""

    def __init__(self, message: str) -> None:
        super().__init__("request_refused", message)


class FormRefusedError(Exception):
    """The server refuses the form of a request; another form may be accepted.

    Attributes:
        words: the server's error, in lower case.
        otherwise: what the refusal means when no other form is left.
    """

    def __init__(self, words: str, otherwise: Exception) -> None:
        super().__init__(str(otherwise))
        self.words = words
        self.otherwise = otherwise
