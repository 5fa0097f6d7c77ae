"""One member of four says anything at any time, in refreshes that the others' agents carry out.

Whatever it says, no agent fails but by giving the attempt up, and nobody honest is named. The key
is there: the honest members' old shares decrypt, or their new ones.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import get_args

import pytest

from keyshare.proofs import CHECKPOINTS
from participant.handover import HandoverGivenUp
from protocol.board.handover import Handover
from protocol.encoding import encode, width_of
from protocol.handover import OLD_SHARE, HandoverMember
from protocol.key import Proof
from protocol.messages.bodies import Body
from protocol.messages.handover import (
    Arrival,
    BareWord,
    Consent,
    Content,
    DealingCommitment,
    HandedDealing,
    PointAccusation,
    ShownPart,
)
from protocol.sealing import SealingKey
from tests.stage.handover.refreshes import Refresh, decrypts
from tests.stage.handover.rosters import Who, proposal
from tests.stage.handover.shelf import MemoryShelf
from tests.stage.toy import seed_of, toy_epoch
from tests.stage.toy_home import member_at

TOY = toy_epoch(4, 2)  # three of four freeze, void and release; one liar is assumed
LIAR, GUEST, HONEST = 4, 5, (1, 2, 3)
NUMBER = b"\1" * 32
WORDS = get_args(BareWord.__annotations__["word"])


class Liar(Refresh):
    """The liar often says what is due, so that attempts get far, and often something else."""

    own: dict[str, HandoverMember]

    def homes(self, folder: Path) -> Liar:
        super().homes(folder / "other")
        self.members = {i: member_at(folder / f"h{i}", i, TOY) for i in HONEST}
        self.own = {}
        return self

    @property
    def last(self) -> Handover | None:
        return self.service.board.key.handovers.last

    def honest_word(self) -> None:
        """What its machine says, if anything is due."""
        if (last := self.last) is None:
            return
        session = last.about.session
        if session not in self.own:
            shelf = MemoryShelf({OLD_SHARE: encode(TOY.secrets[LIAR])})
            self.own[session] = HandoverMember(last.about, LIAR, shelf)
        self.own[session].view = last.view
        if content := self.own[session].due():
            self.flood(session, [content], LIAR)

    def lie(self, lots: random.Random) -> None:
        number = len(self.service.board.key.handovers.all) + lots.choice([0, 0, 0, 1])
        body = lots.choice([*made_up(lots, self.last), *self.copied(), *self.bare(lots)])
        self.flood(f"handover/{number or 1}", [body], LIAR)

    def bare(self, lots: random.Random) -> list[Body]:
        who: Who = [1, 4, "G1"] if lots.getrandbits(1) else [1, 2, 3, 4]
        return [proposal(TOY.federation, self.newest, who, 2), BareWord(lots.choice(WORDS))]

    def copied(self) -> list[Body]:
        """What others have said in this attempt."""
        said = self.service.board.session(self.last.about.session) if self.last else []
        return [p.post.body for p in said if isinstance(p.post.body, Content)]

    def play(self, seed: int) -> None:
        """Three times all act in any order; then the liar is silent, and time passes."""
        lots = random.Random(seed)
        for _ in range(3):
            self.later_ms += 3_600_000
            self.failed.clear()
            for i in HONEST:
                self.take_part(i)
            for _ in range(100):
                self.act(lots)
            self.seconds += TOY.federation.terms.step_seconds + 1
            for i in HONEST * 20:
                self.may_fail(i)

    def act(self, lots: random.Random) -> None:
        chosen = lots.choice([*HONEST, *HONEST, LIAR])
        if chosen != LIAR:
            self.may_fail(chosen)
        elif lots.randrange(5):
            self.honest_word()
        else:
            self.lie(lots)

    def may_fail(self, member: int) -> None:
        """An agent's step; of all errors it may end with one alone."""
        if member in self.failed:
            return
        try:
            self._step(member)
        except HandoverGivenUp as error:
            self.failed[member] = error


def made_up(lots: random.Random, last: Handover | None) -> list[Body]:
    """Of the right form at least, and often about this very attempt."""
    label = lots.randrange(1 << 30)
    junk = seed_of(label)
    subject = last.about.subject if last and lots.randrange(4) else junk
    keys = [SealingKey(seed_of(label, k)).public for k in range(lots.choice([4, 5, 5, 6]))]
    size = 1_136 + (width_of(last.view.plan.dealt_bound) if last and last.view.plan else 100)
    return [
        Consent(subject),
        Arrival(subject, tuple(keys[:-1]), keys[-1]),
        DealingCommitment(junk),
        HandedDealing(junk, NUMBER, (NUMBER,), NUMBER, False, (bytes(size),) * 4),
        ShownPart(NUMBER, Proof(NUMBER, NUMBER, NUMBER, (NUMBER,) * CHECKPOINTS)),
        PointAccusation(lots.choice([1, 2, 3, 4, 9]), junk),
    ]


@pytest.fixture
def hall(tmp_path: Path) -> Liar:
    return Liar(tmp_path / "aggregator", federation=TOY.federation).homes(tmp_path)


def comes_through(hall: Liar, seed: int) -> None:
    hall.play(seed)
    for handover in hall.service.board.key.handovers.all:
        assert handover.view.culprits <= {LIAR, GUEST}
    held = [hall.members[i].keys.of(hall.newest.digest) for i in HONEST]
    found = [key for key in held if key is not None]
    assert len(found) >= 2
    assert decrypts(*found[:2])


@pytest.mark.parametrize("seed", range(4))
def test_nobody_honest_is_named_and_the_key_is_there(hall: Liar, seed: int) -> None:
    comes_through(hall, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 110))
def test_many_more_times(hall: Liar, seed: int) -> None:
    comes_through(hall, seed)
