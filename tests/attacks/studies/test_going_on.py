"""The difference of a round of a study and of one that goes on from the same model elsewhere.

Source: notes on differences over studies, and our own. A study went on from its first model in the
old federation, over {1,2,3,4}. In the new one a plan starts from that model once more. Over {1,2,3}
the sum of its first round would show what 4 alone had added.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from protocol.board.draft import Draft
from protocol.messages.inherited_sums import InheritedSums
from protocol.messages.rounds import Statement
from protocol.messages.session import round_session
from protocol.record.audit.checks import audit
from protocol.rounds.history import sums_up_to
from tests.attacks.studies.test_over_a_handover import (
    LEAVE,
    STAY,
    TOY,
    closed,
    handed_over,
    numbers,
    old_board,
    refused,
)
from tests.stage.handover import inherited
from tests.stage.handover.rosters import Who
from tests.stage.record.memory import files_of
from tests.stage.rounds.delayed import LENGTH, DelayedTable
from tests.stage.studies import training_plan

BEGUN, GONE_ON = b"b" * 32, b"g" * 32  # models


def gone_on() -> DelayedTable:
    """The old board: all state the model after a round, and four contribute to the next one."""
    old = old_board()
    old.begin("cardio", model=BEGUN)
    for member in old.federation.members:
        said = Statement(GONE_ON, LENGTH, 8.0, 1_000)
        old.say(member, Draft(round_session("cardio", 1), said))
    second = round_session("cardio", 2)
    old.open_round(second)
    closed(old, second, (1, 2, 3, 4))
    return old


def begun_again(new: DelayedTable, model: bytes = GONE_ON) -> str:
    """The first round of a study of the new federation, whose plan goes on from that model."""
    known = new.board.key.inheritance.sums
    assert known is not None
    assert new.terms.predecessor is not None
    before = new.terms.predecessor.federation
    assert known.model_after(before, "cardio", 1) == GONE_ON
    start: dict[str, Any] = {"start_federation": before, "start_study": "cardio"}
    return new.begin("cardio", training_plan(new.terms, start_round=1, **start), model=model)


def again(old: DelayedTable, who: Who, *names: str) -> set[tuple[str, str]]:
    """Who refuses what, where the new federation goes on from that model over these."""
    new = handed_over(old, TOY, who)
    return refused(new, closed(new, begun_again(new), numbers(new, *names)))


@pytest.mark.parametrize("who", [STAY, LEAVE], ids=["stays", "leaves"])
def test_a_study_that_goes_on_starts_from_the_row_of_its_old_model(who: Who) -> None:
    rules = again(gone_on(), who, "H1", "H2", "H3")
    assert {rule for rule, _ in rules} == {"differencing"}
    reason = "with the sum of cardio/2 (taken over, 1) it shows what H4 alone added"
    assert all(said.startswith(reason) for _, said in rules)


def test_without_the_old_row_the_difference_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def models_alone(*about: Any) -> InheritedSums:
        return replace(InheritedSums(), models=sums_up_to(*about).models)

    monkeypatch.setattr(inherited, "sums_up_to", models_alone)
    assert not again(gone_on(), LEAVE, "H1", "H2", "H3")


def test_the_same_hospitals_go_on() -> None:
    assert not again(gone_on(), STAY, "H1", "H2", "H3", "H4")


@pytest.mark.parametrize(("model", "count"), [(GONE_ON, 0), (b"x" * 32, 1)])
def test_the_audit_sees_a_study_that_begins_with_another_model(model: bytes, count: int) -> None:
    new = handed_over(gone_on(), TOY, STAY)
    begun_again(new, model)
    files = files_of(new.federation, new.entries, {}, new.federation.members)
    (found,) = [r for r in audit(files, bytes(32)).results if r.number == "7.2"]
    said = [one.reason for one in found.findings]
    assert said == ["study/cardio/1: it begins with another model than the plan names"] * count
