"""The answer of a language model, and what an output records about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Generic

from pydantic import Field, NonNegativeInt, PositiveInt

from checkpointing.fields import ClosedModel, Sha256, Usd
from worker.llm.prompt import Answer


class CostSource(StrEnum):
    """The source of the cost of a call."""

    PROVIDER = "provider"
    """The provider, with the answer (OpenRouter's `usage.cost`)."""
    SET = "set"
    """The user, in LEAFMARK_PRICES."""
    LISTED = "genai-prices"
    """The price list of `genai-prices`."""
    ESTIMATED = "estimated"
    """None: the provider did not report tokens. The reservation of the call stands for its cost."""
    UNPRICED = "unpriced"
    """None: no price is known, and the user has allowed that. Counted as 0."""


class Usage(ClosedModel):
    """Tokens of one call. Cached tokens are included in `tokens_in`, reasoning in `tokens_out`."""

    tokens_in: NonNegativeInt = 0
    tokens_out: NonNegativeInt = 0
    tokens_reasoning: NonNegativeInt = 0
    tokens_cached: NonNegativeInt = 0


class LlmRecord(ClosedModel):
    """What an output records about the model behind it."""

    provider: str = Field(description="Host of the server.")
    model: str
    recipe_sha256: Sha256 = Field(description="Hash of model, instructions, schema and parameters.")
    request_sha256: Sha256 = Field(description="Hash of the whole question, as in the entry of the ledger.")
    usage: Usage
    cost_usd: Usd = Field(description="Cost of the call that gave this answer.")
    cost_source: CostSource
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    attempts: PositiveInt = Field(description="Answers that were paid for, for this page, including this one.")


@dataclass(frozen=True, slots=True)
class Reply(Generic[Answer]):
    """An answer that matches the schema it was asked for, and how it came about, for the output."""

    answer: Answer
    llm: LlmRecord
