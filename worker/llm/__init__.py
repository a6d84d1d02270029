"""Ask language models: requests, answers, prices, retries, rate limits, pauses after failures.

It knows no stage and imports nothing else of `worker`; `billing`, `config` and `stages` import it.
"""
