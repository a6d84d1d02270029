"""The collector: makes a scene of what checkpoints, Redis and workers tell, without waiting for the last two.

Checkpoints are read where the scene is made, when they have changed. Everything that may take its time is looked at
in threads: what is in hand every second, who works every few seconds, money and the other scans rarely.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from checkpointing.errors import LeafmarkError
from checkpointing.models import Checkpoint
from producer.watch.chosen import MOST_STAGES, Chosen
from producer.watch.expected import usd_a_page
from producer.watch.other_scans import count_rest
from producer.watch.poller import Lookout
from producer.watch.snapshot import Crew, Scene, StageFacts
from producer.watch.stage_reader import StageWatch
from producer.watch.workers import StageKey, ask_workers, pages_in_hand
from worker.deployment import Deployment
from worker.stages.base import asks_model

_CLAIMS_SECONDS = 1.0
_WORKERS_SECONDS = 3.0
_EXPECTED_SECONDS = 60.0
_REST_SECONDS = 30.0
# A server that takes a connection and then says nothing is no error yet, but what it said is old.
_OLD_SECONDS = 6.0
# How long to wait for everybody's first answer, where that is wanted.
_LOOK_SECONDS = 8.0
_POLL_SECONDS = 0.02


class Collector:
    """Makes scenes, for the length of a `with` block.

    Args:
        deployment: the deployment.
        chosen: tells which stages to watch.
        with_rest: whether the other scans are counted.
    """

    def __init__(self, deployment: Deployment, chosen: Chosen, *, with_rest: bool = False) -> None:
        self._deployment = deployment
        self._chosen = chosen
        self._watches: dict[StageKey, StageWatch] = {}
        self._facts: dict[StageKey, StageFacts] = {}
        no_claims: dict[StageKey, frozenset[int]] = {}
        no_money: dict[StageKey, float] = {}
        self._crew = Lookout(lambda: ask_workers(deployment), _WORKERS_SECONDS, Crew())
        self._claims = Lookout(self._look_at_claims, _CLAIMS_SECONDS, no_claims)
        self._expected = Lookout(self._look_ahead, _EXPECTED_SECONDS, no_money)
        self._rest = Lookout(self._look_at_rest if with_rest else str, _REST_SECONDS, "")
        self._threads = ExitStack()

    def __enter__(self) -> Self:
        # What they look at is known after the first scene.
        self.scene()
        for lookout in self._lookouts():
            self._threads.enter_context(lookout)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.close()

    def look(self) -> Scene:
        """A scene for which everybody was asked, and waited for. Instead of the `with` block."""
        until = time.monotonic() + _LOOK_SECONDS
        with self:
            while any(lookout.is_first for lookout in self._lookouts()) and time.monotonic() < until:
                time.sleep(_POLL_SECONDS)
            return self.scene()

    def take(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint that somebody else has read, and will read again: it is not read here as well."""
        self._watch((checkpoint.scan_id, checkpoint.stage)).take(checkpoint)

    def scene(self) -> Scene:
        """What is known at this moment. Waits for nobody but the storage."""
        keys, trouble = self._keys()
        shown = keys[:MOST_STAGES]
        broker_trouble = self._broker_trouble()
        claims = None if broker_trouble or not self._claims.looked else self._claims.latest
        for key in self._facts.keys() - set(keys):
            del self._facts[key], self._watches[key]
        for key in shown:
            try:
                self._facts[key] = self._stage(key, claims)
            except (OSError, LeafmarkError) as error:
                trouble = str(error)
        return Scene(
            stages=tuple(self._facts[key] for key in shown if key in self._facts),
            more=len(keys) - len(shown),
            crew=self._crew.latest,
            broker_trouble=broker_trouble,
            storage_trouble=trouble,
            rest=self._rest.latest,
            at=time.time(),
        )

    def _keys(self) -> tuple[list[StageKey], str]:
        """The stages to show, and what keeps us from knowing them."""
        try:
            return self._chosen(), ""
        except OSError as error:
            return list(self._facts), str(error)

    def _stage(self, key: StageKey, claims: Mapping[StageKey, frozenset[int]] | None) -> StageFacts:
        in_hand = None if claims is None else claims.get(key, frozenset())
        return self._watch(key).facts(in_hand, self._expected.latest.get(key))

    def _watch(self, key: StageKey) -> StageWatch:
        if key not in self._watches:
            self._watches[key] = StageWatch(self._deployment, *key)
        return self._watches[key]

    def _broker_trouble(self) -> str:
        trouble = self._claims.trouble or self._crew.trouble
        if trouble:
            return trouble
        return f"no answer for {self._claims.age:.0f} s" if self._claims.age > _OLD_SECONDS else ""

    def _look_at_claims(self) -> dict[StageKey, frozenset[int]]:
        # A stage that is paused may have pages in hand yet.
        pending = [key for key, facts in list(self._facts.items()) if facts.waiting or facts.in_flight]
        return pages_in_hand(self._deployment, pending, self._crew.latest.tasks)

    def _look_ahead(self) -> dict[StageKey, float]:
        states = {
            key: facts.states
            for key, facts in list(self._facts.items())
            if facts.under_way and asks_model(self._deployment.stage(facts.stage))
        }
        return usd_a_page(self._deployment, states)

    def _look_at_rest(self) -> str:
        return count_rest(self._deployment.root, {scan_id for scan_id, _ in list(self._facts)})

    def _lookouts(self) -> tuple[Lookout[Any], ...]:
        # The workers first: claims are looked for where they said they are at work.
        return self._crew, self._claims, self._expected, self._rest
