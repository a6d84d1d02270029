"""One stage of one scan as its checkpoint tells it, read again when that has changed."""

import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from checkpointing.errors import CheckpointError, LeafmarkError
from checkpointing.models import Checkpoint, Status, now
from producer.status.doubtful_pages import doubt_lines
from producer.status.scan_status import latest_moments, rate_of, what_it_waits_for
from producer.watch.page_states import PageState, page_states, with_in_flight
from producer.watch.reading import PacedReader
from producer.watch.snapshot import StageFacts
from worker.deployment import Deployment

_ASK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    """One version of a checkpoint: what it says, when the last pages were completed, and when the stage began."""

    facts: StageFacts
    moments: tuple[datetime, ...] = ()
    begun: datetime | None = None


class StageWatch:
    """Watches one stage.

    Args:
        deployment: the deployment.
        scan_id: which scan.
        stage: which stage of it.
    """

    def __init__(self, deployment: Deployment, scan_id: str, stage: str) -> None:
        self._deployment = deployment
        self._scan_id = scan_id
        self._stage = stage
        # Kept, so that it is not parsed again because the deployment has forgotten it over others.
        self._reader = PacedReader(deployment.checkpoint_file(scan_id, stage))
        self._known: _Known | None = None
        self._is_told = False
        self._begun: datetime | None = None
        self._ask_at = 0.0
        self._waits_for = ""

    def take(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint from somebody who reads it whenever it changes; from now on nothing else is read."""
        self._is_told = True
        # Who tells waits for work that begins now: the rate is that of this work.
        self._begun = self._begun or now()
        self._known = self._describe(checkpoint)

    def facts(self, in_hand: Collection[int] | None, usd_a_page: float | None) -> StageFacts:
        """Where it stands.

        Args:
            in_hand: the pages that have a claim; None where Redis does not tell.
            usd_a_page: what a page to come is expected to cost, in USD; None where nobody can say.

        Raises:
            OSError: the storage failed.
        """
        if not self._is_told:
            self._look()
        if self._known is None:
            return self._before_anything()
        facts = replace(self._known.facts, pages_per_second=self._rate(), waits=self._waits())
        if facts.under_way and usd_a_page is not None:
            facts = replace(facts, expected_usd=facts.cost_usd + usd_a_page * facts.waiting)
        if in_hand is None:
            return facts
        states, in_flight = with_in_flight(facts.states, in_hand)
        return replace(facts, states=states, in_flight=in_flight, waiting=facts.waiting - len(in_flight))

    def _waits(self) -> str:
        if time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _ASK_SECONDS
            self._waits_for = what_it_waits_for(self._deployment, self._stage)
        return self._waits_for

    def _rate(self) -> float | None:
        known = self._known
        return rate_of(known.moments, self._begun or known.begun) if known and known.facts.under_way else None

    def _look(self) -> None:
        try:
            checkpoint = self._reader.news()
        except CheckpointError as error:
            # Once there was something to show, it stands until the file is rebuilt.
            self._known = self._known or self._unreadable(error)
            return
        if checkpoint is not None:
            self._known = self._describe(checkpoint)

    def _describe(self, checkpoint: Checkpoint) -> _Known:
        title, pages = self._title_and_pages()
        states = page_states(checkpoint, checkpoint.total_pages or pages)
        waiting = states.count(PageState.WAITING)
        latest = max(checkpoint.failed_pages, key=lambda failed: failed.failed_at, default=None)
        facts = StageFacts(
            scan_id=self._scan_id,
            title=title,
            stage=self._stage,
            status=checkpoint.status.value,
            states=states,
            completed=len(checkpoint.pages),
            waiting=waiting,
            quarantined=len(checkpoint.failed_pages),
            latest=f"page {latest.page}: {latest.message} ({latest.kind})" if latest else "",
            cost_usd=checkpoint.total_cost_usd,
            error=checkpoint.error or "",
            under_way=checkpoint.status is Status.IN_PROGRESS and waiting > 0,
            doubtful=len(checkpoint.doubtful_pages),
            doubts=tuple(doubt_lines(checkpoint.doubtful_pages)),
        )
        return _Known(facts, latest_moments(checkpoint), checkpoint.started_at)

    def _before_anything(self) -> StageFacts:
        title, pages = self._title_and_pages()
        states = bytes([PageState.NOT_ASKED]) * pages
        return StageFacts(self._scan_id, title, self._stage, Status.NOT_STARTED.value, states)

    def _unreadable(self, error: CheckpointError) -> _Known:
        # Who has work under way there will rebuild it.
        under_way = self._deployment.open_stages.is_open(self._scan_id, self._stage)
        blank = self._before_anything()
        return _Known(replace(blank, status="unreadable", error=str(error), under_way=under_way))

    def _title_and_pages(self) -> tuple[str, int]:
        """What the scan's metadata says; a scan whose metadata is broken is shown all the same."""
        with suppress(LeafmarkError):
            metadata = self._deployment.metadata(self._scan_id)
            return metadata.title, metadata.total_pages
        return "", 0
