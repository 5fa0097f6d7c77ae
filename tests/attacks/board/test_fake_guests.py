"""A member proposes to hand the key over to sixteen guests of its own, who say all that they may.

It needs nobody's consent for that, and its guests are let in at once. They cost the others what as
many members would, and each of their words counts once. It ends when the others void the attempt.
"""

import contextlib
from typing import Literal, get_args

from protocol.key.proof_encoding import CHECKPOINTS, Proof
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
from protocol.wire.frames import Accepted, Submit, Welcome
from tests.stage.caller import QUICK, serving
from tests.stage.desk import Desk, code
from tests.stage.handover.at_desk import handing_over
from tests.stage.handover.rosters import guest_key
from tests.stage.toy import next_post

GUESTS: list[int | str] = [f"G{k}" for k in range(1, 17)]
FIRST = 4  # the number of G1 among three old members
MANY = 40
Word = Literal["freeze", "freeze only", "void", "release", "thaw", "acknowledge"]


def flood(number: int) -> list[Content]:
    """One of each word, as large as it may be."""
    digest, large = bytes([number]) * 32, bytes([1]) * 1_024
    proof = Proof(large, large, bytes([1]) * 512, (large,) * CHECKPOINTS)
    return [
        Consent(digest),
        Arrival(digest, (b"k" * 1_216,) * 16, b"k" * 1_216),
        DealingCommitment(digest),
        HandedDealing(digest, large, (large,) * 16, large, False, (b"s" * 2_048,) * 16),
        ShownPart(large, proof),
        PointAccusation(1, digest),
        *(BareWord(word) for word in get_args(Word)),
    ]


def test_each_word_of_a_guest_takes_room_once(desk: Desk) -> None:
    handed = handing_over(desk, GUESTS, 9)
    before, sizes = len(desk.all_entries()), 0
    for guest in (FIRST, FIRST + 15):
        key, accepted = guest_key(f"G{guest - FIRST + 1}"), 0
        for number in range(MANY):
            for body in flood(number):
                signed = next_post(key, desk.service.board, handed.session, guest, body)
                accepted += isinstance(desk.ask(guest, Submit(signed)), Accepted)
        assert accepted == len(["arrive", *get_args(Word)]), "all else is another's, or not due"
    sizes = sum(map(len, desk.all_entries()[before:]))
    assert sizes < 2 * 25_000
    assert not handed.view.attempt.arrived
    assert handed.view.culprits <= set(range(FIRST, FIRST + 16))
    assert len(handed.view.misdeeds) == 2, "of whom was named nothing is checked any more"


def test_the_others_void_it_and_open_rounds_meanwhile(desk: Desk) -> None:
    handed = handing_over(desk, GUESTS, 9)
    handed.tamper = lambda handed, sender, content: content if 1 < sender < FIRST else None
    assert desk.is_open(desk.open_training())
    assert handed.run().view.attempt.is_thawed


async def test_its_guests_have_as_many_places_as_members_and_no_more(desk: Desk) -> None:
    handing_over(desk, GUESTS, 9)
    key = guest_key("G16")
    async with serving(desk) as service, contextlib.AsyncExitStack() as lines:

        async def come(purpose: str) -> object:
            line = await lines.enter_async_context(service.stranger())
            return await line.introduce(FIRST + 15, key, None, purpose)  # type: ignore[arg-type]

        assert isinstance(await come("member"), Welcome)
        for _ in range(QUICK.questions):
            assert isinstance(await come("status"), Welcome)
        assert code(await come("status")) == "busy"
        assert code(await come("member")) == "identity-in-use"
        assert len(service.server._connections) == 1 + QUICK.questions
        assert await service.goes_on()
