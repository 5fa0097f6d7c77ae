"""A whole federation in one process: seeded, in virtual time, with faults.

Run any number of seeds with ``python -m tests.simulator --seeds N``.
"""
