"""Process a page, give stages their inputs, and pass pages on from one stage to the next.

It gets the parts of a deployment as arguments. It may import `billing`, `queue`, `storage`, `stages` and
`telemetry`; `reconciler` and the tasks import it.
"""
