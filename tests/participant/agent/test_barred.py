"""What a handover of the key bars is not said, and is said once the bar is lifted."""

from pathlib import Path
from typing import Any

import pytest

from participant.agent.agent import Agent
from participant.agent.outbox import Outbox
from participant.errors import RejectedByAggregator
from protocol.board.board import Board
from protocol.wire.frames import Declined, Submit, Welcome
from tests.simulator.disk import Disk
from tests.stage.saying import FEDERATION, Saying, aggregator, connect, proposing


def bar(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    """As if a handover did so; which ones do is tested where bars are made."""

    def barred(board: Board, session: str, sender: int, body: Any) -> str:
        return reason

    monkeypatch.setattr(Board, "bar", barred)


def test_what_is_barred_is_asked_for_again_and_said_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = aggregator(tmp_path)
    agent = Agent(FEDERATION.terms, 1, FEDERATION.keys[1], Disk(), Again(proposing(1)))
    bar(monkeypatch, "the key is being handed over")
    connect(agent, service)
    assert service.board.entries == []
    assert not agent.is_sending
    bar(monkeypatch, "")
    connect(agent, service)
    assert [p.post.session for p in service.board.entries] == ["study/s1"]


def test_a_post_that_crossed_with_a_bar_ends_no_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, disk = aggregator(tmp_path), Disk()
    for reason in ("", "the key is being handed over"):
        agent = Agent(FEDERATION.terms, 1, FEDERATION.keys[1], disk, Again(proposing(1)))
        agent.connected(Welcome(*service.board.head))
        agent.step()
        (signed,) = [f.post for f in agent.outgoing() if isinstance(f, Submit)]
        with monkeypatch.context() as patched:
            patched.setattr(Board, "excess", lambda *given: "it counts no more")
            bar(patched, reason)
            declined = Declined(signed.digest, "it counts no more")
            if reason:
                agent.receive(declined)
            else:
                with pytest.raises(RejectedByAggregator):
                    agent.receive(declined)
        assert Outbox(disk).pending is None


class Again(Saying):
    """Says the same until it is on the board."""

    def due(self) -> Any:
        return None if self.heard else self.drafts[0]

    @property
    def done(self) -> bool:
        return bool(self.heard)
