"""What a step of the ceremony is: what is said in it, by whom, and what follows.

What a member says is a struct, a ``Payload``: one for all, and in some steps one for each member.
Here alone they become bytes, and bytes become what was said.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import gmpy2
from gmpy2 import mpz

from protocol.ceremony.run import CeremonyRun, StepId
from protocol.encoding import check_length, pack_numbers, unpack_numbers, width_of
from protocol.errors import CeremonyFailed, Malformed

T = TypeVar("T")
Payloads = Mapping[int, bytes]  # by sender, or by recipient


@dataclass(frozen=True)
class Spelling(Generic[T]):
    """A field of a payload in so many bytes; ``read`` raises Malformed."""

    size: int
    write: Callable[[T], bytes]
    read: Callable[[bytes], T]


Spellings = tuple[Spelling[Any], ...]


class Payload:
    """What is said in a step, to all or to one member: its fields one after the other.

    Its repr shows none of them: what is committed to is a secret until all have committed.
    """

    @staticmethod
    def spelling(run: CeremonyRun, step: StepId, sender: int) -> Spellings:
        """That of each field, as all members know it before they read what was said."""
        return ()

    def write(self, run: CeremonyRun, step: StepId) -> bytes:
        """The bytes of what this member says."""
        fields = zip(self.spelling(run, step, run.index), vars(self).values(), strict=True)
        return b"".join(spelling.write(value) for spelling, value in fields)

    @classmethod
    def read(cls, data: bytes, run: CeremonyRun, step: StepId, sender: int) -> Self:
        """What another member's bytes say; raises Malformed."""
        spellings, values, start = cls.spelling(run, step, sender), list[Any](), 0
        check_length(data, 1, sum(spelling.size for spelling in spellings), step.name)
        for spelling in spellings:
            values.append(spelling.read(data[start : start + spelling.size]))
            start += spelling.size
        return cls(*values)


def raw(size: int) -> Spelling[bytes]:
    """So many bytes as they are."""
    return Spelling(size, bytes, bytes)


def number(bound: mpz) -> Spelling[mpz]:
    """A number in [0, bound)."""
    width = width_of(bound)
    return Spelling(
        width,
        lambda value: pack_numbers([value], width),
        lambda data: unpack_numbers(data, width, 1, bound, "number")[0],
    )


def unit(n: mpz) -> Spelling[mpz]:
    """A unit modulo N."""
    one = number(n)

    def read(data: bytes) -> mpz:
        found = one.read(data)
        if gmpy2.gcd(found, n) != 1:
            raise Malformed("number", "a number is not a unit modulo N")
        return found

    return Spelling(one.size, one.write, read)


def row(run: CeremonyRun) -> Spelling[mpz]:
    """A row of shares, one for each candidate of a class."""

    def read(data: bytes) -> mpz:
        found = run.rows.decode(data)
        if not run.rows.is_reduced(found):
            raise Malformed("row", "a share is out of range")
        return found

    return Spelling(run.rows.size, run.rows.encode, read)


def each(one: Spelling[T], count: int) -> Spelling[list[T]]:
    """So many of the same, one after the other."""
    size = one.size
    return Spelling(
        size * count,
        lambda values: b"".join(map(one.write, values)),
        lambda data: [one.read(data[k : k + size]) for k in range(0, len(data), size)],
    )


@dataclass(frozen=True)
class StepKind:
    """A step: who speaks, what is said to all and to each, this member included, what follows.

    ``tell`` makes what is said to all, ``deal`` by recipient what is said to each. ``finish`` gets
    the payloads for all by sender, and those for this member where there are any; it takes what
    they say into the run and returns the next step. It names the sender of what does not fit.
    """

    name: str
    public: type[Payload]
    tell: Callable[[CeremonyRun, StepId], Payload]
    finish: Callable[..., StepId]
    private: type[Payload] | None = None
    deal: Callable[[CeremonyRun, StepId], Mapping[int, Payload]] = lambda run, step: {}
    senders: Callable[[CeremonyRun, StepId], Sequence[int]] = lambda run, step: run.everyone

    def said(self, run: CeremonyRun, step: StepId) -> bytes:
        """This member's word to all."""
        return self.tell(run, step).write(run, step)

    def dealt(self, run: CeremonyRun, step: StepId) -> dict[int, bytes]:
        """This member's word to each, before it is sealed."""
        return {i: payload.write(run, step) for i, payload in self.deal(run, step).items()}

    def take(self, run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
        """Finish the step with what was said, by sender; raises CeremonyFailed as ``finish``."""
        heard = [(self.public, public), (self.private, private)]
        return self.finish(run, step, *(_read(p, run, step, told) for p, told in heard if p))


def _read(
    payload: type[Payload], run: CeremonyRun, step: StepId, told: Payloads
) -> dict[int, Payload]:
    found = dict[int, Payload]()
    for sender, data in told.items():
        try:
            found[sender] = payload.read(data, run, step, sender)
        except Malformed as error:
            raise CeremonyFailed(sender, step.name, error.reason) from None
    return found
