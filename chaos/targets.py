"""What faults can meet, and how the plan's fraction becomes one of them."""

from dataclasses import dataclass
from typing import TypeVar

from tests.chaos.fleet import Fleet
from tests.chaos.plan import Fault
from tests.chaos.producers import Producers
from tests.chaos.proxy import FaultProxy
from tests.chaos.scans import Scans
from tests.chaos.server import Server
from tests.chaos.storage import SmallDisk

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Targets:
    """Everything that a run has started."""

    server: Server
    proxy: FaultProxy
    fleet: Fleet
    producers: Producers
    disk: SmallDisk
    scans: Scans


def preferably(busy: list[T], everyone: list[T], fault: Fault) -> list[T]:
    """Who has a page in hand has more to lose; one time in three whoever it is: idle ones, stewards."""
    return busy if busy and int(fault.pick * 999) % 3 else everyone


def picked(candidates: list[T], fault: Fault) -> T:
    return candidates[int(fault.pick * len(candidates))]
