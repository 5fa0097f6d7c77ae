"""Two liars of 3 of 5 hand the key over to 2 of 3, so that they decrypt by themselves.

One honest hospital that takes their word for it consents, and one more. The fifth does not.
"""

from __future__ import annotations

from typing import Any

import pytest

from protocol.handover import Succession
from protocol.messages.handover import Consent, Content
from tests.protocol.handover.table import decrypts
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
LIARS, REFUSES = (1, 2), 5


def handed_over() -> PostedHandover:
    def tamper(at: PostedHandover, sender: int, content: Content) -> Content | None:
        return None if sender == REFUSES and isinstance(content, Consent) else content

    return PostedHandover(copied(TOY), TOY.secrets, [1, 2, 3], 2, tamper=tamper).run()


def test_one_that_does_not_consent_keeps_the_quorum_as_it_is() -> None:
    handed = handed_over()
    assert handed.view.attempt.consents == {1, 2, 3, 4}
    assert not handed.view.attempt.is_agreed
    assert not handed.view.attempt.frozen
    assert handed.table.board.epoch == TOY.epoch


def test_if_as_many_as_for_a_refresh_were_enough_the_liars_would_decrypt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual: Any = property(lambda about: about.old.lock_threshold)
    monkeypatch.setattr(Succession, "least_consents", usual)
    handed = handed_over()
    assert handed.view.attempt.is_settled
    shares = [handed.new_secrets()[i].secret_share() for i in LIARS]
    assert decrypts(handed.new_epoch.joint_key(), shares)
    assert not decrypts(TOY.epoch.joint_key(), [TOY.secrets[i].secret_share() for i in LIARS])
