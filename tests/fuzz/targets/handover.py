"""What is said of a key that is handed over: terms in a proposal, and the key that was taken."""

from contextlib import suppress

from participant.errors import DamagedFile
from participant.key.inherited_from import InheritedFrom, inherited_from
from participant.study.contributed import ContributedBefore, RoundBefore, contributed_before
from protocol.board.handover import Handovers
from protocol.board.inheritance import Inheritance
from protocol.encoding import decode, encode
from protocol.errors import Malformed
from protocol.handover.succession import Succession
from protocol.key.epoch import MAX_EPOCH_BYTES, read_epoch
from protocol.messages.handover import HandoverProposal, KeyInherited
from protocol.messages.inherited_sums import (
    AlikeStarts,
    InheritedModels,
    InheritedStart,
    InheritedSum,
    InheritedSums,
    read_inherited_sums,
)
from protocol.rounds.variables import Classes, TakenOver, hand_on
from tests.fuzz.target import Case, target
from tests.fuzz.targets.frames import DIGEST
from tests.fuzz.targets.keys import toy
from tests.fuzz.targets.texts import scratch
from tests.simulator.disk import Disk
from tests.stage.handover.rosters import proposal


@target("handover-proposal", "protocol.board.handover: the terms of a proposal", limit=8_192)
def handover_proposal() -> Case:
    federation, epoch = toy().federation, toy().epoch

    def run(data: bytes) -> None:
        with suppress(Malformed):
            body = decode(data, HandoverProposal, "proposal", len(data))
            handovers = Handovers(federation.terms)
            if not handovers.proposal_excess(1, body, epoch):
                handovers.begin(1, 0, 1, body, epoch)
                assert isinstance(handovers.all[0].about, Succession)

    new = proposal(federation, epoch, [1, "G1", 2], 2)
    refresh = proposal(federation, epoch, [1, 2, 3], 2)
    return Case(run, [encode(new), encode(refresh)])


@target("inherited-key", "protocol.board.inheritance: read_epoch of what members say", limit=8_192)
def inherited_key() -> Case:
    terms = toy().federation.terms

    def run(data: bytes) -> None:
        found, word = Inheritance(terms), KeyInherited(7, DIGEST, data[:MAX_EPOCH_BYTES])
        counts = [found.take(member, word) for member in range(1, terms.n_members + 1)]
        assert counts.count(True) == (found.epoch is not None)
        assert found.epoch is None or found.epoch == read_epoch(data, terms)

    return Case(run, [encode(toy().epoch)])


@target("inherited-note", "participant.key.inherited_from: what a hospital has noted", limit=1_024)
def inherited_note() -> Case:
    folder, note = scratch(), InheritedFrom(7, DIGEST, DIGEST)

    def run(data: bytes) -> None:
        (folder / "inherited-from").write_bytes(data)
        with suppress(DamagedFile):
            found = inherited_from(folder)
            assert found is not None
            assert encode(found) == data

    return Case(run, [encode(note)])


@target("contributed-note", "participant.study.contributed: where contributions lie", limit=1_024)
def contributed_note() -> Case:
    disk = Disk()
    start = InheritedStart("model", DIGEST)
    place = RoundBefore(DIGEST, "cardio", 7)
    note = [[ContributedBefore(place, start, DIGEST, place, 0.5)], [start]]

    def run(data: bytes) -> None:
        disk.write("contributed-before", data)
        for found in contributed_before(disk).values():
            for one in found:
                assert one.read(f"studies/{one.study}/numbers") is None

    return Case(run, [encode(note)])


@target(
    "inherited-sums",
    "protocol.messages.inherited_sums, protocol.rounds.variables: what was opened before",
    limit=8_192,
)
def inherited_sums() -> Case:
    terms = toy().federation.terms

    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = read_inherited_sums((data,))
            assert encode(found) == data
            taken, classes = TakenOver(found, terms), Classes()
            taken.join(classes)
            names = taken.gone | {n: one.name for n, one in enumerate(terms.members, start=1)}
            places = {place for member in names for place, _ in taken.added(member)}
            assert places <= set(range(len(found.starts)))
            again = hand_on(taken.handed_on, classes, names.__getitem__)
            assert len(again.sums) <= len(found.sums)

    starts = (InheritedStart("model", DIGEST), InheritedStart("data", b"visits"))
    sums = (InheritedSum("cardio/1", 0, (0, 1)), InheritedSum("age/1", 1, (1, 2)))
    alike, models = (AlikeStarts(1, (0, 1)),), (InheritedModels(DIGEST, "cardio", (DIGEST, b"")),)
    said = InheritedSums(("H1", "Left", "H2"), starts, sums, alike, models)
    return Case(run, [encode(said)])
