"""What came back from a language model, and what is kept of it beside a page's output."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from checkpointing.fields import Sha256, Usd


class CostSource(StrEnum):
    """Who says what a call has cost."""

    PROVIDER = "provider"
    """The provider, with the answer (OpenRouter's `usage.cost`)."""
    SET = "set"
    """The user, in LEAFMARK_PRICES."""
    LISTED = "genai-prices"
    """The price list of `genai-prices`."""
    ESTIMATED = "estimated"
    """Nobody: the provider did not tell how many tokens it took. What was reserved for the call stands for it."""
    UNPRICED = "unpriced"
    """Nobody: no price is known, and the user has allowed that. Counted as 0."""


class Usage(BaseModel):
    """Tokens of one call. Those cached are among those in, those of reasoning among those out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens_in: NonNegativeInt = 0
    tokens_out: NonNegativeInt = 0
    tokens_reasoning: NonNegativeInt = 0
    tokens_cached: NonNegativeInt = 0


class LlmRecord(BaseModel):
    """What an output says about the model behind it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(description="Host of the server that was asked.")
    model: str
    recipe_sha256: Sha256 = Field(description="Of model, instructions, schema and parameters.")
    request_sha256: Sha256 = Field(description="Of the whole question; the ledger's entry has the same.")
    usage: Usage
    cost_usd: Usd = Field(description="Of the call that gave this answer.")
    cost_source: CostSource
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    attempts: PositiveInt = Field(description="Answers that were paid for, for this page, this one included.")


Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Reply(Generic[Answer]):
    """An answer that matches the schema it was asked for.

    Attributes:
        answer: an instance of `Prompt.answer`.
        llm: how it came about, for the output.
    """

    answer: Answer
    llm: LlmRecord
