"""What a trace shows of a paid call: which model, how many tokens, how much money. No key, and no word of it."""

from checkpointing.ledger_entry import Call
from worker.telemetry import tracing


def record_call(call: Call, seconds: float, error: Exception | None = None) -> None:
    """Record a call that has just come to its end. Does nothing while nothing is traced.

    Args:
        call: as the ledger has it; with its tokens and cost where it was answered.
        seconds: how long it took.
        error: why there is no answer. Its name is recorded, and not what it says, which may quote a server.
    """
    usage = call.usage or {}
    tracing.record(
        "call model",
        seconds,
        error=error,
        scan_id=call.scan_id,
        stage=call.stage,
        page=call.page,
        provider=call.provider,
        model=call.model,
        tokens_in=usage.get("tokens_in"),
        tokens_out=usage.get("tokens_out"),
        cost_usd=call.cost.usd if call.is_answered else None,
    )
