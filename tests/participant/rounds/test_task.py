"""Helping to decrypt one round: what is still to be said when the sum is known."""

import pytest

from participant.rounds.task import DecryptionTask
from protocol.board.messages import Complaint
from protocol.key.epoch import HeldKey
from tests.simulator.disk import Disk
from tests.stage.rounds.toy_round import EPOCH, SQUARE, TERMS, TOY, contributed
from tests.stage.rounds.wrong_part import Liar
from tests.stage.studies import STUDY


@pytest.mark.parametrize("reader", [2, 3])
def test_it_is_done_when_whoever_sent_a_wrong_part_is_named(reader: int) -> None:
    found = contributed()
    found.close()
    found.settle(tamper=Liar(found, 1, lambda numbers: [2 * c % SQUARE for c in numbers]))
    secret = HeldKey(EPOCH, TOY.secrets[reader])
    task = DecryptionTask(TERMS, STUDY, None, secret, Disk(), lambda request: False)
    task.begin(found.board)
    (said,) = (p for p in found.board.entries if isinstance(p.post.body, Complaint))
    for posted in found.board.entries:
        if posted is not said and task.wants(posted.post.session):
            task.receive(posted, found.payloads(posted, reader))
    draft = task.due()  # it agrees to what it has locked before
    assert draft
    assert draft.body == said.post.body
    assert task.member.plaintexts == found.members[reader].plaintexts is not None
    assert not task.member.owes_partial
    assert not task.done
    task.receive(said, {})
    assert task.done
    assert task.due() is None
