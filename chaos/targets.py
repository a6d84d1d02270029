"""What faults can hit, and how the fraction in the plan selects a target."""

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
    """Return the busy processes in two of three cases, because a fault is worse for them; else all."""
    return busy if busy and int(fault.pick * 999) % 3 else everyone


def picked(candidates: list[T], fault: Fault) -> T:
    return candidates[int(fault.pick * len(candidates))]
