"""Where a quorum is no more than may be lying, the record tells of all that it can have opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from protocol.board.draft import Draft
from protocol.board.study import StudyState
from protocol.messages.attachment import Attachment, attach
from protocol.messages.bodies import Body
from protocol.messages.rounds import Closing, Opening, Partial, SetLock
from protocol.record.audit.decryption_checks import check_releases
from protocol.record.audit.observed.round_evidence import RoundEvidence
from protocol.record.audit.release_checks import check_one_set
from protocol.record.audit.results import Check, Result
from protocol.terms.terms import Terms
from tests.stage.studies import training_study
from tests.stage.toy import Table, toy_federation

N, QUORUM = 7, 2
ROUND = "study/cardio/1"
ANOTHER = b"s" * 32  # the name of a set that nobody closed
PARTS = tuple(attach(b"part", to) for to in range(N + 1))


def data_of(attachment: Attachment) -> bytes:
    return attachment.data


@dataclass
class Told:
    """A round's entries, as the checks ask for them."""

    state: StudyState
    table: Table

    @property
    def terms(self) -> Terms:
        return self.state.study.terms

    @cached_property
    def rounds(self) -> list[RoundEvidence]:
        entries = self.table.board.session(ROUND)
        return [RoundEvidence(self.state, None, entries, data_of)]

    def name(self, sender: int) -> str:
        return self.terms.name_of(sender)


def told(early: Sequence[int], late: Sequence[int], of: bytes | None = None) -> Told:
    """``early`` lock a set and release parts of it at once, ``late`` then help with the closing's.

    of: the set of the early ones, the closing's if it is None.
    """
    table = Table(toy_federation(N, QUORUM))
    terms = table.federation.terms
    assert terms.quorum <= terms.faults
    state = table.found(training_study(terms))

    def say(sender: int, body: Body) -> None:
        table.say(sender, Draft(ROUND, body))

    say(0, Opening(state.study.digest, bytes(32), bytes(32), 1, clip=8.0, max_examples=5))
    say(0, Closing((), attach(b"sum")))
    chosen = RoundEvidence(state, None, table.board.session(ROUND), data_of).chosen
    assert chosen is not None
    for member in early:
        say(member, SetLock(of or chosen))
    for member in early:
        say(member, Partial(of or chosen, bytes(32), PARTS))
    for member in range(1, N + 1):
        if member not in early:
            say(member, SetLock(chosen))
    for member in late:
        say(member, Partial(chosen, bytes(32), PARTS))
    return Told(state, table)


def account(check: Check, found: Any) -> Result:
    said = Result(check.number, check.title, check.covers)
    check.run(found, said)
    return said


def test_two_sets_of_which_liars_may_have_opened_one_are_a_finding() -> None:
    said = account(check_one_set, told([6, 7], [1, 2, 3], ANOTHER))
    assert not said.failures
    (finding,) = said.findings
    assert "each of two sets" in finding.reason


def test_two_sets_that_no_liars_alone_released_are_a_failure() -> None:
    said = account(check_one_set, told([5, 6, 7], [1, 2, 3], ANOTHER))
    (failure,) = said.failures
    assert failure.party == "the aggregator"
    assert not said.findings


def test_fewer_than_a_quorum_open_no_second_set() -> None:
    said = account(check_one_set, told([7], [1, 2, 3], ANOTHER))
    assert not said.failures
    assert not said.findings


@pytest.mark.parametrize(("early", "is_open"), [([7], False), ([6, 7], True)])
def test_what_a_quorum_of_liars_opens_too_early_is_told_as_open(early, is_open) -> None:
    said = account(check_releases, told(early, [1, 2, 3]))
    assert not said.failures
    assert [remark.party for remark in said.findings] == [f"H{member}" for member in early]
    assert all(("a quorum released" in one.reason) is is_open for one in said.findings)


def test_what_more_than_liars_open_too_early_is_their_failure() -> None:
    said = account(check_releases, told([5, 6, 7], [1, 2, 3]))
    assert [remark.party for remark in said.failures] == ["H5", "H6", "H7"]


@pytest.mark.parametrize(("early", "is_helped"), [([7], False), ([6, 7], True)])
def test_a_set_that_a_quorum_released_was_helped(early, is_helped) -> None:
    found = told(early, [])
    entries = found.table.board.session(ROUND)
    without_locks = [p for p in entries if not isinstance(p.post.body, SetLock)]
    assert RoundEvidence(found.state, None, without_locks, data_of).is_helped is is_helped
