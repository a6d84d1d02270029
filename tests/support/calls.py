"""Calls of a model, as ledgers record them."""

from checkpointing.ledger_entry import Call, new_attempt
from checkpointing.refs import StageRef

QUESTION = "a" * 64


def a_call(
    ref: StageRef, page: int, most_micro: int = 900, *, model: str = "a-model", question: str = QUESTION
) -> Call:
    """A call that may cost so many micro-dollars."""
    return Call(
        attempt=new_attempt(),
        scan_id=ref.scan_id,
        stage=ref.stage,
        page=page,
        provider="127.0.0.1",
        model=model,
        request_sha256=question,
        most_micro=most_micro,
    )
