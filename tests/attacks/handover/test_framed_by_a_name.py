"""One old member proposes terms in which a key of its own has an honest hospital's name.

It misbehaves under that name, so that people take the honest hospital for the culprit. Nobody has
to agree for that: all other new members are the attacker's too, and have signed.
"""

from pathlib import Path
from typing import Any

import pytest

from participant.cli.sentences.handover import HANDOVER
from participant.cli.sentences.sentence import Context
from participant.handover import HandoverGivenUp
from protocol.encoding import encode
from protocol.handover import Succession
from protocol.messages.handover import Arrival, HandoverProposal
from protocol.signing import public_bytes
from protocol.terms.terms import Member, Terms, sign_terms
from protocol.wire.frames import Accepted, Submit
from tests.stage.handover.refreshes import Refresh
from tests.stage.handover.rosters import guest_key, terms_of
from tests.stage.toy import next_post, replace_terms, toy_epoch

TOY = toy_epoch(3, 2)
LIAR, FRAMED, SYBIL = 1, "H2", 4
OWN_KEYS = TOY.federation.keys[LIAR], guest_key("G1"), guest_key("G2")


@pytest.fixture
def hall(tmp_path: Path) -> Refresh:
    return Refresh(tmp_path / "aggregator", federation=TOY.federation).homes(tmp_path)


def sybil_terms() -> Terms:
    new = terms_of(TOY.federation.terms, [LIAR, "G1", "G2"], 2)
    first, framed, last = new.members
    return replace_terms(new, members=(first, Member(FRAMED, framed.key), last))


def given_up_over_the_guest(hall: Refresh) -> HandoverGivenUp:
    """What an honest hospital is told, once the liar has proposed, and its guest done wrong."""
    new = sybil_terms()
    assert new.members[1].key == public_bytes(OWN_KEYS[1])
    signatures = tuple(sign_terms(new, key) for key in OWN_KEYS)
    hall.say(LIAR, "handover/1", HandoverProposal(TOY.epoch.digest, encode(new), signatures))
    for i in (2, 3):
        hall.take_part(i, wishes=False)
    handover, board = hall.service.board.key.handovers.all[0], hall.service.board
    junk = Arrival(handover.about.subject, (), b"k" * 1216)
    said = next_post(OWN_KEYS[1], board, "handover/1", SYBIL, junk)
    assert isinstance(hall.ask(SYBIL, Submit(said)), Accepted)
    assert handover.view.culprits == {SYBIL}
    hall.talk_on()
    return hall.failed[3]


def sentence(error: HandoverGivenUp) -> str:
    said: Any = HANDOVER[HandoverGivenUp]
    return str(said(error, Context(Path("federation.toml"), terms=TOY.federation.terms)))


def test_what_a_guest_does_is_never_said_of_the_member_whose_name_it_has(hall: Refresh) -> None:
    error = given_up_over_the_guest(hall)
    assert error.culprits == ["H2 (guest)"]
    assert "H2:" not in sentence(error)


def test_by_their_names_in_the_terms_alone_the_honest_one_would_be_blamed(
    hall: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_terms = property(
        lambda about: {
            n: (about.old if n <= about.old.n_members else about.new)
            .members[n - 1 if n <= about.old.n_members else about.new_number(n) - 1]
            .name
            for n in {*about.rosters.old, *about.rosters.new}
        }
    )
    monkeypatch.setattr(Succession, "names", by_terms)
    error = given_up_over_the_guest(hall)
    assert error.culprits == [FRAMED]
    assert "H2: it has not one key for each old member" in sentence(error)
