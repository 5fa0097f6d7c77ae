"""What the board says about a round."""

from protocol.messages.attachment import attach
from protocol.messages.rounds import Closing, Contribution, Contributor, Opening, SetLock, Statement
from protocol.rounds.view import RoundView
from tests.stage.studies import statistic_study
from tests.stage.toy import Table, toy_federation

SESSION = "study/age/1"


def test_the_first_of_everything_counts_and_the_last_statement():
    table, view = Table(toy_federation()), RoundView(SESSION)
    table.found(statistic_study(table.federation.terms, 3))
    first, second = b"1" * 32, b"2" * 32
    for sender, body in [
        (0, Opening(first, first, first, 3)),
        (0, Opening(second, second, second, 3)),
        (2, Contribution(first, attach(b"a"))),
        (2, Contribution(first, attach(b"b"))),
        (3, SetLock(first)),
        (3, SetLock(second)),
        (3, Statement(first, 3)),
        (3, Statement(second, 3)),
    ]:
        view.receive(table.put(table.sign(SESSION, sender, body)))  # type: ignore[arg-type]
    assert view.terms_of_opening == Opening(first, first, first, 3)
    assert [p.post.body for p in view.contributions.values()] == [Contribution(first, attach(b"a"))]
    assert view.locks == {3: first}
    assert view.statements == {3: Statement(second, 3)}
    assert view.closed is None
    assert view.chosen(bytes(32)) is None
    assert (view.study, view.number, view.name) == ("age", 1, "age/1")


def test_the_same_closing_in_another_round_or_federation_chooses_another_set():
    table, names = Table(toy_federation()), set()
    closing = Closing((Contributor(1, bytes(32)),), attach(b"sum"))
    for session in ("study/a/1", "study/a/2", SESSION):
        view = RoundView(session)
        view.receive(table.put(table.sign(session, 0, closing)))
        names |= {view.chosen(bytes(32)), view.chosen(b"f" * 32)}
    assert len(names - {None}) == 6
