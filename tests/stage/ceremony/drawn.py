"""Records what is drawn in a ceremony: from which key, by which labels, in which range.

Everything secret comes from the members' seeds through ``derive_key``, ``Stream``, ``Lanes.expand``
and the leaves. Each key has a path: whose seed it comes from, and the labels on the way. A path
that is drawn from again has to give the same draws in the same order.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partialmethod
from typing import Any
from unittest.mock import patch

from gmpy2 import mpz

from keyshare import randomness
from keyshare.ceremony.lanes import Lanes
from keyshare.ceremony.modulus import Dealing
from keyshare.proofs import equality_proof
from keyshare.randomness import Stream
from protocol import sealing
from protocol.ceremony import candidate_openings, commitment
from protocol.ceremony import run as ceremony_run
from protocol.ceremony.run import CeremonyRun
from tests.stage.toy import CeremonyTable, Federation, seed_of

Path = tuple[object, ...]
Draw = tuple[str, object]


@dataclass
class Record:
    """What was drawn; numbers are kept with the draws of a rechecked candidate only."""

    paths: dict[bytes, Path] = field(default_factory=dict)
    keys: dict[Path, bytes] = field(default_factory=dict)  # all that was derived
    draws: dict[Path, list[list[Draw]]] = field(default_factory=dict)  # one list for each stream
    values: dict[Path, list[mpz]] = field(default_factory=dict)
    expanded: list[tuple[bytes, Path, int, int]] = field(default_factory=list)
    dealt: list[tuple[Path, bool, Dealing, int]] = field(default_factory=list)
    # Of a candidate that is rechecked: by whom, batch and number, its factors; weights and modulus.
    rechecked: list[tuple[Path, tuple[mpz, mpz], dict[int, mpz], mpz]] = field(default_factory=list)
    parents: dict[bytes, bytes] = field(default_factory=dict)
    # What covers an opening: by sender and labels, the rows' keys with their signs.
    masks: dict[tuple[int, Path], list[tuple[bytes, int]]] = field(default_factory=dict)

    def derived(self, seed: bytes, labels: Path, key: bytes) -> None:
        path = self.path(seed) + tuple("<bytes>" if isinstance(x, bytes) else x for x in labels)
        self.paths.setdefault(key, path)
        self.keys[path], self.parents[key] = key, seed

    def path(self, key: bytes) -> Path:
        return self.paths.get(key, ("?",))


def _spied_stream(record: Record) -> type[Stream]:
    """Streams that note the outermost of the draws that are made of others."""

    class Spied(Stream):
        def __init__(self, key: bytes) -> None:
            super().__init__(key)
            self.path, self.noted, self.depth = record.path(key), list[Draw](), 0
            record.draws.setdefault(self.path, []).append(self.noted)
            self.values = list[mpz]()
            record.values[self.path] = self.values

        def note(self, kind: str, argument: Any) -> Any:
            if not self.depth:
                self.noted.append((kind, argument))
            self.depth += 1
            try:
                found = getattr(super(), kind)(argument)
            finally:
                self.depth -= 1
            if not self.depth:
                if isinstance(found, bytes):
                    record.derived(self._key, (f"{kind} {argument}",), found)
                else:
                    self.values.append(found)
            return found

        bytes = partialmethod(note, "bytes")
        bits = partialmethod(note, "bits")
        below = partialmethod(note, "below")
        unit = partialmethod(note, "unit")

    return Spied


@contextmanager
def recording() -> Iterator[Record]:
    """Everything that is drawn meanwhile."""
    record = Record()
    derive, expand, negate = randomness.derive_key, Lanes.expand, Lanes.negate
    zero_row, check = CeremonyRun.zero_row, candidate_openings._check_witnesses
    mask, at = list[tuple[bytes, int]](), list[Any]()
    leaves, deal, fit = (
        ceremony_run.leaves, ceremony_run.deal_factors, candidate_openings.screen_witnesses_fit
    )  # fmt: skip

    def derived(seed: bytes, *labels: Any) -> bytes:
        key = derive(seed, *labels)
        record.derived(seed, labels, key)
        return key

    def expanded(rows: Lanes, key: bytes) -> mpz:
        record.expanded.append((key, record.path(key), rows.exponent, rows.count))
        mask.append((key, 1))
        return expand(rows, key)

    def negated(rows: Lanes, row: mpz) -> mpz:
        mask[-1] = mask[-1][0], -1
        return negate(rows, row)

    def covered(run: CeremonyRun, rows: Lanes, *labels: Any) -> mpz:
        mask.clear()
        found = zero_row(run, rows, *labels)
        record.masks[run.index, labels] = list(mask)
        return found

    def checked(run: CeremonyRun, step: Any, k: int, dealings: Any, factors: Any) -> None:
        at[:] = (run.index, run.batch.number, k), factors
        check(run, step, k, dealings, factors)

    def spied_leaves(seed: bytes, batch: int, count: int) -> list[bytes]:
        found = leaves(seed, batch, count)
        for k, leaf in enumerate(found):
            record.derived(seed, ("leaves", batch, k), leaf)
        return found

    def dealt(shape: Any, is_lead: bool, own: Any) -> Dealing:
        found = deal(shape, is_lead, own)
        record.dealt += [(record.path(leaf), is_lead, found, k) for k, leaf in enumerate(own)]
        return found

    def rechecked(witnesses: Any, exponents: Any, weights: dict[int, mpz], p: mpz) -> bool:
        if set(witnesses) == set(exponents):
            record.rechecked.append((at[0], at[1], dict(weights), p))
        return fit(witnesses, exponents, weights, p)

    spied = _spied_stream(record)
    with ExitStack() as stack:
        for target, name, value in (
            (randomness, "derive_key", derived),
            (ceremony_run, "derive_key", derived),
            (commitment, "derive_key", derived),
            (ceremony_run, "leaves", spied_leaves),
            (ceremony_run, "deal_factors", dealt),
            (candidate_openings, "screen_witnesses_fit", rechecked),
            (candidate_openings, "_check_witnesses", checked),
            (CeremonyRun, "zero_row", covered),
            (Lanes, "negate", negated),
            (Lanes, "expand", expanded),
        ):
            stack.enter_context(patch.object(target, name, value))
        for module in (ceremony_run, equality_proof, sealing):
            stack.enter_context(patch.object(module, "Stream", spied))
        yield record


def drawn_in_a_ceremony(federation: Federation, label: str) -> tuple[CeremonyTable, Record]:
    """A ceremony to its end, and all that its members drew."""
    with recording() as record:
        record.paths = {seed_of(label, "ceremony", i): (i,) for i in federation.members}
        table = CeremonyTable(federation, label).run()
    return table, record
