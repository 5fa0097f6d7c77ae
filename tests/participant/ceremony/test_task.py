"""Which ceremony a member takes part in, and when it is done with one that was aborted."""

import pytest

from participant.ceremony.task import CeremonyTask
from participant.errors import NoCeremony, NoSeed
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.encoding import encode
from protocol.errors import CeremonyFailed
from protocol.key.epoch import HeldKey
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Join, Overdue, Step
from protocol.terms.predecessor import Predecessor
from tests.stage.ceremony.small_ceremony import name_of
from tests.stage.toy import CEREMONY, CeremonyTable, replace_terms, seed_of, toy_federation

ABORT = Draft(CEREMONY, Abort(0, "deal", "no more"))
MEMBER = 1


class Seeds:
    """A vault in memory; ``forgotten`` sessions have no seed any more."""

    def __init__(self, label: str, index: int) -> None:
        self._label, self._index = label, index
        self.kept: dict[int, bytes] = {}
        self.forgotten: set[str] = set()
        self.withheld: set[str] = set()

    def seed(self, session: str) -> bytes:
        return seed_of(self._label, session.partition("/")[0], self._index)

    def holds(self, session: str) -> bool:
        return session not in self.forgotten

    def withhold(self, session: str) -> None:
        self.withheld.add(session)

    def withholds(self, session: str) -> bool:
        return session in self.withheld

    def keep(self, session: str, held: HeldKey) -> None:
        self.kept[held.epoch.number] = encode(held.secret)


def begun(table: CeremonyTable, seeds: Seeds) -> CeremonyTask:
    """A member's task that knows the board, and has received nothing yet."""
    task = CeremonyTask(table.federation.terms, MEMBER, seeds)
    task.begin(table.board)
    return task


def hear(task: CeremonyTask, table: CeremonyTable, posted: Posted) -> None:
    if task.wants(posted.post.session):
        task.receive(posted, table.payloads(posted, MEMBER))


def seated(table: CeremonyTable) -> tuple[CeremonyTask, Seeds]:
    """A member's task that has read the board."""
    seeds = Seeds("toy", MEMBER)
    task = begun(table, seeds)
    for posted in table.board.entries:
        hear(task, table, posted)
    return task, seeds


def joined() -> CeremonyTable:
    """All three have joined, and member 2 has aborted."""
    table = CeremonyTable(toy_federation(3, 2))
    for sender, draft in table.due():
        table.publish(sender, draft)
    table.publish(2, ABORT)
    return table


def test_an_aborted_ceremony_in_which_one_has_no_part_is_followed_by_the_next() -> None:
    table = CeremonyTable(toy_federation(3, 2))
    table.say(2, ABORT)
    task, _ = seated(table)
    assert task.session == "ceremony/2"
    draft = task.due()
    assert draft
    assert isinstance(draft.body, Join)


def test_whoever_owes_its_seed_stays_with_the_aborted_ceremony_until_it_is_on_the_board() -> None:
    table = joined()
    task, _ = seated(table)
    assert task.session == CEREMONY
    assert task.due() == Draft(CEREMONY, Disclosure(table.seeds[MEMBER]))
    assert not task.done
    posted = table.say(MEMBER, Draft(CEREMONY, Disclosure(table.seeds[MEMBER])))
    with pytest.raises(CeremonyFailed) as raised:
        hear(task, table, posted)
    assert (raised.value.culprit, raised.value.step, raised.value.reason) == (0, "deal", "no more")
    assert seated(table)[0].session == "ceremony/2"


def test_others_disclosures_do_not_end_ones_own_duty() -> None:
    table = joined()
    for member in (2, 3):
        table.say(member, Draft(CEREMONY, Disclosure(table.seeds[member])))
    task, _ = seated(table)
    assert task.session == CEREMONY
    assert task.due() == Draft(CEREMONY, Disclosure(table.seeds[MEMBER]))


def test_an_abort_seen_live_makes_the_seed_due_and_does_not_end_the_task_yet() -> None:
    table = CeremonyTable(toy_federation(3, 2))
    task = begun(table, Seeds("toy", MEMBER))
    for sender, draft in table.due():
        hear(task, table, table.say(sender, draft))
    hear(task, table, table.say(3, ABORT))
    assert task.due() == Draft(CEREMONY, Disclosure(table.seeds[MEMBER]))


def test_an_abort_seen_live_ends_the_task_at_once_where_the_seed_is_withheld() -> None:
    table, seeds = CeremonyTable(toy_federation(3, 2)), Seeds("toy", MEMBER)
    seeds.withhold(CEREMONY)
    task = begun(table, seeds)
    for sender, draft in table.due():
        hear(task, table, table.say(sender, draft))
    with pytest.raises(CeremonyFailed):
        hear(task, table, table.say(3, ABORT))
    assert task.due() is None


def test_who_has_not_joined_yet_ends_at_once_with_the_abort_and_keeps_its_seed() -> None:
    table = CeremonyTable(toy_federation(3, 2))
    task = begun(table, Seeds("toy", MEMBER))
    with pytest.raises(CeremonyFailed):
        hear(task, table, table.say(3, ABORT))


def test_a_join_that_crosses_with_an_abort_is_followed_by_the_seed_and_then_by_the_next() -> None:
    """What was signed before the abort was seen is in the outbox, and goes on the board."""
    table = CeremonyTable(toy_federation(3, 2))
    join = dict(table.due())[MEMBER]
    table.say(3, ABORT)
    table.say(MEMBER, join)
    task, _ = seated(table)
    assert task.session == CEREMONY
    assert task.due() == Draft(CEREMONY, Disclosure(table.seeds[MEMBER]))
    posted = table.say(MEMBER, Draft(CEREMONY, Disclosure(table.seeds[MEMBER])))
    with pytest.raises(CeremonyFailed):
        hear(task, table, posted)
    assert seated(table)[0].session == "ceremony/2"


def test_who_has_lost_its_seed_is_silent_and_goes_on_to_the_next_ceremony() -> None:
    table, seeds = joined(), Seeds("toy", MEMBER)
    seeds.forgotten.add(CEREMONY)
    assert begun(table, seeds).session == "ceremony/2"
    assert begun(table, Seeds("toy", MEMBER)).session == CEREMONY


def test_who_has_certified_goes_on_to_the_next_ceremony_without_disclosing() -> None:
    table = CeremonyTable(toy_federation(3, 2))
    while table.machines[MEMBER].progress.step != "certificate":
        for sender, draft in table.due():
            table.publish(sender, draft)
    table.publish(MEMBER, dict(table.due())[MEMBER])
    table.publish(2, ABORT)
    task, seeds = seated(table)
    assert task.session == "ceremony/2"
    assert seeds.kept == {}


def test_each_of_several_aborted_ceremonies_is_settled_in_turn() -> None:
    table = CeremonyTable(toy_federation(3, 2))
    for number in (1, 2, 3):
        assert seated(table)[0].session == f"ceremony/{number}"
        table.say(2, Draft(f"ceremony/{number}", Abort(0, "join", "again")))
    assert seated(table)[0].session == "ceremony/4"


def test_an_own_join_from_another_seed_is_a_lost_seed_and_nobody_elses_fault() -> None:
    table = CeremonyTable(toy_federation(3, 2))
    other = CeremonyTable(toy_federation(3, 2), "another vault")
    posted = table.say(MEMBER, dict(other.due())[MEMBER])
    task = begun(CeremonyTable(toy_federation(3, 2)), Seeds("toy", MEMBER))
    with pytest.raises(NoSeed):
        hear(task, table, posted)


def test_an_abort_after_all_have_certified_costs_nobody_the_key_share() -> None:
    table = CeremonyTable(toy_federation(3, 2)).run()
    outcome = table.machines[MEMBER].outcome
    assert outcome is not None
    table.say(2, ABORT)
    task, seeds = seated(table)
    assert task.session == CEREMONY
    assert task.done
    assert task.due() is None
    assert seeds.kept == {1: encode(outcome[1])}


def waiting_for_2() -> tuple[CeremonyTable, CeremonyTask, list[float]]:
    """All have joined, and member 2 alone has not dealt; a task, and its clock to be set."""
    table, now = CeremonyTable(toy_federation(3, 2, step_seconds=60)), [0.0]
    while (due := dict(table.due())).keys() != {2} or name_of(due[2].body) == "join":
        for sender in sorted(due.keys() - {2}) or [2]:
            table.publish(sender, due[sender])
    task = CeremonyTask(table.federation.terms, MEMBER, Seeds("toy", MEMBER), lambda: now[0])
    task.begin(table.board)
    for posted in table.board.entries:
        hear(task, table, posted)
    return table, task, now


def test_who_had_no_link_waits_anew() -> None:
    """The aggregator may have been down, and then nobody could speak."""
    _, task, now = waiting_for_2()
    for second in (0, 30, 50, 3_600, 3_640):
        now[0] = float(second)
        assert task.due() is None, second
    now[0] = 3_660.0
    assert task.due()


def test_whose_own_clock_has_run_says_so_and_as_long_after_that_once_more() -> None:
    table, task, now = waiting_for_2()
    due = dict(table.due())
    said = []
    for second in range(200):
        now[0] = float(second)
        if (draft := task.due()) is not None:
            said.append(second)
            assert isinstance(draft.body, Overdue)
            assert draft.body.step == name_of(due[2].body)
            hear(task, table, table.say(MEMBER, draft))  # the aggregator's clock stands still
    assert said == [60, 120, 180]


def test_nobody_says_that_others_are_late_before_all_have_joined_or_while_its_own_word_is_due() -> (
    None
):
    table, now = CeremonyTable(toy_federation(3, 2, step_seconds=60)), [0.0]
    task = CeremonyTask(table.federation.terms, MEMBER, Seeds("toy", MEMBER), lambda: now[0])
    task.begin(table.board)
    for sender, draft in table.due():
        if sender != 2:
            hear(task, table, table.publish(sender, draft))
    assert task.due() is None
    now[0] = 1000.0
    assert task.due() is None, "member 2 has not joined"
    hear(task, table, table.publish(2, dict(table.due())[2]))
    now[0] = 2000.0
    draft = task.due()  # type: ignore[assignment]
    assert draft
    assert name_of(draft.body) == "deal"


@pytest.mark.parametrize("is_wrong", [False, True], ids=["junk", "wrong certificate"])
def test_what_another_says_before_its_right_certificate_keeps_nobody_in_a_dead_session(is_wrong):
    """A member that was last to certify: typed again, the ceremony ends with the key or goes on."""
    table = CeremonyTable(toy_federation(3, 2))
    while not (2 in (due := dict(table.due())) and isinstance(due[2].body, Certificate)):
        for sender, draft in due.items():
            table.publish(sender, draft)
    for sender in (1, 3):
        table.publish(sender, due[sender])
    wrong = Certificate(bytes(32), due[2].body.epoch)
    table.publish(2, Draft(CEREMONY, wrong if is_wrong else Step("deal", 0, 0, ())))
    table.publish(2, due[2])
    for sender, draft in table.due():
        table.publish(sender, draft)
    task, seeds = seated(table)
    assert (task.session, task.done) == (("ceremony/2", False) if is_wrong else (CEREMONY, True))
    assert bool(seeds.kept) != is_wrong


def test_no_ceremony_makes_a_key_where_the_terms_take_one_over() -> None:
    terms = toy_federation(3, 2).terms
    anew = replace_terms(terms, predecessor=Predecessor(bytes(32), "ceremony"))
    CeremonyTask(anew, MEMBER, Seeds("toy", MEMBER))
    taken_over = replace_terms(terms, predecessor=Predecessor(bytes(32), "handover"))
    with pytest.raises(NoCeremony):
        CeremonyTask(taken_over, MEMBER, Seeds("toy", MEMBER))
