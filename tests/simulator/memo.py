"""Pure functions, remembered: what one party has computed, no other computes again from the same.

All hospitals of a simulated federation open the same posts, and verify the same signatures and
proofs. Each does so once more after each crash. Here the first answer is kept for all of them.
That hides no defect, since only such functions are remembered whose answer follows from their
arguments alone: equal bytes in, equal verdict out. What depends on who asks or on what it has seen
is not remembered, and what is raised is not either. The answers are immutable (frozen structs,
tuples, numbers, keys), so that no party sees what another does to one. A signature that was made
here is known to hold. Products of powers are taken the way that is faster for short numbers.

What a board says of the next post follows from the post and from its head, whose hash commits to
the terms and to all entries before: that is remembered for one run only. So does all that a board
knows after the ceremony that founded the federation, which every party reads again after each
crash: a board that is given those very entries is made equal to one that has read them.

Nothing of this is in the programs. ``python -m tests.simulator --forgetful`` does without.
"""

import contextlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache, wraps
from typing import Any, TypeVar
from unittest.mock import patch
from weakref import WeakSet

import gmpy2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gmpy2 import mpz

from aggregator.board import kept
from aggregator.server import service
from keyshare.proofs import equality_proof
from keyshare.steps import Steps
from participant.agent import agent, outbox
from protocol import sealing, signing
from protocol.board import board, post
from protocol.handover import handed
from protocol.handover import shelf as handover_shelf
from protocol.key import epoch
from protocol.messages import attachment
from protocol.rounds import ciphertexts, decryption, partial_payload
from tests.simulator import federation, hospital
from tests.simulator.studies.founding import BEGINNINGS

KEPT = 1 << 12  # answers of each function: far more than a run has
T = TypeVar("T")

# Functions by the names that their users call them by, each a name in a module.
_BY_NAME = (
    (board, "decode"),  # a post: bytes -> frozen structs
    (outbox, "decode"),
    (partial_payload, "decode"),
    (attachment, "blob_name"),  # bytes -> their digest
    (post, "blob_name"),
    (agent, "decode_entry"),  # bytes -> frozen structs
    (kept, "decode_entry"),
    (kept, "decode"),
    (service, "decode"),
    (federation, "decode_entry"),
    (epoch, "check_public"),  # bytes -> a public key
    (sealing, "check_public"),
    (decryption, "SealingKey"),  # a seed -> a private key, which nothing changes
    (handed, "SealingKey"),
    (handover_shelf, "SealingKey"),
    (epoch, "read_epoch"),  # bytes, terms -> a frozen struct
    (hospital, "read_secret"),  # bytes of one hospital's disk, terms, its number -> frozen structs
    (partial_payload, "parts_hold"),  # proof, statement -> whether it holds
)
_PROPERTIES = (post.Entry, "hash"), (post.SignedPost, "digest")  # of frozen structs


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
    yield equality_proof, "power_product", equality_proof.power_product, _power_product
    signatures = _Signatures()
    yield post, "sign", signing.sign, signatures.sign
    yield board, "verify", signing.verify, signatures.verify
    real = ciphertexts.verify_in_steps
    yield ciphertexts, "verify_in_steps", real, remembered_steps(real)


def _named(place: tuple[object, str]) -> Any:
    of, name = place
    return vars(of)[name]


# The next post, whether it may stand there, and whether it is beyond its sender's budget.
_BY_HEAD = {name: vars(board.Board)[name] for name in ("open", "excess", "_verified")}

_APPEND = vars(board.Board)["append"]
_RECEIVE = vars(agent.Agent)["_receive_entries"]


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


def _from_beginning(append: Callable[..., Any]) -> Callable[..., Any]:
    """``Board.append``: what boards begin with is counted once all of it is there."""
    behind = WeakSet[board.Board]()  # those in the midst of it

    @wraps(append)
    def appended(seen: board.Board, entry: post.Entry) -> Any:
        place, known = len(seen.entries), BEGINNINGS.get(seen.terms.federation)
        if known is None or place >= known.length or (place and seen not in behind):
            return append(seen, entry)
        if entry != known.entries[place]:  # it goes on otherwise: read what was passed by
            behind.discard(seen)
            seen.entries.clear()
            del seen._hashes[1:]
            for one in known.entries[:place]:
                append(seen, one)
            return append(seen, entry)
        posted = known.posted[place]
        seen.entries.append(posted)
        seen._hashes.append(posted.hash)
        behind.add(seen)
        if place + 1 == known.length:
            known.give(seen)
            behind.discard(seen)
        return posted

    return appended


def _entries_from_beginning(receive: Callable[..., None]) -> Callable[..., None]:
    """``Agent._receive_entries``: what boards begin with is read at once, by one that is empty."""

    @wraps(receive)
    def received(one: agent.Agent, frame: agent.Entries) -> None:
        known = BEGINNINGS.get(one.board.terms.federation)
        is_first = known is not None and not (one.board.entries or one.begun or one.tasks.readers)
        if known is not None and is_first and frame.entries[: known.length] == known.encoded:
            known.give(one.board)
            for data in known.encoded if one.copy else ():
                one.copy.add(data)
            frame = agent.Entries(frame.entries[known.length :], frame.head)
        receive(one, frame)

    return received


def _power_product(bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
    """As ``keyshare.proofs.power_product``, which takes longer where the modulus is short."""
    product = mpz(1) % modulus
    for base, exponent in zip(bases, exponents, strict=True):
        product = product * gmpy2.powmod(base, exponent, modulus) % modulus
    return product


class _Signatures:
    """Those that hold: they were verified, or made here with the key."""

    def __init__(self) -> None:
        self._good = set[tuple[object, ...]]()

    def sign(self, key: Ed25519PrivateKey, domain: str, *parts: bytes) -> bytes:
        """As ``protocol.signing.sign``."""
        signature = signing.sign(key, domain, *parts)
        self._take((signing.public_bytes(key), signature, domain, *parts))
        return signature

    def verify(
        self, public_key: bytes, signature: bytes, sender: int, domain: str, *parts: bytes
    ) -> None:
        """As ``protocol.signing.verify``."""
        asked = public_key, signature, domain, *parts
        if asked not in self._good:
            signing.verify(public_key, signature, sender, domain, *parts)
            self._take(asked)

    def _take(self, found: tuple[object, ...]) -> None:
        if len(self._good) >= KEPT:
            self._good.clear()
        self._good.add(found)


def _of_boards() -> Iterator[tuple[object, str, object, object]]:
    for name, real in _BY_HEAD.items():
        yield board.Board, name, real, _by_head(real)
    yield board.Board, "append", _APPEND, _from_beginning(_APPEND)
    yield agent.Agent, "_receive_entries", _RECEIVE, _entries_from_beginning(_RECEIVE)


_MEMORY = tuple(_all())


@contextlib.contextmanager
def remembering() -> Iterator[None]:
    """Remember them all; what a test has put in the place of one is left as it is."""
    with contextlib.ExitStack() as stack:
        for of, name, real, function in (*_MEMORY, *_of_boards()):
            if vars(of)[name] is real:
                stack.enter_context(patch.object(of, name, function))
        yield
