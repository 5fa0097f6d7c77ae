"""Decoders of what is said in the steps of a ceremony, inside seals that open and commitments kept.

A ceremony was run to its end; in each of its steps one member's payload is replaced, and another
member's machine computes what follows from it.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from keyshare.errors import KeyshareError
from protocol.ceremony import machine as ceremony
from protocol.ceremony.commitment import commitment_to
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.ceremony.step import Payloads, StepKind
from protocol.encoding import encode
from protocol.errors import CeremonyFailed, Malformed
from tests.fuzz.codecs import tree_of
from tests.fuzz.target import Case, target
from tests.stage.toy import toy_epoch

READER, SENDER = 1, 2
_PER_STEP = 2  # of the steps of one name: a first deal and a later one differ


class _Moment(NamedTuple):
    """All that a machine had when a step was complete."""

    run: CeremonyRun
    step: StepId
    kind: StepKind
    public: Payloads
    private: Payloads


def _kept(run: CeremonyRun) -> CeremonyRun:
    """A copy that a step may change as it likes."""
    found = copy.copy(run)
    found.keys_received = dict(run.keys_received)
    return found


@contextmanager
def _recording(moments: list[_Moment]) -> Iterator[None]:
    def recorded(kind: StepKind) -> Any:
        def take(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
            if sum(m.step.name == step.name for m in moments) < _PER_STEP:
                moments.append(_Moment(_kept(run), step, kind, public, private))
            return kind.take(run, step, public, private)

        return SimpleNamespace(**vars(kind), said=kind.said, dealt=kind.dealt, take=take)

    with patch.dict(ceremony.KINDS, {name: recorded(k) for name, k in ceremony.KINDS.items()}):
        yield


def moments() -> list[_Moment]:
    """The first steps of each name, as the reader's machine was when they were complete."""
    found: list[_Moment] = []
    table = toy_epoch(3, 2).table
    with _recording(found):
        table.replayed(READER)
    return found


@target("ceremony-step", "the payloads of all steps of protocol.ceremony.machine", limit=32_768)
def ceremony_step() -> Case:
    known = moments()

    def run(data: bytes) -> None:
        if (found := tree_of(data, tuple[int, bool, bytes])) is None:
            return
        number, is_private, payload = found
        moment = known[number % len(known)]
        machine, step = _kept(moment.run), moment.step
        public, private = dict(moment.public), dict(moment.private)
        if is_private and SENDER in private:
            private[SENDER] = payload
        elif SENDER in public:
            public[SENDER] = payload
            if SENDER in machine.commitments:
                promise = commitment_to(machine.context, step, SENDER, payload)
                machine.commitments = machine.commitments | {SENDER: promise}
        with suppress(CeremonyFailed, Malformed, KeyshareError):
            following = moment.kind.take(machine, step, public, private)
            assert following.name in (*ceremony.KINDS, "certificate")

    seeds = []
    for number, moment in enumerate(known):
        for is_private, payloads in ((False, moment.public), (True, moment.private)):
            if SENDER in payloads and len(payloads[SENDER]) < 30_000:
                seeds.append(encode([number, is_private, payloads[SENDER]]))
    return Case(run, seeds)
