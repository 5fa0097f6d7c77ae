"""A member spoils a ceremony in a way that leaves no seed of it to replay, to go unnamed.

Who never joined is bound to no seed, and who has certified keeps its own: both would be excused
if the verdict asked only those whose seeds it has. Identifiable abort: Ishai, Ostrovsky, Zikas,
CRYPTO 2014.
"""

import pytest

from protocol.board import epoch_of
from protocol.board.draft import Draft
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Step
from tests.stage.ceremony.altered import instead
from tests.stage.toy import CEREMONY, CeremonyTable, Tamper, toy_federation

CULPRIT = 2
CERTIFICATE = Certificate(bytes(32), b"a key")
CERTIFYING_SOMETHING_ELSE = instead(CULPRIT, "certificate", CERTIFICATE)


def honest_but_the_culprit(table: CeremonyTable, tamper: Tamper) -> CeremonyTable:
    """All but the culprit go on by themselves; it says what ``tamper`` gives, and nothing after."""
    while due := [(i, d) for i, d in table.due() if i != CULPRIT or not table.machines[i].aborted]:
        for sender, draft in due:
            table.publish(sender, tamper(sender, draft))
    return table


@pytest.mark.parametrize(
    "said",
    [Abort(1, "join", "I accuse"), Abort(0, "join", "no"), Step("deal", 0, 0, ()), CERTIFICATE],
    ids=["accusation", "abort", "step", "certificate"],
)
def test_who_spoils_a_ceremony_without_joining_it_is_named(said: Body) -> None:
    table = CeremonyTable(toy_federation(3, 2))
    table.publish(1, table.machines[1].due())  # type: ignore[arg-type]
    table.publish(CULPRIT, Draft(CEREMONY, said))
    honest_but_the_culprit(table, lambda sender, draft: draft)
    verdict = table.verdict
    assert set(verdict.culprits) == {CULPRIT}, verdict
    assert verdict.evidence[CULPRIT] == 2


def test_who_sees_a_rule_broken_before_it_joined_may_say_so() -> None:
    table = CeremonyTable(toy_federation(3, 2))
    for machine in (1, 3):
        table.publish(machine, table.machines[machine].due())  # type: ignore[arg-type]
    table.publish(3, Draft(CEREMONY, Step("deal", 0, 0, ())))
    assert isinstance(table.machines[2].due().body, Abort)
    table.publish(2, table.machines[2].due())  # type: ignore[arg-type]
    table.run()
    assert set(table.verdict.culprits) == {3}


@pytest.mark.parametrize("step", ["moduli", "trial"])
def test_a_certificate_that_was_not_due_excuses_nobody(step: str) -> None:
    """The lie is the culprit's last post but one; then it certifies, and keeps its seed."""
    table = CeremonyTable(toy_federation(3, 2))

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender == CULPRIT and isinstance(draft.body, Step) and draft.body.step == step:
            table.publish(CULPRIT, Draft(CEREMONY, Step(step, 0, 0, ())))
            return Draft(CEREMONY, CERTIFICATE)
        return draft

    honest_but_the_culprit(table, tamper)
    assert not any(machine.outcome for machine in table.machines.values())
    verdict = table.verdict
    assert set(verdict.culprits) == {CULPRIT}
    assert verdict.silent == (CULPRIT,)


def test_one_that_certified_before_another_aborted_without_need_is_neither_guilty_nor_silent():
    abort = Abort(1, "trial", "I do not like it")
    table = CeremonyTable(toy_federation(3, 2)).run(instead(CULPRIT, "certificate", abort))
    # Hospital 3's certificate was on its way when the abort came: it keeps its seed all the same.
    assert [p.post.sender for p in table.board.entries if isinstance(p.post.body, Disclosure)] == [
        CULPRIT
    ]
    verdict = table.verdict
    assert (set(verdict.culprits), verdict.silent) == ({CULPRIT}, ())


def test_who_certifies_something_else_than_the_others_is_named():
    table = CeremonyTable(toy_federation(3, 2))
    honest_but_the_culprit(table, CERTIFYING_SOMETHING_ELSE)
    assert not any(machine.outcome for machine in table.machines.values())
    verdict = table.verdict
    assert set(verdict.culprits) == {CULPRIT}, verdict


@pytest.mark.parametrize("is_true", [True, False], ids=["true certificate", "false certificate"])
def test_who_certifies_first_and_then_aborts_is_named_though_it_keeps_its_seed(is_true: bool):
    table = CeremonyTable(toy_federation(5, 3)).before_the_end()
    own = table.machines[CULPRIT].due()
    assert own is not None
    table.publish(CULPRIT, own if is_true else Draft(CEREMONY, CERTIFICATE))
    table.publish(CULPRIT, Draft(CEREMONY, Abort(1, "trial", "I do not like this N")))
    table.run()
    assert not any(machine.outcome for machine in table.machines.values())
    verdict = table.verdict
    assert set(verdict.culprits) == {CULPRIT}, verdict
    # Certificates that come after the abort make no epoch either.
    for i, machine in table.machines.items():
        if i != CULPRIT:
            table.say(i, Draft(CEREMONY, machine.unsealed()))  # type: ignore[arg-type]
    assert epoch_of(table.board.entries, table.federation.terms) is None


def test_an_honest_member_that_certified_may_abort_over_anothers_certificate() -> None:
    table = CeremonyTable(toy_federation(5, 3)).run(CERTIFYING_SOMETHING_ELSE)
    aborted = {p.post.sender for p in table.board.entries if isinstance(p.post.body, Abort)}
    assert aborted & {1, 3, 4, 5}
    assert set(table.verdict.culprits) == {CULPRIT}
