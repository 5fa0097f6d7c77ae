"""What moves are chosen from: subsets of members, and how far a study goes on before a move."""

from typing import NamedTuple

from hypothesis import strategies as st

bits = st.integers(0, 127)  # a subset of at most seven
some = st.just(0) | bits
small = st.integers(0, 7)
which = st.integers(0, 2)  # of the sequence's studies


def subset(members: list[int], mask: int) -> list[int]:
    """The members whose bit is set; all of them for 0."""
    found = [m for k, m in enumerate(members) if mask >> k & 1]
    return found or members


def enough(members: list[int], mask: int, least: int) -> list[int]:
    """The members but those whose bit is set, as long as ``least`` are left."""
    left = list(members)
    for k, member in enumerate(members):
        if mask >> k & 1 and len(left) > least:
            left.remove(member)
    return left


class Course(NamedTuple):
    """How the aggregator goes on with a study before a move: so many steps, over some hospitals.

    ``without``: who is left out of sums. ``spoils``: what colluders add.
    """

    study: int
    steps: int
    who: int
    without: int
    spoils: bool


course = st.builds(
    Course,
    which,
    st.sampled_from((0, 1, 2, 3, 4, 4)),
    some,
    some,
    st.sampled_from((False, False, True)),
)
