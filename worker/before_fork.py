"""What a worker's processes use, imported before its pool forks: they start at once, and share that memory.

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
import worker.ocr.engines.rapid
import worker.ocr.engines.tesseract
import worker.queue.claims
import worker.queue.dispatch
import worker.queue.page_queue
import worker.stages.correction
import worker.stages.fix
import worker.stages.ocr
import worker.stages.structure
