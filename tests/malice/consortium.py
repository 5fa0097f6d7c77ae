"""Federations for the malicious aggregator: one key for each size, made once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

from keyshare.steps import Steps, finish
from protocol.terms.terms import Floors, floor
from tests.stage.toy import CeremonyTable, ToyEpoch, finished, toy_federation

KEY_BITS = 512
# Members and quorum; of some the quorum is so small that one honest hospital and the colluders
# are one: there, the rules are all that there is.
SHAPES = ((4, 2), (5, 2), (4, 3), (5, 3), (7, 3), (6, 4))
COMMON = (*SHAPES[:3], *SHAPES)  # the small ones are cheap

KEPT = 1_000  # answers of each function: those of one sequence are fewer


@lru_cache(maxsize=len(SHAPES))
def consortium(n: int, quorum: int) -> ToyEpoch:
    """A finished ceremony of 512 bits."""
    least = floor(n)
    federation = toy_federation(n, quorum, KEY_BITS, floors=Floors(least, least, 1))
    return finished(CeremonyTable(federation, "malice").run())


_MEMOISED = (
    "protocol.board.board.verify",
    "protocol.rounds.ciphertexts.verify_in_steps",
    "protocol.rounds.partial_payload.parts_hold",
    "protocol.rounds.decryption.SealingKey",
)


@contextmanager
def verified_once() -> Iterator[None]:
    """What all hospitals verify alike is computed for the first only: the answer is the same."""
    with ExitStack() as stack:
        for name in _MEMOISED:
            original = resolve_name(name)
            memoised = _memoised_steps if name.endswith("_in_steps") else _memoised
            stack.enter_context(patch(name, memoised(original)))
        yield


def _memoised_steps(function: Callable[..., Steps[Any]]) -> Callable[..., Steps[Any]]:
    known = _memoised(lambda *arguments: finish(function(*arguments)))

    def asked(*arguments: Any) -> Steps[Any]:
        yield
        return known(*arguments)

    return asked


def _memoised(function: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[Any, Any] = {}

    def asked(*arguments: Any) -> Any:
        key = tuple(tuple(a) if isinstance(a, list) else a for a in arguments)
        if key not in known:
            if len(known) >= KEPT:
                known.clear()
            known[key] = function(*arguments)
        return known[key]

    return asked
