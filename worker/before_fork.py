"""Imports what a worker's processes use before its pool forks: they start faster, and share that memory.

Commands import these modules one by one, where they need them (`worker.deployment`, `worker.stages.registry`).
"""

# ruff: noqa: F401
import checkpointing.coordinator
import checkpointing.inbox
import worker.billing.learned_costs
import worker.billing.meter
import worker.billing.meter_refill
import worker.billing.paid_calls
import worker.llm.client
import worker.llm.rate_limits
import worker.queue.claims
import worker.queue.dispatch
import worker.queue.page_queue
from worker.ocr.engines.registry import ENGINES
from worker.stages.registry import STAGES

for _registry in (STAGES, ENGINES):
    # A registry imports a class when it is first read.
    list(_registry.values())
