"""Who shared another exponent than it dealt is shown what it said of the winner, first."""

import msgspec
import pytest

from protocol.board.board import Posted
from protocol.board.messages import Step
from protocol.ceremony import judgement
from tests.stage.ceremony.small_ceremony import LIAR, QUORUM, N
from tests.stage.toy import CEREMONY, toy_epoch


def test_the_evidence_is_the_first_word_about_the_winner(monkeypatch: pytest.MonkeyPatch) -> None:
    table = toy_epoch(N, QUORUM).table
    entries = table.board.session(CEREMONY)
    said, body = next(
        (posted, body)
        for posted in entries
        if isinstance(body := posted.post.body, Step)
        and (posted.post.sender, body.step) == (LIAR, "winner")
    )
    of_another = msgspec.structs.replace(body, candidate=body.candidate + 1)
    in_another = msgspec.structs.replace(body, batch=body.batch + 1)
    end = entries[-1].position
    told = [
        _again(said, 1, of_another),
        *entries,
        _again(said, end + 1, body),
        _again(said, end + 2, of_another),
        _again(said, end + 3, in_another),
    ]
    court = judgement._Court(table.federation.terms, CEREMONY, told, table.all_payloads)
    court._machines = dict(table.machines)
    monkeypatch.setattr(judgement, "misdealers", lambda shape, parts: [LIAR])
    innocent = table.machines.keys() - {LIAR}
    assert court.misdealt(innocent)[LIAR].position == said.position


def _again(said: Posted, position: int, body: Step) -> Posted:
    """What its sender says with another body, at another place of the board."""
    return said._replace(position=position, post=msgspec.structs.replace(said.post, body=body))
