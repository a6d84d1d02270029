"""What a worker's processes use, imported before its pool forks: they start at once, and share that memory.

Commands import these modules one by one, where they need them (`worker.workshop`, `worker.registry`).
"""

# ruff: noqa: F401
import checkpointing.coordinator
import checkpointing.inbox
import worker.claims
import worker.dispatch
import worker.engines.rapid
import worker.engines.tesseract
import worker.llm.client
import worker.llm.learned_costs
import worker.llm.meter
import worker.llm.paid_calls
import worker.llm.rate_limits
import worker.llm.refill
import worker.queue
import worker.stages.correction
import worker.stages.fix
import worker.stages.ocr
import worker.stages.structure
