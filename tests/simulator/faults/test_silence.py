"""A hospital goes down in the middle of a ceremony: the others give it up, and make a key with it.

The hospital dies whenever it would speak in one step of the first ceremony, as a machine does that
is switched off and on again, until it is well again or the ceremony has ended without it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from participant.ceremony.task import CeremonyTask
from protocol.board.draft import Draft
from protocol.ceremony.judgement import Verdict, judge
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Join, Overdue
from protocol.record.audit.checks import audit
from tests.simulator import federation, oracle
from tests.simulator.disk import Crash
from tests.simulator.federation import Federation, memory_folder
from tests.simulator.liar import FIRST
from tests.simulator.oracle import stored_keys
from tests.simulator.plan import Plan
from tests.stage.ceremony.adversary import winners_dealers
from tests.stage.ceremony.small_ceremony import STEPS, name_of

SECONDS = 60
PLAN = Plan(seed=0, n_members=4, quorum=2, step_seconds=SECONDS)
FAST = {"moduli"}
LATE = [pytest.param(s, marks=[] if s in FAST else pytest.mark.slow) for s in STEPS if s != "join"]


class Night(Federation):
    """One hospital is down in a step of the first ceremony; ``until``: when it is well again."""

    def __init__(self, folder, step: str, until: float = float("inf")) -> None:
        super().__init__(PLAN, folder)
        self.silent = winners_dealers(PLAN)[0]  # it has something to say in every step
        for hospital in self.hospitals.values():
            hospital.tries_again = True
        self.hospitals[self.silent].lie = self._down_in(step, until)
        self.times: dict[str, float] = {}

    def _down_in(self, step: str, until: float) -> Callable[[Draft, int], Draft]:
        def die(draft: Draft, victim: int) -> Draft:
            if name_of(draft.body) == step and self.clock.now < until:
                raise Crash
            return draft

        return die

    @property
    def others(self):
        return [h for i, h in self.hospitals.items() if i != self.silent]

    def said(self, kind: type) -> list[int]:
        """Who has said something of a kind in the first ceremony, in their order."""
        entries = self.board.session(FIRST)
        return [p.post.sender for p in entries if isinstance(p.post.body, kind)]

    @property
    def verdict(self) -> Verdict:
        return judge(self.terms, FIRST, self.board.session(FIRST), self.payloads)


@contextmanager
def ended(
    step: str, epoch: int, until: float = float("inf"), factor: float | None = None
) -> Iterator[Night]:
    """A night after which all hold a share of that epoch.

    factor: how fast the aggregator's clock runs, 0 if it stands still; None for as all others'.
    """
    with memory_folder() as folder:
        night = Night(folder, step, until)
        if factor is not None:
            night.clock.after(0.0, lambda: ahead(night, factor))
        assert oracle.judge(night, night.run()) == "done"
        assert {key.number for key, _ in stored_keys(night).values()} == {epoch}
        yield night


@pytest.mark.parametrize("step", LATE)
def test_whoever_is_silent_in_a_step_is_shown_and_all_make_a_key_in_the_next_ceremony(step):
    with ended(step, epoch=2) as night:
        for hospital in night.others:
            ((session, failure),) = hospital.aborts
            assert (session, failure.step, failure.culprit) == (FIRST, step, 0)
            assert failure.silent == (night.silent,)
            assert f"member {night.silent}, waited for since 1970-01-01 00:0" in failure.reason
        verdict = night.verdict
        assert not verdict.culprits, "times are the aggregator's"
        assert verdict.given_up is not None
        assert (verdict.given_up.step, verdict.given_up.silent) == (step, (night.silent,))
        # Who has come back discloses its seed, but not one that may have let a certificate out.
        kept = {night.silent} if step == "certificate" else set()
        assert set(verdict.silent) == kept
        certified = set(night.said(Certificate))
        assert certified == ({h.index for h in night.others} if step == "certificate" else set())
        everyone = set(night.hospitals)
        assert set(night.said(Disclosure)) == everyone - certified - kept


@pytest.mark.slow
@pytest.mark.parametrize("step", ["moduli", "certificate"])
def test_the_record_holds_and_tells_whose_silence_ended_the_ceremony(step):
    with memory_folder() as folder:
        night = Night(folder, step)
        assert night.run()
        found = audit(night.record(), bytes(32), None)
        assert not any(r.failures for r in found.results)
        (remarks,) = [r.findings for r in found.results if r.number == "3.7"]
        assert {f.party for f in remarks} == {f"hospital {night.silent}"}
        assert sum("given up" in f.reason for f in remarks) == 1


@pytest.mark.slow
def test_a_hospital_that_is_back_within_the_time_goes_on_where_it_was():
    with ended("screen-commit", epoch=1, until=0.9 * SECONDS) as night:
        assert not night.said(Overdue)
        assert not night.said(Abort)


@pytest.mark.slow
def test_who_has_not_joined_is_waited_for_without_a_limit():
    with ended("join", epoch=1, until=5 * SECONDS) as night:
        assert not night.said(Overdue)
        assert night.said(Join)[-1] == night.silent
        assert night.clock.now > 5 * SECONDS


def ahead(night: Night, factor: float) -> None:
    """Let the aggregator's clock run faster than everybody else's, or stand still."""
    clock = night.aggregator._clock
    clock._now_ms = clock._steady_ms = lambda: int(factor * night.clock.now * 1000)


@pytest.mark.slow
def test_a_clock_of_the_aggregators_that_runs_ahead_gives_up_no_ceremony():
    with ended("screen-commit", epoch=1, until=0.9 * SECONDS, factor=100):
        pass


@pytest.mark.slow
def test_a_clock_of_the_aggregators_that_stands_still_holds_no_ceremony_for_ever():
    with ended("moduli", epoch=2, factor=0) as night:
        assert night.verdict.given_up is not None
        assert night.verdict.given_up.silent == (night.silent,)
        assert len(set(night.said(Overdue))) >= 2, "t + 1 of four"


@pytest.mark.slow
def test_a_hospital_that_does_not_wait_by_its_own_clock_never_says_that_others_are_late(
    monkeypatch,
):
    """Negative control of the clocks: the board's times alone end nothing."""
    with memory_folder() as folder:
        night = Night(folder, "moduli")
        for hospital in night.hospitals.values():
            hospital.clock = lambda: 0.0
        monkeypatch.setattr(federation, "TIME_LIMIT", 4.0 * SECONDS)
        assert night.run() is False
        assert not night.said(Overdue)
        assert isinstance(night.others[0].agent.task, CeremonyTask)
