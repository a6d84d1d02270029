"""A deployment that asks the test provider, and the check that both have the same books."""

from decimal import Decimal
from pathlib import Path

from checkpointing.ledger import Call, Ledger, State, ledger_stages
from checkpointing.money import MICRO_DOLLAR
from sample.provider import BillRow, Provider, Trouble
from tests.deployment import Deployment, Process

ASKING = ("correction", "fix", "structure")
MODEL = "a-model"


def ask_provider(deployment: Deployment, provider: Provider) -> None:
    """Let the deployment's stages ask a provider, at its prices."""
    deployment.environment |= {
        "LEAFMARK_LLM_BASE_URL": provider.base_url,
        "LEAFMARK_LLM_API_KEY": "a-key-of-the-test",
        **{f"LEAFMARK_{stage.upper()}_MODEL": MODEL for stage in ASKING},
        "LEAFMARK_PRICES": f"{MODEL}=0.15/0.60",
    }


def start_asking_worker(deployment: Deployment, threads: int = 32) -> Process:
    """A worker for the stages that ask, as a pool of threads."""
    return deployment.start_worker(threads, "--pool=threads", "--queues=" + ",".join(ASKING))


def calls(scan_dir: Path, *states: State) -> list[Call]:
    """The calls in all ledgers of a scan that stand so."""
    return [call for stage in ledger_stages(scan_dir) for call in Ledger(scan_dir, stage).calls(*states)]


def spent_usd(scan_dir: Path) -> Decimal:
    """What all ledgers of a scan add up to."""
    return sum(Ledger(scan_dir, stage).sums().total for stage in ledger_stages(scan_dir)) * MICRO_DOLLAR


def insist_on_equal_books(scan_dir: Path, rows: tuple[BillRow, ...]) -> dict[str, int]:
    """Insist that every call that was billed is in the ledger at its price, to the micro-dollar.

    Calls whose answer never came are in it as asked, and those that did not tell their tokens at the most that was
    reserved for them.

    Returns:
        How many calls were answered, told nothing of their tokens, and were never answered.
    """
    answered = calls(scan_dir, State.ANSWERED, State.REJECTED, State.OLD)
    exact = [call for call in answered if call.cost_source != "estimated"]
    untold = [call for call in answered if call.cost_source == "estimated"]
    lost = calls(scan_dir, State.ASKED)
    billed = [row for row in rows if row.billed_usd]
    arrived = [row for row in billed if row.answer_sent and row.usage_reported]
    assert sum((call.cost_micro or 0) for call in exact) * MICRO_DOLLAR == sum(row.billed_usd for row in arrived)
    assert len(exact) == len(arrived)
    assert len(untold) == sum(row.answer_sent and not row.usage_reported for row in billed)
    assert len(lost) == sum(not row.answer_sent for row in billed)
    for call in untold + lost:
        assert call.most_micro > 0
    return {"answered": len(exact), "untold": len(untold), "lost": len(lost)}


def troubles(rows: tuple[BillRow, ...]) -> set[Trouble]:
    """The kinds of trouble that there were."""
    return {row.trouble for row in rows if row.trouble is not None}
