"""Chaos: real workers, a real server and real files, with random faults; `make chaos`.

`README.md` explains the verdict. Begin with `plan.py` (faults), `run.py` and `verdict.py` (violations).
"""
