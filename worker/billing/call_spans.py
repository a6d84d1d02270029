"""The trace span of a paid call: model, tokens and cost, without the key and the text."""

from checkpointing.ledger_entry import Call
from worker.telemetry import tracing


def record_call(call: Call, seconds: float, error: Exception | None = None) -> None:
    """Record a call that has just ended. Does nothing while tracing is off.

    Args:
        call: the record of the ledger; with tokens and cost where it was answered.
        seconds: how long it took.
        error: why there is no answer. Only its type is recorded: its message may quote a server.
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
