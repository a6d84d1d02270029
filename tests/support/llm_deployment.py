"""A deployment that asks the test provider, and the check that both have the same books."""

import json
from decimal import Decimal
from pathlib import Path

from checkpointing.ledger import Ledger, ledger_stages
from checkpointing.ledger_entry import Call, State
from checkpointing.money import Money
from sample.provider import BillRow, Provider, Trouble
from sample.text import CHAPTERS
from tests.support.deployment import Deployment, Process
from tests.support.fake_deployment import write_scan
from tests.support.model_inputs import ocr_page

ASKING = ("correction", "fix", "structure")
MODEL = "a-model"


def ask_provider(deployment: Deployment, provider: Provider) -> None:
    """Let the deployment's stages ask a provider, at its prices."""
    deployment.environment |= settings_for(provider)


def settings_for(provider: Provider) -> dict[str, str]:
    """What a person sets to have a provider asked, as environment variables."""
    return {
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
    return Money.total(Ledger(scan_dir, stage).sums().total for stage in ledger_stages(scan_dir)).exact_usd


def insist_on_equal_books(scan_dir: Path, rows: tuple[BillRow, ...], *, killed: bool = False) -> dict[str, int]:
    """Insist that every call that was billed is in the ledger at its price, to the micro-dollar.

    Calls whose answer never came are in it as asked, and those that did not tell their tokens at the most that was
    reserved for them.

    Args:
        scan_dir: whose ledgers.
        rows: the provider's bill.
        killed: whether workers were: then some calls were noted and not made yet, and some answers not read.

    Returns:
        How many calls were answered, told nothing of their tokens, and were never answered.
    """
    billed = {row.id: row.billed_usd for row in rows if row.billed_usd}
    answered = calls(scan_dir, State.ANSWERED, State.REJECTED, State.OLD)
    exact = [call for call in answered if call.cost_source != "estimated"]
    lost = calls(scan_dir, State.ASKED)
    for call in answered:
        price = billed.pop(json.loads(call.answer)["id"])
        assert call.cost.exact_usd == price or (call not in exact and call.cost_micro == call.most_micro)
    for call in answered + lost:
        assert call.most_micro >= (call.cost_micro or 0)
    assert len(billed) == len(lost) or (killed and len(billed) < len(lost))
    return {"answered": len(exact), "untold": len(answered) - len(exact), "lost": len(lost)}


def troubles(rows: tuple[BillRow, ...]) -> set[Trouble]:
    """The kinds of trouble that there were."""
    return {row.trouble for row in rows if row.trouble is not None}


def write_read_book(deployment: Deployment, scan_id: str, page_count: int) -> None:
    """A book whose pages have been read, as the OCR stage leaves them: no engine is needed to ask about them."""
    scan = write_scan(deployment.root, scan_id, page_count)
    folder = scan.path / "ocr"
    folder.mkdir()
    for page in range(1, page_count + 1):
        output = ocr_page(("body", read_text(page)), page=page)
        (folder / f"page_{page:04d}.json").write_text(json.dumps(output))
    deployment.producer("enqueue", scan_id, "--stage", "ocr")


def read_text(page: int) -> str:
    """A paragraph of the sample book with errors of reading; another one for each page."""
    paragraphs = [paragraph for chapter in CHAPTERS for paragraph in chapter.paragraphs]
    text = paragraphs[page % len(paragraphs)]
    return f"{text.replace('the', 'tlie', 1)} {page}"
