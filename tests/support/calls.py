"""Calls of a model, as ledgers record them, and the answer that they ask for."""

from pydantic import BaseModel, ConfigDict

from checkpointing.ledger_entry import Call, new_attempt
from checkpointing.refs import StageRef

QUESTION = "a" * 64


class Region(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    text: str


class Corrected(BaseModel):
    model_config = ConfigDict(title="correction", extra="ignore")

    regions: list[Region]


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
