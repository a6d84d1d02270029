"""What faults can meet, and how the plan's fraction becomes one of them."""

from dataclasses import dataclass
from typing import TypeVar

from chaos.fleet import Fleet
from chaos.plan import Fault
from chaos.producers import Producers
from chaos.proxy import FaultProxy
from chaos.scans import Scans
from chaos.server import Server
from chaos.storage import SmallDisk

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
    """Who has a page in hand has more to lose; one time in three whoever it is: idle ones, reconcilers."""
    return busy if busy and int(fault.pick * 999) % 3 else everyone


def picked(candidates: list[T], fault: Fault) -> T:
    return candidates[int(fault.pick * len(candidates))]
