"""What the board says about a round."""

import pytest

from protocol.board.messages import (
    Closing,
    Contribution,
    Contributor,
    Opening,
    Request,
    SetLock,
    Statement,
    attach,
)
from protocol.board.session import read_session
from protocol.rounds.view import RoundView, round_session
from tests.stage.toy import Table, toy_federation

SESSION = "statistic/age"


@pytest.mark.parametrize(
    ("name", "session"),
    [
        ("0", "round/0"),
        ("7", "round/7"),
        ("123456789", "round/123456789"),
        ("age", "statistic/age"),
        ("07", "statistic/07"),
        ("7\n", "statistic/7\n"),
        ("1234567890", "statistic/1234567890"),
        ("\u0661", "statistic/\u0661"),
    ],
)
def test_a_number_names_a_training_round_and_anything_else_a_statistic(name, session):
    assert round_session(name) == session
    assert read_session(session).name == name


def test_the_first_of_everything_counts_and_the_last_statement():
    table, view = Table(toy_federation()), RoundView(SESSION)
    first, second = b"1" * 32, b"2" * 32
    for sender, body in [
        (1, Request(3)),
        (1, Request(4)),
        (0, Opening("statistic", first, first, 3)),
        (0, Opening("statistic", second, second, 3)),
        (2, Contribution(first, attach(b"a"))),
        (2, Contribution(first, attach(b"b"))),
        (3, SetLock(first)),
        (3, SetLock(second)),
        (3, Statement(first, 3)),
        (3, Statement(second, 3)),
    ]:
        view.receive(table.put(table.sign(SESSION, sender, body)))  # type: ignore[arg-type]
    assert [p.post.body for p in view.requests.values()] == [Request(3)]
    assert view.terms_of_opening == Opening("statistic", first, first, 3)
    assert [p.post.body for p in view.contributions.values()] == [Contribution(first, attach(b"a"))]
    assert view.locks == {3: first}
    assert view.statements == {3: Statement(second, 3)}
    assert view.closed is None
    assert view.chosen(bytes(32)) is None
    assert view.name == "age"


def test_the_same_closing_in_another_round_or_federation_chooses_another_set():
    table, names = Table(toy_federation()), set()
    closing = Closing((Contributor(1, bytes(32)),), attach(b"sum"))
    for session in ("round/1", "round/2", SESSION):
        view = RoundView(session)
        view.receive(table.put(table.sign(session, 0, closing)))
        names |= {view.chosen(bytes(32)), view.chosen(b"f" * 32)}
    assert len(names - {None}) == 6
