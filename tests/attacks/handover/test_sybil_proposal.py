"""One old member proposes terms with 16 keys of its own, in which nobody else is a member.

It needs nobody for that. Its guests read the board and speak on it, so they could fill everybody's
disk. And while the proposal stands, nobody else can propose anything.
"""

from pathlib import Path
from typing import get_args

import pytest

from keyshare.proofs import CHECKPOINTS
from participant.handover.task import UNAGREED_SECONDS
from protocol.board.budget import HANDOVERS_A_DAY, Surplus
from protocol.board.handover import Handover
from protocol.encoding import encode
from protocol.key import Proof
from protocol.key.proof_encoding import MAX_RESPONSE_BYTES
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
from protocol.sealing import PUBLIC_BYTES
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.handover.refreshes import Refresh, decrypts
from tests.stage.handover.rosters import Who, proposal
from tests.stage.toy import toy_epoch

TOY = toy_epoch(3, 2)
SYBILS: Who = [f"G{k}" for k in range(1, 17)]
LIAR = 1
NUMBER, KEY = b"\1" * 1_024, b"k" * PUBLIC_BYTES
LARGEST: list[Content] = [
    Consent(bytes(32)),
    Arrival(bytes(32), (KEY,) * 16, KEY),
    DealingCommitment(bytes(32)),
    HandedDealing(bytes(32), NUMBER, (NUMBER,) * 16, NUMBER, False, (bytes(2_048),) * 16),
    ShownPart(NUMBER, Proof(NUMBER, NUMBER, bytes(MAX_RESPONSE_BYTES), (NUMBER,) * CHECKPOINTS)),
    PointAccusation(1, bytes(32)),
    *(BareWord(word) for word in get_args(BareWord.__annotations__["word"])),
]
MOST_BYTES_A_DAY = 5 << 20


def said_in_an_attempt() -> int:
    """The bytes of all that counts as said, where the liar and its guests say the most of all."""
    handed = PostedHandover(copied(TOY), TOY.secrets, SYBILS, 9, proposer=LIAR)
    everybody = [LIAR, *handed.about.rosters.new]
    said = [handed.say(i, content).post.body for i in everybody for content in LARGEST]
    return sum(len(encode(body)) for body in said if not isinstance(body, Surplus))


def test_what_sybils_say_in_a_day_is_bounded() -> None:
    """Sealing keys are most of it, 20 kB of each: a new member says them before anybody agrees."""
    assert said_in_an_attempt() * HANDOVERS_A_DAY < MOST_BYTES_A_DAY


def test_words_before_their_time_would_be_four_times_as_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Handover, "word_excess", lambda *said: "")
    assert said_in_an_attempt() * HANDOVERS_A_DAY > 3 * MOST_BYTES_A_DAY


# ── how long it is in the way ──


@pytest.fixture
def hall(tmp_path: Path) -> Refresh:
    return Refresh(tmp_path / "aggregator", federation=TOY.federation).homes(tmp_path)


def propose(hall: Refresh, number: int) -> bool:
    body = proposal(TOY.federation, TOY.epoch, SYBILS, 9)
    return hall.flood(f"handover/{number}", [body], LIAR) == 1


def test_it_is_in_nobodys_way_who_wants_something_else(hall: Refresh) -> None:
    """As soon as lock_threshold hospitals type what they want, each next proposal is given up."""
    for number in range(1, HANDOVERS_A_DAY + 1):
        assert propose(hall, number)
        for i in (2, 3):
            hall.take_part(i)
        talk_until_over(hall, number)
    assert not propose(hall, HANDOVERS_A_DAY + 1)
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk()
    assert hall.newest.number == 2


def talk_until_over(hall: Refresh, number: int) -> None:
    """The agents speak until the attempt is over, and no further: then the liar is first again."""
    handovers = hall.service.board.key.handovers
    for _ in range(20):
        for i in (2, 3):
            if not handovers.all[number - 1].is_over:
                hall._step(i)
    assert handovers.all[number - 1].thawed_at is not None


def test_it_asks_nobody_and_bars_no_round(hall: Refresh) -> None:
    """Who wants nothing else gives it up after a week, and trains meanwhile."""
    assert propose(hall, 1)
    for i in (2, 3):
        hall.take_part(i, wishes=False)
    hall.talk()
    handovers = hall.service.board.key.handovers
    attempt = handovers.all[0].view.attempt
    assert (attempt.consents, attempt.frozen) == (frozenset(), frozenset())
    assert not handovers.opening_bar
    assert not handovers.lock_bar(2, hall.service.board.head.position)
    hall.seconds += UNAGREED_SECONDS
    hall.talk_on()
    assert handovers.all[0].thawed_at is not None
    assert decrypts(hall.held(2), hall.held(3))


def test_who_typed_a_refresh_consents_to_nothing_else(hall: Refresh) -> None:
    assert propose(hall, 1)
    hall.take_part(2)
    hall.talk()
    attempt = hall.service.board.key.handovers.all[0].view.attempt
    assert (attempt.consents, attempt.voids) == (frozenset(), {2})
