"""Hospitals that leave one rule out, for the machine to find."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest.mock import PropertyMock, patch

from participant.agent.set_ledger import SetLedger
from participant.statistic.same_numbers import SameNumbers
from participant.training import course
from participant.training.starts import Alike
from protocol.board.study import StudyState, Word
from protocol.key.epoch import Epoch
from protocol.messages.rounds import Contribution, Near
from protocol.rounds import decryption, history, isolation, set_rules
from protocol.rounds.ciphertexts import Encrypted, EncryptionKey, check_proof, read_ciphertexts
from protocol.rounds.decryption import RoundMember
from protocol.rounds.history import OpenedSets, Start
from protocol.rounds.isolation import Difference, Sums
from protocol.rounds.known import KnownRounds, PastRound
from protocol.rounds.span import Effort, Row
from protocol.rounds.view import RoundView
from protocol.terms.terms import Terms
from tests.malice.studies import TRAINING

_check_set = set_rules.check_set
_start = KnownRounds.start
_contributors = set_rules._Set._contributors
_isolated = isolation.isolated
_alike_before = course.alike_before
_contributed = OpenedSets.contributed
_alike = OpenedSets.alike


def _of_any_number(
    view: RoundView, payloads: Mapping[int, bytes], state: StudyState, epoch: Epoch
) -> Encrypted:
    """The rules of a set, however few members it has."""
    with patch("protocol.board.study.Study.least_contributors", PropertyMock(return_value=1)):
        return _check_set(view, payloads, state, epoch)


def _at_its_word(
    view: RoundView, payloads: Mapping[int, bytes], state: StudyState, epoch: Epoch
) -> Encrypted:
    """The sum that the closing has, whatever was contributed."""
    opening, closing = view.terms_of_opening, view.closed
    if opening is None or closing is None:
        return _check_set(view, payloads, state, epoch)
    with patch.object(set_rules, "blob_name", lambda payload: closing.total.digest):
        _check_set(view, payloads, state, epoch)
    return read_ciphertexts(closing.total.data, opening, state.study, epoch.joint_key().n)


def _proof_in_training_alone(
    encrypted: Encrypted, body: Contribution, session: str, member: int, key: EncryptionKey
) -> None:
    """As if unmodified phe's ciphertexts, which nobody can prove, were taken for a statistic."""
    if session.split("/")[1] in TRAINING:
        check_proof(encrypted, body, session, member, key)


def _each_study_for_itself(self: KnownRounds, view: RoundView) -> Start:
    """As if no study were compared with another."""
    kind, name = _start(self, view)
    return Start(kind, name + view.study.encode())


def _excused(row: Row, others: Sums, least: int, effort: Effort | None = None) -> Difference | None:
    """As if a sum with the row of an open one showed nothing new."""
    return None if row in others.values() else _isolated(row, others, least, effort)


def _nothing_is_near(*arguments: Any) -> Near:
    return Near()


def _contributed_and_late(self: OpenedSets, member: int) -> Iterator[PastRound]:
    """Also the contributions of a hospital that came after the closing."""
    held, found = self._rounds.held, dict[int, PastRound]()
    for one in _contributed(self, member):
        found[held[one.session].contributions[member].position] = one
    for view in held.values():
        if member in view.late:
            found[view.late[member].position] = self._rounds.counted(view.session)
    return (found[at] for at in sorted(found, reverse=True))


def _alike_by_what_came_late(self: OpenedSets, member: int, start: Start) -> Collection[Start]:
    """As if others heard what those name."""
    found = set(_alike(self, member, start))
    for view in self._rounds.held.values():
        late = view.late.get(member)
        if late is not None and self.start(view) in found:
            named = (self._rounds.held[session] for session in late.post.body.near.rounds)
            found.update(self.start(one) for one in named)
    return found


def _no_model_is_near(*arguments: Any) -> Alike:
    return Alike()


def _however_it_was_weighed(*place: Any) -> Alike:
    """As if a hospital might add its update to a sum, and so many times that to another one."""
    return Alike(_alike_before(*place).near)


def _whoever_is_a_member(self: StudyState, member: int, before: int | None = None) -> bool:
    return member in self.study.members


def _whoever_withdrew(self: Any, closed: Any) -> list[int]:
    """The closing's members, whether or not one of them had withdrawn."""
    with patch.object(StudyState, "contributes", _whoever_is_a_member):
        return _contributors(self, closed)


def _even_unapproved(self: StudyState, member: int, before: int | None = None) -> Word:
    """As if everybody had approved everything, once and for all."""
    return Word(0, member in self.study.members, True)


def _without_end(self: StudyState, before: int | None = None) -> bool:
    return False


_BUGS: dict[str, tuple[tuple[Any, str, Any], ...]] = {  # by the rule, what is replaced by what
    "one set in a round": ((SetLedger, "choose", lambda *arguments: True),),
    "the lock threshold": ((Terms, "lock_threshold", PropertyMock(return_value=1)),),
    "the least contributors": ((decryption, "check_set", _of_any_number),),
    "the recomputed sum": ((decryption, "check_set", _at_its_word),),
    "the proof of plaintext": ((set_rules, "check_proof", lambda *arguments: None),),
    "the proof of plaintext in statistics": ((set_rules, "check_proof", _proof_in_training_alone),),
    "differencing": ((RoundMember, "_check_difference", lambda *arguments: None),),
    "differencing over studies": (
        (KnownRounds, "start", _each_study_for_itself),
        (course, "alike_before", _no_model_is_near),
        (SameNumbers, "near", _nothing_is_near),
    ),
    "a sum whose row is open excuses nothing": (
        (history, "isolated", _excused),
        (isolation, "isolated", _excused),
    ),
    "near models": ((course, "alike_before", _no_model_is_near),),
    "late contributions are not heard": (
        (OpenedSets, "contributed", _contributed_and_late),
        (OpenedSets, "alike", _alike_by_what_came_late),
    ),
    "two weightings": ((course, "alike_before", _however_it_was_weighed),),
    "near numbers": ((SameNumbers, "near", _nothing_is_near),),
    "approvals": ((StudyState, "word_of", _even_unapproved),),
    "withdrawals": ((set_rules._Set, "_contributors", _whoever_withdrew),),
    "the end of a study": ((StudyState, "is_ended", _without_end),),
}
RULES = tuple(_BUGS)


def without(*rules: str) -> AbstractContextManager[Any]:
    """All hospitals leave these out, of RULES."""
    stack = ExitStack()
    for rule in rules:
        for replaced in _BUGS[rule]:
            stack.enter_context(patch.object(*replaced))
    return stack
