"""Who broke the rules, as a member that comes later reads it from the board."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.server.service import Aggregator
from participant.agent.agent import Agent
from participant.ceremony.task import CeremonyTask
from participant.ceremony.verdict import VerdictTask
from participant.errors import NotAborted
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.ceremony.run import StepId
from protocol.errors import CeremonyFailed
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Abort, Disclosure, Step
from protocol.wire.frames import BlobChunk, BlobOffer, Submit
from tests.simulator.disk import Disk
from tests.simulator.federation import memory_folder
from tests.simulator.hospital import Hospital
from tests.simulator.plan import Plan
from tests.stage.ceremony.adversary import PLAN, AttackedFederation, Malicious
from tests.stage.consortium import Consortium, ended, found, run_all
from tests.stage.saying import connect
from tests.stage.toy import CEREMONY, CeremonyTable, Federation, Tamper, toy_epoch, toy_federation

LIAR = 2


def sealing_nonsense(sender: int, draft: Draft) -> Draft:
    """The liar's deal holds bytes for member 3 that do not open."""
    body = draft.body
    if sender != LIAR or not isinstance(body, Step) or body.step != "deal":
        return draft
    nonsense = bytes(50)
    attachments = tuple(attach(nonsense, 3) if a.to == 3 else a for a in body.attachments)
    return Draft(draft.session, Step(*body.id, attachments), draft.blobs)


def and_keeping_its_seed(sender: int, draft: Draft) -> Draft:
    """As before, and then the liar aborts once more instead of disclosing."""
    if sender == LIAR and isinstance(draft.body, Disclosure):
        return Draft(draft.session, Abort(3, "deal", "member 3 it was\u202e"))
    return sealing_nonsense(sender, draft)


def played(tamper: Tamper, federation: Federation | None = None) -> CeremonyTable:
    """A ceremony with a liar at the table; a second abort is taken for its last word."""
    table = CeremonyTable(federation or toy_federation(3, 2))
    while due := table.due():
        for sender, draft in due:
            said = tamper(sender, draft)
            table.publish(sender, said)
            if isinstance(draft.body, Disclosure) and said is not draft:
                table.machines[sender].disclosed[sender] = b""  # or it would be due for ever
    return table


def served(table: CeremonyTable, folder: Path) -> Aggregator:
    """An aggregator with a table's board and blobs."""
    federation = table.federation
    service = Aggregator(federation.terms, federation.keys[0], folder, lambda: 0)
    for name, blob in table.blobs.items():
        for frame in (BlobOffer(name, len(blob)), BlobChunk(name, len(blob), 0, blob)):
            list(service.receive(1, frame))
    for posted, entry in zip(table.board.entries, table.entries, strict=True):
        list(service.receive(posted.post.sender, Submit(entry.post)))
    assert service.board.head == table.board.head
    return service


def reading(table: CeremonyTable, folder: Path, index: int = 1) -> VerdictTask:
    """A member's task, when its agent has read the board."""
    terms, keys = table.federation.terms, table.federation.keys
    task = VerdictTask(terms)
    service = served(table, folder)
    connect(Agent(terms, index, keys[index], Disk(), task), service)
    service.close()
    return task


def test_a_culprit_is_named_with_the_entry_that_shows_it(tmp_path: Path) -> None:
    table = played(sealing_nonsense)
    task = reading(table, tmp_path)
    assert task.done
    verdict = task.verdict()
    assert verdict.culprits == {LIAR: "deal: what it sealed for member 3 does not open"}
    post = table.board.entries[verdict.evidence[LIAR] - 1].post
    assert (post.sender, post.body.step) == (LIAR, "deal")
    assert task.disclosed == (1, 2, 3)
    assert (task.accusations[0].by, task.accusations[0].culprit) == (3, LIAR)


def test_without_what_was_sealed_for_others_there_is_no_evidence(tmp_path: Path) -> None:
    table, terms = played(sealing_nonsense), toy_federation(3, 2).terms
    task = VerdictTask(terms)
    task.reads_all = False
    connect(Agent(terms, 1, table.federation.keys[1], Disk(), task), served(table, tmp_path))
    assert set(task.verdict().culprits) == {1, 2, 3}, "each is missed what it sealed for others"


def test_who_keeps_its_seed_is_waited_for_and_then_silent(tmp_path: Path) -> None:
    task = reading(played(and_keeping_its_seed), tmp_path)
    assert task.has_read
    assert not task.done
    waiting = task.waiting(Board(toy_federation(3, 2).terms))
    assert waiting.members == (LIAR,)
    verdict = task.verdict()
    assert (set(verdict.culprits), verdict.silent) == ({LIAR}, (LIAR,))


def test_the_last_aborted_ceremony_is_judged_and_none_that_is_far_ahead() -> None:
    table = played(sealing_nonsense)
    table.say(3, Draft("ceremony/2", Abort(1, "join", "no")))
    table.say(LIAR, Draft("ceremony/900", Abort(1, "join", "look here")))
    task = VerdictTask(table.federation.terms)
    task.begin(table.board)
    assert task.session == "ceremony/2"
    asked = VerdictTask(table.federation.terms, CEREMONY)
    asked.begin(table.board)
    assert asked.wants(CEREMONY)
    assert not asked.has_read


@pytest.mark.parametrize("session", ["", CEREMONY, "ceremony/5"])
def test_a_ceremony_that_made_its_key_is_not_judged(session: str) -> None:
    made = toy_epoch(3, 2)
    with pytest.raises(NotAborted):
        VerdictTask(made.federation.terms, session).begin(made.table.board)


def test_a_blob_that_two_entries_name_is_read_for_both(tmp_path: Path) -> None:
    """One who attaches the same blob again must not hold up those who read the evidence."""
    federation = toy_federation(3, 2)
    table, blob = CeremonyTable(federation), bytes(5_000)
    for sender in (1, 2):
        table.say(sender, Draft(CEREMONY, Step("deal", 0, 0, (attach(blob, 3),)), (blob,)))
    table.say(3, Draft(CEREMONY, Abort(1, "deal", "out of turn")))
    assert reading(table, tmp_path).n_read == 3


# ── over a bad network ──


class WrongScreen(Malicious):
    """Opens, in the screen, something else than it has computed."""

    def prepare(self, step: StepId, honest: bytes) -> bytes:
        return bytes([honest[0] ^ 1]) + honest[1:] if step.name == "screen" else honest


class JudgingHospital(Hospital):
    """A hospital that looks for the verdict when its ceremony has failed."""

    judges = False

    def start(self) -> None:
        if not self.judges:
            super().start()
            return
        task = VerdictTask(self.terms)
        self.agent = Agent(self.terms, self.index, self.key, self.disk, task)


class JudgingFederation(AttackedFederation):
    """A federation whose honest hospitals all come to a verdict."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        super().__init__(plan, folder, {LIAR: WrongScreen})
        for i, honest in self.honest.items():
            self.hospitals[i] = JudgingHospital(self.terms, i, honest.key, plan, self.chaos)
            self.hospitals[i].disk.hook = honest.disk.hook

    def _is_over(self) -> bool:
        judges = [h for h in self.hospitals.values() if isinstance(h, JudgingHospital)]
        for hospital in judges:
            if isinstance(hospital.failure, CeremonyFailed):
                hospital.failure, hospital.judges = None, True
                hospital.start()
                self._connect(hospital)
        return all(h.judges and h.agent is not None and h.agent.done for h in judges)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_all_honest_hospitals_come_to_the_same_verdict_over_a_bad_network(seed: int) -> None:
    plan = replace(PLAN, seed=seed, drop=0.1, duplicate=0.1, slow=0.2)
    with memory_folder() as folder:
        federation = JudgingFederation(plan, folder)
        assert federation.run()
        verdicts = [h.agent.task.verdict() for h in federation.honest.values()]
    assert all(set(v.culprits) == {LIAR} and not v.silent for v in verdicts), verdicts
    assert len({v.evidence[LIAR] for v in verdicts}) == 1


# ── the commands ──


class LyingTask(CeremonyTask):
    """Seals nonsense for member 3."""

    def due(self) -> Draft | None:
        draft = super().due()
        return draft and sealing_nonsense(LIAR, draft)


def federation_of(consortium: Consortium) -> Federation:
    members = [consortium.member(i).identity.signing_key for i in (1, 2, 3)]
    return Federation(consortium.terms, (consortium.relay.key, *members))


@pytest.fixture(scope="module")
def silenced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """A consortium whose aggregator holds an aborted ceremony with a silent liar."""
    made = found(tmp_path_factory.mktemp("silenced"))
    table = played(and_keeping_its_seed, federation_of(made))
    served(table, made.relay.folder).close()
    with made.relay.running():
        yield made


def test_a_later_verdict_names_the_silent_member_and_what_it_can_do(silenced: Consortium) -> None:
    command = ("verdict", "--timeout", "4")
    output, errors = silenced.typed(1, *command)
    as_json, _ = silenced.typed(3, *command, "--json")
    assert "aborted by H3 in step deal, because of H2" in output
    assert "because of H3: H3 it was\\u202e" in output, "no control characters, and names"
    assert "H2 is silent" in output
    assert "Type at H2: quorate-participant ceremony federation.toml" in output
    assert "Replaying the machines of 2 of 3 hospitals" in errors
    (line,) = as_json.splitlines()
    facts = json.loads(line)
    assert facts["event"] == "aborted"
    assert ([c["name"] for c in facts["culprits"]], facts["silent"]) == (["H2"], ["H2"])
    assert [a["by"] for a in facts["accusations"]] == ["H3", "H2"]


@pytest.mark.parametrize("session", ["ceremony/2", "ceremony/x"])
def test_only_a_ceremony_that_was_aborted_has_a_verdict(silenced: Consortium, session: str) -> None:
    is_name = session == "ceremony/2"
    command = ("verdict", "--session", session, "--timeout", "9")
    _, errors = silenced.typed(1, *command, expect=1 if is_name else 2)
    assert ("ceremony/2 was not aborted" if is_name else "--session") in errors


def test_an_aborted_ceremony_ends_with_its_verdict(tmp_path: Path) -> None:
    made = found(tmp_path)
    liar = made.member(LIAR)
    with made.relay.running():
        other = made.start(3, "ceremony")
        session = made.session(LIAR, LyingTask(made.terms, LIAR, liar.secrets))
        ends: list[BaseException | None] = []
        lying = threading.Thread(target=lambda: ends.extend(run_all([session])))
        lying.start()
        as_json, errors = made.typed(1, "ceremony", "--json", expect=4)
        as_text, _ = ended(other, 4)
        lying.join(60)
        assert "does not open" in str(ends[0])
    facts = [json.loads(line) for line in as_json.splitlines()][-1]
    assert facts["event"] == "aborted"
    (culprit,) = facts["culprits"]
    assert culprit["name"] == "H2"
    assert culprit["reason"].startswith("deal: what it sealed")
    assert f"H2 broke the rules at entry {culprit['entry']}: deal" in as_text
    assert "what it sealed for H3 does not open" in as_text
    said, remedy = errors.splitlines()[-2:]
    assert said.startswith("quorate-participant: ceremony/1 was aborted. H2 broke the rules")
    assert "ask H2 about it" in remedy
