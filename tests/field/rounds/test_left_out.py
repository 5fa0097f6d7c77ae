"""A contribution that is in no sum: its hospital learns so, and why, and what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aggregator.status.text import render
from participant.cli.sentences.omissions import left_out_line
from participant.cli.views.standing import show_standing
from participant.network.status import read_report
from participant.rounds.omissions import omissions_in
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.errors import BadEntry
from protocol.messages.attachment import attach
from protocol.messages.rounds import Contribution, Omission, Refusal
from protocol.rounds.awaited import awaited_in
from protocol.rounds.ciphertexts import Encrypted
from protocol.rounds.view import left_out
from protocol.wire.frames import StatusReport, StatusRequest
from tests.stage.desk import Desk, federation
from tests.stage.rounds.round_table import RoundTable, Steps

ROUND = "study/cardio/1"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    found = Desk(tmp_path, federation(n=4))
    found.open_training()
    return found


KINDS: dict[str, tuple[Callable[[Desk], object], str]] = {
    "unproven": (
        lambda d: d.contribute(2, ROUND, d.payload(ROUND, 2, lambda e: Encrypted(e.values))),
        "no proof that fits",
    ),
    "repeated": (
        lambda d: d.contribute(2, ROUND, d.contribute(1, ROUND)),
        "repeats a ciphertext of H1",
    ),
    "unreadable": (
        lambda d: d.contribute(2, ROUND, b"garbage"),
        "not those that the round asks for",
    ),
    "too few": (
        lambda d: d.contribute(
            2, ROUND, d.payload(ROUND, 2, lambda e: Encrypted(e.values[:-1], e.proof))
        ),
        "not those that the round asks for",
    ),
    "another-opening": (
        lambda d: d.say(2, ROUND, Contribution(bytes(32), attach(d.payload(ROUND, 2)))),
        "answers another opening",
    ),
}


def rest_contribute(desk: Desk) -> None:
    there = desk.service.rounds.views[ROUND].contributions
    for member in (1, 3, 4):
        if member not in there:
            desk.contribute(member, ROUND)


def omissions(desk: Desk) -> list[Omission]:
    bodies = (posted.post.body for posted in desk.service.board.session(ROUND))
    return [body for body in bodies if isinstance(body, Omission)]


def status(desk: Desk) -> dict[str, Any]:
    answer = desk.ask(2, StatusRequest())
    assert isinstance(answer, StatusReport)
    return read_report(answer.report)


@pytest.mark.parametrize("kind", KINDS)
def test_the_aggregator_says_on_the_board_why_it_leaves_a_contribution_out(
    desk: Desk, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words = KINDS[kind]
    make(desk)
    rest_contribute(desk)
    desk.wait()
    assert desk.contributors(ROUND) == [1, 3, 4]
    (said,) = omissions(desk)
    view = desk.service.rounds.views[ROUND]
    assert (said.member, said.contribution) == (2, view.contributions[2].digest)
    if kind != "too few":
        assert said.reason == kind
    desk.service.close()
    desk.restart()
    show_standing(None, status(desk), "H2")
    shown = capsys.readouterr().out
    assert "This hospital's contribution is not in the sum: the aggregator says that" in shown
    assert words in shown
    (line,) = [x for x in render(desk.service.status({}), None) if "left out: H2 (" in x]
    assert words in line.partition("left out: H2 (")[2]  # no code of a reason, after a restart


def test_it_is_said_before_a_round_closes_that_waits_for_another_contribution(desk: Desk) -> None:
    desk.contribute(2, ROUND, b"garbage")
    desk.contribute(3, ROUND)
    desk.contribute(4, ROUND)
    desk.wait()
    assert desk.closing(ROUND) is None
    assert [said.member for said in omissions(desk)] == [2]
    (waiting,) = status(desk)["waiting"]
    assert (waiting["for"], waiting["needed"], waiting["until"]) == (["H1"], 1, None)
    desk.service.close()
    desk.restart()
    desk.wait(10)
    desk.contribute(1, ROUND)
    desk.wait()
    assert desk.contributors(ROUND) == [1, 3, 4]
    assert len(omissions(desk)) == 1  # not again


def test_who_comes_after_the_closing_is_told_so_by_the_board(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    late = desk.payload(ROUND, 2)
    rest_contribute(desk)
    desk.wait()
    desk.contribute(2, ROUND, late)
    assert omissions(desk) == []
    show_standing(None, status(desk), "H2")
    shown = capsys.readouterr().out
    assert (
        "This hospital's contribution is not in the sum: it came after the round was closed. "
        in (shown)
    )
    assert "needs larger --seconds" in shown
    show_standing(None, status(desk), "H3")
    assert "H2's contribution is not in the sum" in capsys.readouterr().out


# ── at the hospitals ──


class Trained(RoundTable):
    """Five hospitals that have contributed to round 1, and what each reports."""

    def __init__(self) -> None:
        super().__init__()
        self.reports = {i: self.reported(i, Steps()) for i in self.toy.federation.members}
        self.settle()
        self.open(ROUND)
        self.settle()

    def omit(self, member: int, reason: Any, other: int = 0, digest: bytes = b"") -> Posted:
        contribution = self.view(ROUND).contributions[member].digest
        said = Omission(member, digest or contribution, reason, other)
        return self.publish(0, Draft(ROUND, said))

    def close_over(self, members: list[int]) -> None:
        self.close(ROUND, members)
        self.settle()

    def told(self, i: int) -> list[dict[str, Any]]:
        return [facts for _, event, facts in self.reports[i] if event == "left-out"]

    def lines(self, i: int) -> list[str]:
        return [left_out_line(facts, "training") for facts in self.told(i)]


def test_every_hospital_learns_who_is_left_out_and_the_one_it_is_what_to_do() -> None:
    table = Trained()
    table.close(ROUND, [1, 2, 3, 4])
    table.omit(5, "late")
    table.settle()
    assert table.lines(5) == [
        "This hospital's contribution is not in the sum: the aggregator says that it came while "
        "the sum was being made. There is nothing to do: it takes part in the next round. If that "
        "happens again, this hospital needs longer than the plan waits: another study needs "
        "larger --seconds"
    ]
    for i in (1, 2, 3, 4):
        (line,) = table.lines(i)
        assert line.startswith("H5's contribution is not in the sum: the aggregator says that")
        assert line.endswith("Nothing is wrong with it")


@pytest.mark.parametrize("reason", ["unproven", "unreadable", "repeated"])
def test_a_hospital_says_so_where_its_own_check_finds_no_fault(reason: str) -> None:
    table = Trained()
    table.omit(5, reason, other=1)
    (line,) = table.lines(5)
    assert "This hospital's own check finds nothing against it." in line
    assert "tell the other members" in line
    (facts,) = table.told(5)
    assert facts["told_by"] == "aggregator"
    assert (facts["reason"], facts["fits"]) == (reason, True)
    assert "own check" not in table.lines(1)[0]


@pytest.mark.parametrize(("reason", "is_closed"), [("differencing", False), ("unproven", True)])
def test_a_hospital_claims_no_check_that_it_cannot_make(reason: str, is_closed: bool) -> None:
    """Of what only the choice of the set tells; or once the round is closed."""
    table = Trained()
    if is_closed:
        table.close(ROUND, [1, 2, 3, 4])
    table.omit(5, reason)
    table.settle()
    (facts,) = table.told(5)
    assert (facts["reason"], facts["fits"]) == (reason, None)
    assert "own check" not in table.lines(5)[0]


def test_what_is_said_of_no_contribution_and_of_one_in_the_sum_is_told_to_nobody() -> None:
    table = Trained()
    table.omit(5, "late", digest=bytes(32))
    table.close(ROUND, [1, 2, 3, 4, 5])
    table.omit(4, "late")
    table.settle()
    assert table.told(4) == table.told(5) == []


def test_an_aggregator_that_does_not_say_why_is_said_to_be_silent() -> None:
    table = Trained()
    table.close_over([1, 2, 3, 4])
    (line,) = table.lines(5)
    assert "the aggregator does not say why. It takes part in the next round. Ask" in line
    assert table.told(5)[0]["told_by"] == "nobody"


def test_who_refused_a_sum_is_not_waited_for() -> None:
    table = Trained()
    table.close(ROUND, [1, 2, 3, 4, 5])
    assert (found := awaited_in(table.view(ROUND), table.state_of(ROUND))) is not None
    assert (found.step, found.members, found.refused) == ("locks", (1, 2, 3, 4, 5), ())
    del table.tasks[5]
    table.publish(5, Draft(ROUND, Refusal("minimum", 0, "too few")))
    assert (found := awaited_in(table.view(ROUND), table.state_of(ROUND))) is not None
    assert (found.step, found.members, found.refused) == ("locks", (1, 2, 3, 4), (5,))


def test_each_is_told_once() -> None:
    table = Trained()
    table.omit(5, "unproven")
    table.omit(5, "late")
    table.close_over([1, 2, 3, 4])
    assert [facts["reason"] for facts in table.told(5)] == ["unproven"]


def test_of_a_statistic_the_remedy_is_another_name() -> None:
    table = Trained()
    table.close(ROUND, [1, 2, 3, 4])
    table.omit(5, "late")
    (facts,) = omissions_in(table.view(ROUND), table.terms, 5)
    line = left_out_line(facts, "statistic")
    assert "Contribute before the others' time is over." in line
    assert "another study" in line


def test_what_an_aggregators_report_holds_in_place_of_a_reason_is_shown_as_foreign() -> None:
    facts = {"members": ["H1"], "is_own": True, "reason": "\x1b[2J" * 99, "other": None}
    line = left_out_line(facts, "training")
    assert "\x1b" not in line
    assert len(line) < 600


@pytest.mark.parametrize(("member", "other"), [(0, 1), (6, 1), (5, 6)])
def test_nothing_is_said_of_a_member_that_there_is_not(member: int, other: int) -> None:
    table = Trained()
    contribution = table.view(ROUND).contributions[5].digest
    with pytest.raises(BadEntry):
        table.publish(0, Draft(ROUND, Omission(member, contribution, "repeated", other)))


def test_no_more_than_a_reason_and_a_member_can_be_said() -> None:
    """Whatever the aggregator says, a hospital prints one of few sentences with members' names."""
    texts = [name for name in Omission.__struct_fields__ if name not in ("member", "other")]
    assert texts == ["contribution", "reason"]
    assert left_out(Trained().view(ROUND)) == []
