"""A member aborts without need, or accuses an honest one of what it alone could see.

"It sealed nonsense for me" cannot be checked from outside: Gennaro, Jarecki, Krawczyk, Rabin,
EUROCRYPT 1999, let the accused answer in public. Here all seeds are disclosed instead, and with
the accuser's the seal opens for everyone.
"""

import pytest

from protocol.board.draft import Draft
from protocol.ceremony import judgement
from protocol.messages.ceremony import Abort, Disclosure, Step
from tests.stage.ceremony.adversary import PLAN, AttackTable, Malicious, assert_caught, in_simulator
from tests.stage.toy import CEREMONY, Tamper, seed_of

ACCUSER, ACCUSED = 2, 3
CLAIMS = [
    Abort(ACCUSED, "deal", "a payload does not open"),
    Abort(ACCUSED, "winner", "a share does not fit its commitments"),
    Abort(0, "moduli", "I do not like it"),
    Abort(ACCUSER, "moduli", "it was me"),
]


def accusing(step: str, claim: Abort, seed: bytes | None = None) -> Tamper:
    """The accuser says its claim in place of a step; and perhaps discloses another seed."""

    def tamper(sender: int, draft: Draft) -> Draft:
        body = draft.body
        if sender == ACCUSER and isinstance(body, Step) and body.step == step:
            return Draft(CEREMONY, claim)
        if sender == ACCUSER and isinstance(body, Disclosure) and seed:
            return Draft(CEREMONY, Disclosure(seed))
        return draft

    return tamper


def table_with(tamper: Tamper) -> AttackTable:
    table = AttackTable(PLAN, {})
    table.run(tamper)
    return table


@pytest.mark.parametrize("step", ["moduli-commit", "screen", "theta", "trial"])
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.reason)
def test_a_false_accuser_is_named_and_nobody_else(step, claim):
    table = table_with(accusing(step, claim))
    verdict = table.verdict
    assert verdict.culprits == {ACCUSER: "it aborted without reason"}
    assert verdict.silent == ()
    assert not any(machine.outcome for machine in table.machines.values())


class FalseAccuser(Malicious):
    """It aborts when the moduli are to be opened, with a claim against an honest member."""

    def due(self) -> Draft | None:
        if self.aborted or self._step.name != "moduli":
            return super().due()
        return Draft(CEREMONY, CLAIMS[0])


class Framer(FalseAccuser):
    """And discloses another seed, with which the accused one's seal does not open."""

    def due(self) -> Draft | None:
        draft = super().due()
        framing = draft and isinstance(draft.body, Disclosure)
        return Draft(CEREMONY, Disclosure(seed_of("not", "mine"))) if framing else draft


@pytest.mark.parametrize("party", [FalseAccuser, Framer])
def test_among_simulated_hospitals_the_accuser_alone_is_named_too(party):
    assert_caught(in_simulator({ACCUSER: party}), ACCUSER)


def test_without_the_replay_everyone_would_believe_the_accuser():
    table = table_with(accusing("moduli-commit", CLAIMS[0]))
    assert {m.failure.culprit for m in table.machines.values() if m.failure} == {ACCUSED}


def test_another_seed_disclosed_to_frame_the_sender_of_a_good_seal_frames_nobody():
    table = table_with(accusing("moduli-commit", CLAIMS[0], seed_of("not", "mine")))
    verdict = table.verdict
    assert set(verdict.culprits) == {ACCUSER}
    assert "another seed" in verdict.culprits[ACCUSER]


def test_were_the_seed_not_bound_at_the_join_the_sender_would_be_framed(monkeypatch):
    monkeypatch.setattr(judgement._Court, "_is_bound", lambda court, member: True)
    table = table_with(accusing("moduli-commit", CLAIMS[0], seed_of("not", "mine")))
    culprits = table.verdict.culprits
    assert culprits[ACCUSED] == f"deal: what it sealed for member {ACCUSER} does not open"


def test_who_accuses_a_culprit_of_the_wrong_thing_is_named_beside_it():
    """Right about who, wrong about what: a machine gives its reason to the letter."""

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender == ACCUSER and isinstance(draft.body, Abort):
            return Draft(CEREMONY, Abort(draft.body.culprit, "deal", "I say so"))
        if sender == ACCUSED and isinstance(draft.body, Step) and draft.body.step == "moduli":
            return Draft(CEREMONY, Step("no-such-step", 0, 0, ()))
        return draft

    verdict = table_with(tamper).verdict
    assert set(verdict.culprits) == {ACCUSER, ACCUSED}
