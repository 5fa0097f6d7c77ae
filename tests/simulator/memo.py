"""Pure functions, remembered: what one party has computed, no other computes again from the same.

All hospitals of a simulated federation open the same posts, and verify the same signatures and
proofs. Each does so once more after each crash. Here the first answer is kept for all of them.
That hides no defect, since only such functions are remembered whose answer follows from their
arguments alone: equal bytes in, equal verdict out. What depends on who asks or on what it has seen
is not remembered, and what is raised is not either. The answers are immutable (frozen structs,
tuples, numbers), so that no party sees what another does to one.

What a board says of the next post follows from the post and from its head, whose hash commits to
the terms and to all entries before: that is remembered for one run only.

Nothing of this is in the programs. ``python -m tests.simulator --forgetful`` does without.
"""

import contextlib
from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache, wraps
from typing import Any, TypeVar
from unittest.mock import patch

from aggregator.server import service
from keyshare.steps import Steps
from participant.agent import agent
from protocol.board import board, messages
from protocol.key import epoch
from protocol.rounds import ciphertexts, partial_payload
from tests.simulator import federation, hospital

KEPT = 1 << 14  # answers of each function
T = TypeVar("T")

# Functions by the names that their users call them by, each a name in a module.
_BY_NAME = (
    (board, "verify"),  # of a post: key, signature, sender, domain, bytes -> nothing, or it raises
    (board, "decode"),  # a post: bytes -> frozen structs
    (messages, "blob_name"),  # bytes -> their digest
    (board, "blob_name"),
    (agent, "decode_entry"),  # bytes -> frozen structs
    (service, "decode_entry"),
    (service, "decode"),
    (federation, "decode_entry"),
    (epoch, "check_public"),  # bytes -> a public key
    (epoch, "read_epoch"),  # bytes, terms -> a frozen struct
    (hospital, "read_secret"),  # bytes of one hospital's disk, terms, its number -> frozen structs
    (partial_payload, "parts_hold"),  # proof, statement -> whether it holds
)
_PROPERTIES = (board.Entry, "hash"), (board.SignedPost, "digest")  # of frozen structs


def remembered_steps(function: Callable[..., Steps[T]]) -> Callable[..., Steps[T]]:
    """The same for a computation in steps: as many rests as the first time, and its answer."""
    known: dict[Hashable, tuple[int, T]] = {}

    @wraps(function)
    def again(*given: Hashable) -> Steps[T]:
        if given in known:
            n_rests, answer = known[given]
            yield from (None for _ in range(n_rests))
            return answer
        n_rests, steps = 0, function(*given)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                if len(known) >= KEPT:
                    known.clear()
                known[given] = n_rests, end.value
                return end.value
            n_rests += 1
            yield

    return again


def _remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    return lru_cache(maxsize=KEPT, typed=True)(function)


def _all() -> Iterator[tuple[object, str, object, object]]:
    """Where, under which name, what is there, and what is to be there instead."""
    memory = {function: _remembered(function) for function in map(_named, _BY_NAME)}
    for place in _BY_NAME:
        real = _named(place)
        yield *place, real, memory[real]
    for owner, name in _PROPERTIES:
        real = _named((owner, name))
        yield owner, name, real, property(_remembered(real.fget))
    real = ciphertexts.verify_in_steps
    yield ciphertexts, "verify_in_steps", real, remembered_steps(real)


def _named(place: tuple[object, str]) -> Any:
    of, name = place
    return vars(of)[name]


_MEMORY = tuple(_all())
# The next post, whether it may stand there, and whether it is beyond its sender's budget.
_BY_HEAD = {name: vars(board.Board)[name] for name in ("open", "excess")}


def _by_head(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a board, remembered from now on by the head that the board has."""
    known = dict[Hashable, Any]()

    @wraps(function)
    def at_head(seen: board.Board, *given: Hashable) -> Any:
        place = seen._hashes[-1], *given
        if place not in known:
            known[place] = function(seen, *given)
        return known[place]

    return at_head


def _of_boards() -> Iterator[tuple[object, str, object, object]]:
    for name, real in _BY_HEAD.items():
        yield board.Board, name, real, _by_head(real)


@contextlib.contextmanager
def remembering() -> Iterator[None]:
    """Remember them all; what a test has put in the place of one is left as it is."""
    with contextlib.ExitStack() as stack:
        for of, name, real, function in (*_MEMORY, *_of_boards()):
            if vars(of)[name] is real:
                stack.enter_context(patch.object(of, name, function))
        yield
