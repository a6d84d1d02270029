"""The budget of a scan: one small file beside its ledgers, read before every paid call."""

from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from checkpointing.atomic import make_folder, write_durably
from checkpointing.errors import StorageError
from checkpointing.fields import OpenModel, now
from checkpointing.ledger import LEDGER_FOLDER
from checkpointing.money import Dollars
from checkpointing.regular_files import read_regular


class Budget(OpenModel):
    """The maximum that all stages of a scan may cost over all runs, in USD."""

    budget_usd: Dollars
    set_at: str = ""


def read_budget(scan_dir: Path) -> Decimal | None:
    """Return the budget of a scan, in USD; None where none is set.

    Raises:
        StorageError: the file cannot be read, so the limit is not known.
    """
    path = _path(scan_dir)
    try:
        return Budget.model_validate_json(read_regular(path)).budget_usd
    except FileNotFoundError:
        if not scan_dir.is_dir():
            raise StorageError(
                f"{scan_dir} does not exist, so no paid call is made", hint="check that the storage is mounted"
            ) from None
        return None
    except (OSError, ValidationError) as error:
        raise StorageError(
            f"the budget in {path} cannot be read, so no paid call is made", hint="set it again with --budget"
        ) from error


def write_budget(scan_dir: Path, budget_usd: Decimal) -> None:
    """Set the budget of a scan, in USD.

    Raises:
        OSError: the storage failed; the old budget stays in force.
    """
    path = _path(scan_dir)
    make_folder(path.parent)
    data = Budget(budget_usd=budget_usd, set_at=now().isoformat()).model_dump_json().encode()
    write_durably(path, data, Budget.model_validate_json)


def _path(scan_dir: Path) -> Path:
    return scan_dir / LEDGER_FOLDER / "budget.json"
