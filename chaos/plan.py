"""The plan of faults: drawn before the run from one seed, so that the seed gives the same plan again.

Faults are drawn like cards from a deck that is shuffled again when it is empty, so that kinds come evenly. What a
fault hits is drawn as a fraction, because it is not known which processes will be alive by then.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Means. Workers take seconds to restart, and a fault should hit pages in progress.
MISHAP_GAP_SECONDS = 1.0
CALM_SECONDS = 5.0
OVERLAPPING_OUTAGES = 0.15


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the plan.

    Attributes:
        at: seconds from the start.
        kind: the name of a method of one of the `PARTS` in `faults.py`, with dashes.
        variant: the form of the fault.
        seconds: how long it lasts, or how long until it takes effect.
        pick: from 0 to 1, which of the possible targets it hits.
    """

    at: float
    kind: str
    variant: str
    seconds: float
    pick: float


@dataclass(frozen=True, slots=True)
class _Card:
    kind: str
    variant: str = ""
    seconds: tuple[float, float] = (0.0, 0.0)


# Claims last 9 s and the coordinator's lock 5 s: some pauses are shorter than both, some between them, some long
# enough for the page to be lost, found and done by another worker.
_MISHAPS = (
    _Card("kill-worker", "main"),
    _Card("kill-worker", "group"),
    *(_Card("kill-worker", "child"),) * 2,
    *(_Card("pause-worker", "group", (0.2, 2.0)),) * 2,
    *(_Card("pause-worker", "child", (0.2, 2.0)),) * 2,
    _Card("pause-worker", "main", (5.5, 8.0)),
    _Card("pause-worker", "group", (12.0, 20.0)),
    _Card("pause-worker", "child", (12.0, 20.0)),
    _Card("stop-worker"),
    _Card("rolling-restart"),
    _Card("kill-producer", "", (0.3, 3.0)),
    _Card("pause-producer", "", (0.5, 7.0)),
    _Card("two-producers"),
    *(_Card("damage-output", "delete"),) * 2,
    *(_Card("damage-output", "truncate"),) * 2,
    *(_Card("damage-output", "flip"),) * 2,
    *(_Card("damage-output", "swap"),) * 2,
    _Card("damage-checkpoint", "truncate"),
    _Card("damage-checkpoint", "overwrite"),
    *(_Card("recheck"),) * 3,
)
_OUTAGES = (
    _Card("kill-server", "", (0.1, 2.0)),
    _Card("empty-server", "", (0.1, 2.0)),
    _Card("pause-server", "", (0.5, 4.0)),
    *(_Card("flush"),) * 2,
    _Card("drop-replies", "reset", (0.5, 4.0)),
    _Card("drop-replies", "silent", (0.3, 1.0)),
    _Card("delay-replies", "", (1.0, 3.0)),
    _Card("cut-connections"),
    _Card("black-hole", "resume", (0.5, 3.0)),
    _Card("black-hole", "cut", (0.5, 3.0)),
    _Card("black-hole", "resume", (9.5, 12.0)),
    _Card("refuse-connections", "", (0.3, 3.0)),
    _Card("full-disk", "", (0.5, 4.0)),
)


def make_plan(seed: int, seconds: float) -> list[Fault]:
    """Return the faults of a run, in order of time.

    Mishaps come at any time. Outages stop all work, so they mostly come one at a time, with pauses in between.
    """
    rng = random.Random(f"plan {seed}")
    faults = [*_mishaps(rng, seconds), *_outages(rng, seconds)]
    return sorted(faults, key=lambda fault: fault.at)


def kinds() -> list[str]:
    """Return every kind of fault."""
    return sorted({card.kind for card in (*_MISHAPS, *_OUTAGES)})


def _mishaps(rng: random.Random, seconds: float) -> Iterator[Fault]:
    cards = _endless(_MISHAPS, rng)
    at = rng.expovariate(1 / MISHAP_GAP_SECONDS)
    while at < seconds:
        yield _drawn(next(cards), at, rng)
        at += rng.expovariate(1 / MISHAP_GAP_SECONDS)


def _outages(rng: random.Random, seconds: float) -> Iterator[Fault]:
    cards = _endless(_OUTAGES, rng)
    at = rng.expovariate(1 / CALM_SECONDS)
    while at < seconds:
        fault = _drawn(next(cards), at, rng)
        yield fault
        into_the_next = rng.random() < OVERLAPPING_OUTAGES
        at += rng.expovariate(1 / CALM_SECONDS) + (0 if into_the_next else fault.seconds)


def _endless(deck: Sequence[_Card], rng: random.Random) -> Iterator[_Card]:
    while True:
        yield from rng.sample(deck, len(deck))


def _drawn(card: _Card, at: float, rng: random.Random) -> Fault:
    return Fault(round(at, 3), card.kind, card.variant, round(rng.uniform(*card.seconds), 3), rng.random())
