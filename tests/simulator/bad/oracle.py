"""What must be true after a run with bad holders, judged from disks, events, board and record."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from participant.app.calls import config_of
from protocol.board.post import B, Posted, of_kind
from protocol.board.suite import suite_of
from protocol.messages.rounds import (
    Closing,
    Complaint,
    Contribution,
    Opening,
    Partial,
    Refusal,
    SetLock,
    Statement,
)
from protocol.messages.session import round_session
from protocol.record.audit.checks import audit
from tests.simulator.bad.federation import ROUNDS, BadFederation, Fresh, Hold, Holder
from tests.simulator.bad.holder import HONEST, UNFIT, Script
from tests.simulator.studies.studied import Violation, model_of
from tests.stage.rounds.averages import Given, is_next
from tests.stage.studies import STUDY

Members = frozenset[int]
ONE_OF_TWO = "one of the two is wrong"  # of who says so without a proof: it blames nobody
NO_BLAME = (ONE_OF_TWO, "is missing or came too late")  # a crash is enough for a late checksum


def judge(federation: BadFederation, in_time: bool) -> None:
    """Raises Violation if the run is one that must not be."""
    failures = {h.index: h.failure for h in federation.honest if h.failure}
    if failures:
        raise Violation(f"honest hospitals failed: {failures!r}")
    if not in_time:
        where = {h.index: h.agent.task.finished for h in federation.honest}
        raise Violation(f"no end in sight after {federation.clock.now:.0f} s: {where}")
    facts = Facts(federation)
    facts.nobody_honest_refuses_or_is_named()
    for hold in federation.holds:
        facts.it_had_to_be_held_back(hold)
        facts.all_are_told(hold)
    facts.nothing_else_is_held_back()
    facts.what_is_given_up_is_not_closed()
    facts.the_models_are_the_averages()
    facts.no_few_are_shown()
    facts.the_culprits_are_named()
    facts.the_record_stands()


def shows_few(sets: Sequence[Members], n_members: int, least: int) -> Members | None:
    """Fewer than ``least`` members whom a combination of sums holds alone; None if there are none.

    By ranks: some combination vanishes at all others, and is not nothing.
    """
    rows = np.array([[int(m in one) for m in range(1, n_members + 1)] for one in sets])
    rank = np.linalg.matrix_rank(rows)
    for size in range(1, least):
        for few in itertools.combinations(range(n_members), size):
            if np.linalg.matrix_rank(np.delete(rows, few, axis=1)) < rank:
                return frozenset(m + 1 for m in few)
    return None


class Facts:
    """One run, asked one thing after the other."""

    def __init__(self, federation: BadFederation) -> None:
        self._run, self._terms = federation, federation.terms
        self._entries = federation.board.entries
        self._bad = federation.bad.scripts.keys()
        stuck = [h.number for h in federation.holds if h.way_out in (None, "ends")]
        self._last = stuck[0] - 1 if stuck else ROUNDS  # that is finished
        self._given_up = {h.number for h in federation.holds if h.way_out == "ends"}

    # ── reading ──

    def _said(self, number: int, kind: type[B]) -> list[Posted[B]]:
        session = round_session(STUDY, number)
        return [p for p in of_kind(self._entries, kind) if p.post.session == session]

    def _body(self, number: int, kind: type[B]) -> B | None:
        return next((p.post.body for p in self._said(number, kind)), None)

    def _contributors(self, number: int) -> Members | None:
        closing = self._body(number, Closing)
        return frozenset(c.member for c in closing.contributors) if closing else None

    def _opened(self, before: int) -> dict[bytes, list[Members]]:
        """By model, the sets of the rounds in which an honest hospital has helped to decrypt."""
        found: dict[bytes, list[Members]] = {}
        for number in range(1, before):
            opening, contributors = self._body(number, Opening), self._contributors(number)
            helpers = {p.post.sender for p in self._said(number, Partial)} - self._bad
            if opening and contributors and helpers:
                found.setdefault(opening.model, []).append(contributors)
        return found

    def _names(self, members: Members | tuple[int, ...]) -> set[str]:
        return {self._terms.name_of(m) for m in members}

    def _events(self, hospital: Holder, name: str) -> Iterator[tuple[int, dict[str, object]]]:
        return ((number, facts) for _, number, event, facts in hospital.events if event == name)

    def _has(self, hospital: Holder, name: str, number: int, key: str, member: int) -> bool:
        """Whether a hospital has reported an event of a round in which a member is named."""
        who = self._terms.name_of(member)
        found = (facts[key] for k, facts in self._events(hospital, name) if k == number)
        return any(who == one or (isinstance(one, list) and who in one) for one in found)

    def _act(self, member: int, number: int, step: str) -> str:
        hospital = self._run.hospitals[member]
        assert isinstance(hospital, Holder)
        return hospital.did.get((number, step), "")

    # ── what must be true ──

    def nobody_honest_refuses_or_is_named(self) -> None:
        for posted in self._entries:
            if isinstance(posted.post.body, Refusal) and posted.post.sender not in self._bad:
                raise Violation(f"an honest hospital refuses: {posted.post}")
        accusing = {
            "wrong-partial": "members", "false-complaint": "by", "false-checksum": "members",
            "disagreement": "members", "held-back": "members",
        }  # fmt: skip
        for hospital in self._run.honest:
            for name, key in accusing.items():
                for number, facts in self._events(hospital, name):
                    named = facts[key] if isinstance(facts[key], list) else [facts[key]]
                    if wrongly := set(named) - self._names(frozenset(self._bad)):  # type: ignore[call-overload]
                        raise Violation(f"{hospital}, round {number}: {name} of {wrongly}")

    def it_had_to_be_held_back(self, hold: Hold) -> None:
        """A round before it was void, and no sum of what could be added hides enough."""
        terms, opening = self._terms, self._body(hold.number, Opening)
        assert opening is not None
        opened = self._opened(hold.number).get(opening.model, [])
        if not opened:  # only a void round leaves the model that its sum began from
            raise Violation(f"round {hold.number} is held back, and none was void before")
        for size in range(terms.least_contributors, len(hold.fit) + 1):
            for some in map(frozenset, itertools.combinations(hold.fit, size)):
                if not shows_few([*opened, some], terms.n_members, terms.least_difference):
                    raise Violation(f"round {hold.number} is held back, but {set(some)} hide")
        if not hold.awaited <= self._bad or hold.awaited & hold.fit:
            raise Violation(f"round {hold.number} waits for {hold.awaited}")

    def all_are_told(self, hold: Hold) -> None:
        """Aggregator and honest hospitals name the same ones to be waited for."""
        if set(hold.status) != self._names(hold.awaited):
            raise Violation(f"round {hold.number} waits for {hold.status} by the status")
        for hospital in self._run.honest:
            if frozenset(hold.told[hospital.index] or ()) != hold.awaited:
                raise Violation(f"{hospital} waits for {hold.told[hospital.index]} instead")
            reported = [f for k, f in self._events(hospital, "held-back") if k == hold.number]
            if not any(set(f["members"]) == self._names(hold.awaited) for f in reported):  # type: ignore[call-overload]
                raise Violation(f"{hospital} has not reported for whom round {hold.number} waits")

    def what_is_given_up_is_not_closed(self) -> None:
        for number in self._given_up:
            if self._said(number, Closing):
                raise Violation(f"round {number} is closed, though it was given up")

    def nothing_else_is_held_back(self) -> None:
        """Nobody reports a round that was not found to be.

        But for one that waited until a bad holder, back by itself, contributed as the last.
        """
        numbers = {hold.number for hold in self._run.holds}
        for hospital in self._run.honest:
            for number, facts in self._events(hospital, "held-back"):
                if number not in numbers and not self._came_last(number, facts["members"]):
                    raise Violation(f"{hospital} reports of round {number}: held-back {facts}")

    def _came_last(self, number: int, names: object) -> bool:
        """Whether these, bad ones all, contributed to the round after all honest hospitals."""
        at = {p.post.sender: p.position for p in self._said(number, Contribution)}
        members = [m for m in at if self._terms.name_of(m) in names]  # type: ignore[operator]
        others = [position for member, position in at.items() if member not in self._bad]
        return bool(members) and all(m in self._bad and at[m] > max(others) for m in members)

    def the_models_are_the_averages(self) -> None:
        """All honest hospitals hold one model after each round, and the right one."""
        model = self._initial()
        for number in range(1, self._last + 1):
            found = [self._model(hospital, number) for hospital in self._run.honest]
            if not all(np.array_equal(one, found[0]) for one in found):
                raise Violation(f"the models after round {number} differ: {found}")
            model = self._judged(number, model, found[0])

    def _judged(self, number: int, model: np.ndarray, found: np.ndarray) -> np.ndarray:
        contributors = self._contributors(number)
        assert contributors is not None
        acts = {m: self._act(m, number, "give") for m in contributors}
        if unfit := {m for m, act in acts.items() if act in UNFIT}:
            raise Violation(f"the sum of round {number} has the contributions of {unfit}")
        voids = {
            h.index for h in self._run.honest if number in {k for k, _ in self._events(h, "void")}
        }
        if voids not in (set(), {h.index for h in self._run.honest}):
            raise Violation(f"round {number} is void for {voids} only")
        is_spoilt = "void" in acts.values()
        if bool(voids) != is_spoilt:
            raise Violation(f"round {number} is void: {bool(voids)}, spoilt: {is_spoilt}")
        given = self._given(number, model, contributors, acts)
        opening = self._body(number, Opening)
        assert opening is not None
        slots = suite_of(opening.suite, self._run.study).slots(opening)
        is_right = np.array_equal(found, model) if voids else is_next(found, model, given, slots)
        if not is_right:
            raise Violation(f"the model after round {number} is {found}: {model} and {given}")
        return found

    def _given(
        self, number: int, model: np.ndarray, contributors: Members, acts: dict[int, str]
    ) -> list[Given]:
        """The examples and updates of contributors."""
        given = []
        for member in contributors:
            is_far = acts[member] == "weights"
            app = Fresh(member, Script({(number, "give"): "weights"}) if is_far else HONEST)
            given.append((app.index + 1, app.fitted(model, number) - model))
        return given

    def _model(self, hospital: Holder, number: int) -> np.ndarray:
        found = model_of(hospital, STUDY, number)
        if found is None:
            raise Violation(f"{hospital} has no model of round {number}")
        return found

    def _initial(self) -> np.ndarray:
        return Fresh(0).initial_parameters(config_of(self._run.study, 0))[0]

    def no_few_are_shown(self) -> None:
        """No combination of the opened sums from one model holds fewer members than it must."""
        terms = self._terms
        for sets in self._opened(ROUNDS + 1).values():
            if few := shows_few(sets, terms.n_members, terms.least_difference):
                raise Violation(f"the sums of {sets} show {set(few)}")

    # ── whom the board shows ──

    def the_culprits_are_named(self) -> None:
        """By every honest hospital, if it was still in the round, or had not left its model."""
        for number in range(1, ROUNDS + 1):
            self._parts_are_named(number)
            self._accusations_are_named(number)
            self._checksums_are_named(number)
        for number in range(self._last + 1):
            self._statements_are_named(number)

    def _in_time(self, number: int) -> float:
        """The entry up to which all honest hospitals look at what is said of a round."""
        if number + 1 in self._given_up:
            return 0
        return min((p.position for p in self._said(number + 1, Closing)), default=float("inf"))

    def _all_report(self, name: str, number: int, key: str, member: int) -> None:
        for hospital in self._run.honest:
            if not self._has(hospital, name, number, key, member):
                raise Violation(f"{hospital} does not report: round {number}, {name} of {member}")

    def _parts_are_named(self, number: int) -> None:
        for posted in self._said(number, Partial):
            act = self._act(posted.post.sender, number, "help")
            is_proven = act in ("numbers", "payload")
            if is_proven and posted.position < self._in_time(number):
                self._all_report("wrong-partial", number, "members", posted.post.sender)

    def _accusations_are_named(self, number: int) -> None:
        for posted in self._said(number, Complaint):
            sender, body = posted.post.sender, posted.post.body
            is_false = sender in self._bad and body.key and body.member not in self._bad
            if is_false and posted.position < self._in_time(number):
                self._all_report("false-complaint", number, "by", sender)

    def _checksums_are_named(self, number: int) -> None:
        if any(number == k for h in self._run.honest for k, _ in self._events(h, "void")):
            return  # the vectors are not read when the sum's first chunk is none
        first = min((p.position for p in self._said(number, Partial)), default=0)
        for posted in self._said(number, SetLock):
            sender, contributors = posted.post.sender, self._contributors(number)
            if self._act(sender, number, "lock") != "checksum" or posted.position > first:
                continue
            if contributors and sender in contributors and self._run.plan.suite == "hybrid":
                self._all_report("false-checksum", number, "members", sender)

    def _statements_are_named(self, number: int) -> None:
        last = {p.post.sender: p for p in self._said(number, Statement)}
        about = {m: p.post.body.about for m, p in last.items()}  # not what bounds they ask for
        right = {said for m, said in about.items() if m not in self._bad}
        if len(right) > 1:
            raise Violation(f"honest hospitals state {right} after round {number}")
        for member, posted in last.items():
            if about[member] not in right and posted.position < self._in_time(number):
                self._all_report("disagreement", number, "members", member)

    def the_record_stands(self) -> None:
        """No check fails, and what it finds is about the bad ones, or nobody."""
        found = audit(self._run.record(), bytes(32), None)
        if failed := {r.number: r.failures for r in found.results if r.failures}:
            raise Violation(f"the record fails: {failed}")
        honest = {self._terms.name_of(h.index) for h in self._run.honest}
        remarks = [remark for r in found.results for remark in r.findings]
        if untrue := [r.findings for r in found.results if r.number == "4.4" and r.findings]:
            raise Violation(f"the record calls an honest aggregator's reasons untrue: {untrue}")
        blaming = [r for r in remarks if not any(said in r.reason for said in NO_BLAME)]
        if wrongly := [remark for remark in blaming if remark.party in honest]:
            raise Violation(f"the record blames honest hospitals: {wrongly}")
        named = {(remark.party, remark.entry) for remark in remarks}
        for posted in self._shown():
            if (self._terms.name_of(posted.post.sender), posted.position) not in named:
                raise Violation(f"the record does not name the sender of {posted.post}")

    def _shown(self) -> Iterator[Posted]:
        """Posts that the record itself shows to be wrong: locks of a set that nobody closed."""
        for number in range(1, ROUNDS + 1):
            right = {
                p.post.body.chosen
                for p in self._said(number, SetLock)
                if p.post.sender not in self._bad
            }
            for posted in self._said(number, SetLock):
                if right and posted.post.body.chosen not in right:
                    yield posted
