"""Chaos: real workers, a real server and real files, with everything going wrong at random; `make chaos`.

Look first at `plan.py` (which faults, from the seed), `run.py` (the run) and `verdict.py` (what counts as wrong).
"""
