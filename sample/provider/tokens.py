"""Counting and pricing tokens, in the simplest way that has every part of a real bill.

Four bytes of UTF-8 are a token, the last one begun counts whole, and a picture is 765 whatever its size. The
instructions are always found in the cache, in whole blocks of 128 tokens. An answer is thought about for an eighth
of its length. The schema of the answer is not counted.
"""

from dataclasses import dataclass
from decimal import Decimal

from sample.provider.behaviour import Behaviour

TOKENS_OF_A_PICTURE = 765
_BYTES_OF_A_TOKEN = 4
_CACHED_BLOCK = 128
_THOUGHT = 8
"""Tokens of an answer for each token of reasoning."""
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. Those cached are among those in, those of reasoning among those out."""

    tokens_in: int
    tokens_cached: int
    tokens_out: int
    tokens_reasoning: int

    def price(self, behaviour: Behaviour) -> Decimal:
        """What they cost, in USD, not rounded: a token may cost less than a micro-dollar."""
        return (self.tokens_in * behaviour.price_in + self.tokens_out * behaviour.price_out) / _MILLION

    def report(self) -> dict[str, object]:
        """As OpenAI spells it."""
        return {
            "prompt_tokens": self.tokens_in,
            "completion_tokens": self.tokens_out,
            "total_tokens": self.tokens_in + self.tokens_out,
            "prompt_tokens_details": {"cached_tokens": self.tokens_cached},
            "completion_tokens_details": {"reasoning_tokens": self.tokens_reasoning},
        }


def usage_of(instructions: str, rest: str, pictures: int, answer: str) -> Usage:
    """Count the tokens of a call.

    Args:
        instructions: the system messages.
        rest: the other messages.
        pictures: how many go along.
        answer: what the model says.
    """
    written = count_tokens(answer)
    reasoning = written // _THOUGHT
    of_instructions = count_tokens(instructions)
    return Usage(
        tokens_in=of_instructions + count_tokens(rest) + pictures * TOKENS_OF_A_PICTURE,
        tokens_cached=of_instructions // _CACHED_BLOCK * _CACHED_BLOCK,
        tokens_out=written + reasoning,
        tokens_reasoning=reasoning,
    )


def count_tokens(text: str) -> int:
    """Tokens of a text."""
    return -(-len(text.encode()) // _BYTES_OF_A_TOKEN)


def longest_answer(most_tokens: int) -> int:
    """Bytes of the longest answer that takes, with its reasoning, so many tokens at the most."""
    return most_tokens * _THOUGHT // (_THOUGHT + 1) * _BYTES_OF_A_TOKEN
