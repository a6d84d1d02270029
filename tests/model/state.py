"""A checkpoint, and an entry of the inbox, as any reader of JSON sees them."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Entry:
    """What waits in the inbox.

    Attributes:
        sha256: of the completed output; None for a failure.
        settled: whether it may go: merged, or rejected with reason.
    """

    page: int
    sha256: str | None
    settled: bool = False


class State:
    """A checkpoint as any reader of JSON sees it."""

    def __init__(self, raw: bytes | None) -> None:
        data = json.loads(raw) if raw is not None else {}
        evidence = data.get("pages", {})
        self.pages: dict[int, dict[str, Any]] = {
            page: evidence.get(str(page), {}) for page in data.get("completed_pages", [])
        }
        self.failed: list[int] = [failed["page"] for failed in data.get("failed_pages", [])]
        self.cost = micro(data.get("metadata", {}).get("total_cost_usd", 0))
        self.revision: int = data.get("revision", 0)
        self.status: str = data.get("status", "not_started")
        self.total_pages: int = data.get("total_pages", 0)
        ranges = data.get("requested", [])
        self.requested = {page for first, last in ranges for page in range(first, last + 1)}

    def sha256(self, page: int) -> str | None:
        return self.pages.get(page, {}).get("sha256")

    def cost_of(self, page: int) -> int | None:
        cost = self.pages.get(page, {}).get("cost_usd")
        return None if cost is None else micro(cost)

    def pending(self) -> set[int]:
        return self.requested - self.pages.keys() - set(self.failed)


def micro(usd: float) -> int:
    """Micro-dollars."""
    return round(usd * 1_000_000)
