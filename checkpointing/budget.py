"""How much a scan may cost: one small file beside its ledgers, read before every call that costs money."""

from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from checkpointing.atomic import make_folder, write_durably
from checkpointing.errors import StorageError
from checkpointing.fields import now
from checkpointing.ledger import LEDGER_FOLDER
from checkpointing.money import Dollars
from checkpointing.regular_files import read_regular


class Budget(BaseModel):
    """What may be spent on all stages of a scan over all runs, in USD."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    budget_usd: Dollars
    set_at: str = ""


def read_budget(scan_dir: Path) -> Decimal | None:
    """The budget of a scan, in USD; None where nobody set one.

    Raises:
        StorageError: the file cannot be read, so that nobody knows what may be spent.
    """
    path = _path(scan_dir)
    try:
        return Budget.model_validate_json(read_regular(path)).budget_usd
    except FileNotFoundError:
        if not scan_dir.is_dir():
            raise StorageError(
                f"{scan_dir} is not there, so nothing is spent; check that the storage is mounted"
            ) from None
        return None
    except (OSError, ValidationError) as error:
        raise StorageError(f"{path} cannot be read, so nothing is spent; set it again with --budget") from error


def write_budget(scan_dir: Path, budget_usd: Decimal) -> None:
    """Set the budget of a scan, in USD.

    Raises:
        OSError: the storage failed; the old one holds.
    """
    path = _path(scan_dir)
    make_folder(path.parent)
    data = Budget(budget_usd=budget_usd, set_at=now().isoformat()).model_dump_json().encode()
    write_durably(path, data, Budget.model_validate_json)


def _path(scan_dir: Path) -> Path:
    return scan_dir / LEDGER_FOLDER / "budget.json"
