"""A step's time passes: who may give a ceremony up, on what evidence, and who is named for it."""

import random
from typing import Any

import pytest

from protocol.board.draft import Draft
from protocol.ceremony.judgement import Verdict
from protocol.ceremony.machine import CERTIFICATE
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Overdue, Step
from tests.stage.ceremony.small_ceremony import name_of
from tests.stage.toy import CEREMONY, CeremonyTable, toy_federation

SECONDS = 60
LATE = 1000 * SECONDS
N, SILENT, BY = 4, 4, 1
OTHERS = [i for i in range(1, N + 1) if i != SILENT]


def waiting(step: str, silent: int = SILENT) -> CeremonyTable:
    """A ceremony in which one member alone has not spoken in a step that began at 0."""
    table = CeremonyTable(toy_federation(N, 3, step_seconds=SECONDS))
    while True:
        drafts = [(i, d) for i, d in table.due() if name_of(d.body) != step or i != silent]
        if not drafts:
            return table
        for sender, draft in drafts:
            table.publish(sender, draft)


def overdue(table: CeremonyTable, by: int, now_ms: int = LATE, **changes: Any) -> None:
    """A member says that the step is overdue, at a time of the aggregator's."""
    table.now_ms = now_ms
    name, batch, candidate = table.machines[by].awaits or CERTIFICATE
    said: dict[str, Any] = {"step": name, "batch": batch, "candidate": candidate} | changes
    table.publish(by, Draft(CEREMONY, Overdue(**said)))


def drafts(table: CeremonyTable) -> dict[int, object]:
    return {i: draft.body for i, draft in table.due()}


def given_up(table: CeremonyTable) -> CeremonyTable:
    """Let all say what is due; the silent member alone is not there."""
    while due := [(i, d) for i, d in table.due() if i != SILENT]:
        for sender, draft in due:
            table.publish(sender, draft)
    return table


def test_a_step_that_is_overdue_is_given_up_by_those_who_have_spoken():
    table = waiting("moduli")
    assert not {i for i in drafts(table) if i != SILENT}
    overdue(table, BY)
    for member in OTHERS:
        body = drafts(table)[member]
        assert isinstance(body, Abort)
        assert (body.culprit, body.step, body.silent) == (0, "moduli", (SILENT,))
        assert "since 1970-01-01 00:00:00 UTC, longer than 60 s" in body.reason
    verdict = given_up(table).verdict
    assert not verdict.culprits
    assert verdict.silent == (SILENT,), "its seed is not there"
    assert verdict.given_up is not None
    assert (verdict.given_up.step, verdict.given_up.silent) == ("moduli", (SILENT,))


def test_who_is_silent_speaks_before_it_gives_up():
    table = waiting("moduli")
    overdue(table, BY)
    assert name_of(drafts(table)[SILENT]) == "moduli"


def test_in_its_time_a_step_goes_on_whatever_one_member_says():
    table = waiting("moduli")
    overdue(table, BY, LATE - 1)
    overdue(table, BY, LATE - 1)
    assert set(drafts(table)) == {SILENT}


def test_an_overdue_of_another_step_says_nothing_about_this_one():
    table = waiting("moduli")
    overdue(table, BY, step="deal")
    overdue(table, BY, batch=1)
    overdue(table, BY, candidate=1)
    assert set(drafts(table)) == {SILENT}


def test_t_plus_1_members_need_no_clock_of_the_aggregators():
    table = waiting("moduli")
    overdue(table, 1, 0)
    assert set(drafts(table)) == {SILENT}
    overdue(table, 2, 0)
    assert isinstance(drafts(table)[3], Abort)
    assert given_up(table).verdict.given_up is not None


def test_nothing_is_overdue_before_all_have_joined():
    table = waiting("join")
    for member in OTHERS:
        overdue(table, member, step="join", batch=0, candidate=0)
    assert set(drafts(table)) == {SILENT}


def test_the_last_word_of_a_step_before_the_first_abort_lets_the_ceremony_go_on():
    table = waiting("moduli")
    overdue(table, BY)
    table.publish(SILENT, dict(table.due())[SILENT])
    table.run()
    assert all(machine.outcome for machine in table.machines.values())


EITHER = ["moduli", pytest.param("certificate", marks=pytest.mark.slow)]  # with a seed, without


def rewritten(table: CeremonyTable, abort: Abort) -> CeremonyTable:
    table.publish(BY, Draft(CEREMONY, abort))
    return given_up(table)


CLAIMS = {
    "nobody said that it was overdue": lambda table: None,
    "it was not by the board's times": lambda table: overdue(table, BY, LATE - 1),
    "another step was overdue": lambda table: overdue(table, BY, step="deal"),
}


@pytest.mark.parametrize("step", EITHER)
@pytest.mark.parametrize("claim", CLAIMS)
def test_an_abort_for_a_silence_that_the_board_does_not_bear_out_names_its_author(step, claim):
    table = waiting(step)
    CLAIMS[claim](table)
    verdict = rewritten(table, Abort(0, step, "it is late", (SILENT,))).verdict
    assert set(verdict.culprits) == {BY}
    assert "aborted without reason" in verdict.culprits[BY]
    assert verdict.given_up is None


@pytest.mark.parametrize("step", EITHER)
@pytest.mark.parametrize("silent", [(), (2,), (2, SILENT)], ids=str)
def test_whoever_calls_others_silent_than_the_board_shows_is_named(step, silent):
    table = waiting(step)
    overdue(table, BY)
    assert set(rewritten(table, Abort(0, step, "", silent)).verdict.culprits) == {BY}


@pytest.mark.parametrize("step", EITHER)
def test_whoever_makes_a_culprit_of_the_silent_is_named(step):
    table = waiting(step)
    overdue(table, BY)
    assert set(rewritten(table, Abort(SILENT, step, "", (SILENT,))).verdict.culprits) == {BY}


def crossed(table: CeremonyTable, word: Draft) -> Verdict:
    """The silent member says something, and another aborts without having seen it."""
    overdue(table, BY)
    late, seen = dict(table.due())[BY], table.board.head
    table.publish(SILENT, word)
    changes = {"seen_position": seen.position, "seen": seen.hash}
    table.show(table.put(table.sign(CEREMONY, BY, late.body, **changes)))
    return table.run().verdict


def test_an_abort_that_crosses_with_the_last_word_is_its_authors_right():
    table = waiting("moduli")
    verdict = crossed(table, dict(table.due())[SILENT])
    assert not verdict.culprits
    assert not verdict.silent
    assert verdict.given_up is not None
    assert not verdict.given_up.silent  # it was late
    assert verdict.given_up.reason.endswith(f"Then member {SILENT} spoke, too late")


def test_only_the_word_that_was_waited_for_makes_the_silent_late():
    verdict = crossed(waiting("moduli"), Draft(CEREMONY, Step("deal", 0, 1, ())))
    assert verdict.given_up is not None
    assert verdict.given_up.silent == (SILENT,)


def test_one_that_had_seen_the_last_word_and_aborts_all_the_same_is_named():
    table = waiting("moduli")
    overdue(table, BY)
    late = dict(table.due())[BY]
    table.publish(SILENT, dict(table.due())[SILENT])
    table.publish(BY, late)
    assert set(table.run().verdict.culprits) == {BY}


def test_at_the_end_whoever_has_certified_keeps_its_seed_and_is_not_named():
    table = waiting("certificate")
    overdue(table, BY)
    verdict = given_up(table).verdict
    said = [p.post for p in table.board.entries]
    assert {p.sender for p in said if isinstance(p.body, Certificate)} == set(OTHERS)
    assert not [p for p in said if isinstance(p.body, Disclosure)]
    assert not verdict.culprits
    assert verdict.silent == (SILENT,)
    assert verdict.given_up is not None
    table.publish(SILENT, dict(table.due())[SILENT])  # it is back, and has not certified
    assert isinstance(table.board.entries[-1].post.body, Disclosure)
    assert not table.verdict.culprits
    assert not table.verdict.silent


def test_whoever_says_overdue_without_having_joined_is_named():
    table = CeremonyTable(toy_federation(N, 3, step_seconds=SECONDS))
    table.publish(BY, Draft(CEREMONY, Overdue("deal", 0, 0)))
    table.publish(2, Draft(CEREMONY, Abort(0, "join", "no")))
    assert table.verdict.culprits[BY] == "overdue: it has not joined"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_whatever_times_the_aggregator_gives_no_honest_member_is_named(seed):
    """Honest members say Overdue at any time by their clocks; an entry has any time at all."""
    chance = random.Random(seed)
    table = CeremonyTable(toy_federation(N, 3, step_seconds=SECONDS))
    silent, until = chance.randint(0, N), chance.randint(4, 40)

    def tick() -> None:
        table.now_ms += chance.choice([0, 0, 0, 1, LATE // 2, LATE])

    while True:
        here = [i for i in table.machines if i != silent or len(table.entries) < until]
        due = [(i, d) for i, d in table.due() if i in here]
        late = [i for i in here if table.machines[i].awaits]
        if late and chance.random() < 0.15:
            tick()
            overdue(table, chance.choice(late), table.now_ms)
            continue
        if not due:
            break
        tick()
        table.publish(*chance.choice(due))
    assert not table.verdict.culprits
