"""Hospitals that leave one rule out, for the machine to find."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import PropertyMock, patch

from participant.agent.set_ledger import SetLedger
from protocol.board.messages import Contribution
from protocol.key.epoch import Epoch
from protocol.rounds import decryption, set_rules
from protocol.rounds.ciphertexts import Encrypted, EncryptionKey, check_proof, read_ciphertexts
from protocol.rounds.decryption import RoundMember
from protocol.rounds.view import RoundView
from protocol.terms.terms import Terms

_check_set = set_rules.check_set


def _of_any_number(
    view: RoundView, payloads: Mapping[int, bytes], terms: Terms, epoch: Epoch
) -> Encrypted:
    """The rules of a set, however few members it has."""
    with patch.object(Terms, "least_contributors", PropertyMock(return_value=1)):
        return _check_set(view, payloads, terms, epoch)


def _at_its_word(
    view: RoundView, payloads: Mapping[int, bytes], terms: Terms, epoch: Epoch
) -> Encrypted:
    """The sum that the closing has, whatever was contributed."""
    opening, closing = view.terms_of_opening, view.closed
    if opening is None or closing is None:
        return _check_set(view, payloads, terms, epoch)
    with patch.object(set_rules, "blob_name", lambda payload: closing.total.digest):
        _check_set(view, payloads, terms, epoch)
    return read_ciphertexts(closing.total.data, opening, terms, epoch.joint_key().n)


def _proof_in_training_alone(
    encrypted: Encrypted, body: Contribution, session: str, member: int, key: EncryptionKey
) -> None:
    """As if unmodified phe's ciphertexts, which nobody can prove, were taken for a statistic."""
    if session.startswith("round/"):
        check_proof(encrypted, body, session, member, key)


_BUGS: dict[str, tuple[Any, str, Any]] = {  # by the rule, what is replaced by what
    "one set in a round": (SetLedger, "choose", lambda *arguments: True),
    "the lock threshold": (Terms, "lock_threshold", PropertyMock(return_value=1)),
    "the least contributors": (decryption, "check_set", _of_any_number),
    "the recomputed sum": (decryption, "check_set", _at_its_word),
    "the proof of plaintext": (set_rules, "check_proof", lambda *arguments: None),
    "the proof of plaintext in statistics": (set_rules, "check_proof", _proof_in_training_alone),
    "differencing": (RoundMember, "_check_difference", lambda *arguments: None),
}
RULES = tuple(_BUGS)
OF_STATISTICS = ("the proof of plaintext in statistics",)  # which training alone cannot miss


def without(rule: str) -> AbstractContextManager[Any]:
    """All hospitals leave a rule out, one of RULES."""
    return patch.object(*_BUGS[rule])
