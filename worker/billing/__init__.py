"""Pay for a call of a model once: estimate, reserve against the budget, book the answer, settle.

`model_calls` makes the parts of a deployment. It may import `llm` and `telemetry`; `pipeline`, `reconciler` and
`deployment` import it.
"""
