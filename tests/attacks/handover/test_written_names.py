"""A proposal whose terms have names that steer a terminal, forge a line of a log, or hide.

One old member proposes them, with guests of its own, and its terms are on everybody's board.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from protocol.board.budget import Surplus
from protocol.encoding import encode
from protocol.messages.handover import BareWord, HandoverProposal
from protocol.terms import terms as terms_rules
from protocol.terms.terms import Member, sign_terms
from protocol.wire.frames import Accepted, Declined, Submit
from tests.stage.caller import serving, until
from tests.stage.desk import Desk
from tests.stage.handover.rosters import guest_key, terms_of
from tests.stage.toy import Federation, next_post, replace_terms

LIAR = 1
NAMES = {
    "an escape": "G\x1b[2J\x1b]0;owned\x07",
    "a line of a log": "G\nINFO handover/1: released",
    "a carriage return": "G\rH2",
    "the other way round": "G\u202e2H",
    "nothing to be seen": "H2\u200b",
    "of another width": "\uff28\uff12\ufe0f",
    "a number": "member 2",
    "the aggregator": "the aggregator",
    "very long": "G" * 5_000,
}


def proposal_with(federation: Federation, epoch: Any, name: str, field: str) -> HandoverProposal:
    new = terms_of(federation.terms, [LIAR, "G1", "G2"], 2)
    if field == "member":
        first, evil, last = new.members
        new = replace_terms(new, members=(first, Member(name, evil.key), last))
    else:
        new = replace_terms(new, name=name)
    keys = federation.keys[LIAR], guest_key("G1"), guest_key("G2")
    return HandoverProposal(epoch.digest, encode(new), tuple(sign_terms(new, k) for k in keys))


def is_clean(text: str) -> bool:
    return text.isprintable() and len(text) < 2_000


@pytest.mark.parametrize("what", NAMES)
@pytest.mark.parametrize("field", ["member", "federation"])
async def test_such_terms_are_none_and_no_word_of_the_refusal_has_the_name(
    what: str, field: str, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "quorate")
    desk.certify()
    body = proposal_with(desk.federation, desk.service.epoch, NAMES[what], field)
    async with serving(desk):
        answer = desk.ask(LIAR, Submit(desk.sign(LIAR, "handover/1", body)))
    assert isinstance(answer, Declined)
    assert is_clean(answer.reason)
    assert desk.service.board.key.handovers.last is None
    signed = desk.sign(LIAR, "handover/1", body)
    board = desk.service.board  # an aggregator in league shows it all the same
    found = board.append(board.extend(signed, desk.time_ms)).post.body
    assert isinstance(found, Surplus)
    assert is_clean(found.reason)
    assert all(is_clean(record.getMessage()) for record in caplog.records)


async def test_without_the_check_of_names_the_log_would_have_forged_lines(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "quorate")
    monkeypatch.setattr(terms_rules, "fault_of_name", lambda name: None)
    desk.certify()
    async with serving(desk) as service:

        def speak() -> None:
            name = NAMES["a line of a log"]
            body = proposal_with(desk.federation, desk.service.epoch, name, "member")
            assert isinstance(desk.ask(LIAR, Submit(desk.sign(LIAR, "handover/1", body))), Accepted)
            said = next_post(guest_key("G1"), desk.service.board, "handover/1", 4, BareWord("void"))
            assert isinstance(desk.ask(4, Submit(said)), Accepted)

        await service.server._core.do(speak)
        await until(lambda: "void by" in caplog.text)
    assert any("released" in record.getMessage() for record in caplog.records)
