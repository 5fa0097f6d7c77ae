"""Whoever waits is told for whom, for how long, why, and what to type, at every step.

Hospitals' agents speak to a real aggregator; some of them fall silent before one kind of message.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from aggregator.server.service import Aggregator
from aggregator.status.text import render
from participant.agent.agent import Agent
from participant.agent.checkpoint import CHECKPOINT_NAME, Checkpoint
from participant.agent.task import Task
from participant.ceremony.task import CeremonyTask
from participant.cli.commands.rounds import _approval
from participant.cli.commands.telling import Teller
from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.cli.sentences.waiting import waiting_line, why_and_remedy
from participant.cli.views.standing import show_standing
from participant.cli.views.transfer import TransferBar
from participant.cli.views.vigil import Vigil
from participant.errors import OutOfTime
from participant.key.check import KeyCheckTask
from participant.network.session import Session
from participant.network.status import read_report
from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from participant.training.task import TrainingTask
from participant.waiting import Waiting
from protocol.board.board import Post, sign_post
from protocol.board.messages import (
    MAX_POST_BYTES,
    Certificate,
    CheckPart,
    Contribution,
    Join,
    Partial,
    SetLock,
    Statement,
    Step,
)
from protocol.board.wire import FromMember, StatusReport, StatusRequest, Submit, Welcome
from protocol.encoding import decode, encode
from tests.simulator.disk import Disk
from tests.stage.consortium import found
from tests.stage.desk import MODEL, Desk, federation
from tests.stage.rounds.round_table import Steps
from tests.stage.toy import Federation, toy_epoch

TOY = toy_epoch(3, 2)
TERMS = TOY.federation.terms
DURATION = re.compile(r"for (\d+ s|\d+:\d\d (min|h))")
SECRETS = {i: (TOY.epoch, TOY.secrets[i]) for i in TOY.federation.members}


class Seeds:
    """A vault in memory."""

    def __init__(self, member: int) -> None:
        self._seed = bytes([member]) * 32
        self._withheld = False

    def seed(self, session: str) -> bytes:
        return self._seed

    def holds(self, session: str) -> bool:
        return True

    def withhold(self, session: str) -> None:
        self._withheld = True

    def withholds(self, session: str) -> bool:
        return self._withheld

    def keep(self, session: str, epoch: int, secret: bytes) -> None:
        raise AssertionError("nobody gets that far")


class Hall:
    """Hospitals at work on one aggregator, each with what its person reads on standard error."""

    def __init__(self, folder: Path, with_key: bool = True) -> None:
        self.now_ms, self.seconds = 1_000_000_000, 0.0
        self.federation: Federation = TOY.federation
        keys = self.federation.keys
        self.service = Aggregator(TERMS, keys[0], folder, lambda: self.now_ms)
        self.agents: dict[int, Agent] = {}
        self.sessions: dict[int, Session] = {}
        self.tellers: dict[int, Teller] = {}
        self.read: dict[int, list[str]] = {}
        self.disks = {i: Disk() for i in self.federation.members}
        self.silenced: dict[int, type] = {}
        self.silent: set[int] = set()
        if with_key:
            self._certify()

    def _certify(self) -> None:
        for member in self.federation.members:
            head = self.service.board.head
            body = Certificate(b"t" * 32, encode(TOY.epoch))
            post = Post(TERMS.federation, "ceremony/1", member, 0, *head, body)
            self.service.receive(member, Submit(sign_post(post, self.federation.keys[member])))
        head = self.service.board.head
        for disk in self.disks.values():  # or they would look as if they had been put back
            disk.write(CHECKPOINT_NAME, encode(Checkpoint(*head)))

    def come(self, member: int, task: Task) -> None:
        key = self.federation.keys[member]
        agent = Agent(TERMS, member, key, self.disks[member], task)
        agent.connected(Welcome(*self.service.board.head))
        self.agents[member] = agent
        session = self.sessions[member] = Session(agent, key)
        session._no_link = ""
        said = self.read[member] = []
        context = Context(file=Path("federation.toml"), terms=TERMS)
        vigil = Vigil(lambda: self.seconds)
        self.tellers[member] = Teller(lambda: session, context, vigil=vigil, write=said.append)

    def silence(self, members: Sequence[int], kind: type) -> None:
        """These say nothing any more from the first message of that kind on."""
        self.silenced |= dict.fromkeys(members, kind)

    def talk(self) -> None:
        """Until nobody has anything to say."""
        quiet = 0
        while quiet < 2:
            quiet += 1
            for i in [i for i in self.agents if i not in self.silent]:
                quiet = 0 if self._step(i) else quiet
            while self.service.tick():
                quiet = 0

    def _step(self, i: int) -> bool:
        agent, any_said = self.agents[i], False
        if agent.done:
            return False
        agent.receive(self.service.entries_after(agent.board.head.position))
        agent.step()
        for frame in agent.outgoing():
            if self._is_silenced(i, frame):
                self.silent.add(i)
                return True
            for reply in self.service.receive(i, frame):
                agent.receive(reply)
                any_said = True
        return any_said

    def _is_silenced(self, i: int, frame: FromMember) -> bool:
        if i not in self.silenced or not isinstance(frame, Submit):
            return False
        post = decode(frame.post.post, Post, "post", MAX_POST_BYTES)
        return isinstance(post.body, self.silenced[i])

    def wait(self, seconds: float) -> None:
        """Time passes at the hospitals; the aggregator's stands still."""
        for step in (0.0, seconds):
            self.seconds += step
            for i in self.agents:
                if i not in self.silent:
                    self.tellers[i].look()

    def status(self) -> dict[str, Any]:
        return read_report(msgspec.json.encode(self.service.status({})))


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    return Hall(tmp_path)


def train(hall: Hall, i: int) -> None:
    hall.come(i, TrainingTask(TERMS, SECRETS[i], Steps(), hall.disks[i]))


def decrypt(hall: Hall, i: int) -> None:
    hall.come(i, DecryptionTask(TERMS, SECRETS[i], "age", hall.disks[i], lambda _: True))


def contribute(hall: Hall, i: int) -> None:
    numbers = Numbers("ages.json", (Decimal(3), Decimal(4)))
    hall.come(i, StatisticTask(TERMS, SECRETS[i], "age", numbers, hall.disks[i]))


TRAIN = "quorate-participant train federation.toml --app APP.py"
STEPS: dict[str, tuple[type, tuple[int, ...], str, str]] = {
    "statements": (
        Statement,
        (3,),
        "have not said at which model they stand",
        "model they stand, before",
    ),
    "contributions": (Contribution, (3,), "have not contributed", "to contribute to"),
    "locks": (SetLock, (2, 3), "whether they agree to the sum", "agree to the sum of"),
    "parts": (Partial, (2, 3), "part of the decryption is not there", "to help to decrypt"),
}


def check_everywhere(
    hall: Hall, silent: Sequence[int], why: str, typed: str, capsys: Any, step: str
) -> None:
    """What every other hospital is told, in its own words and by ``status``, and the operator."""
    others = [i for i in hall.agents if i not in silent]
    assert others
    names = [f"H{i}" for i in silent]
    hall.wait(130.0)
    for i in others:
        (line,) = hall.read[i]
        for part in (*names, "2:10 min", why, typed):
            assert part in line, (i, part, line)
        assert DURATION.search(line)
    for i in hall.agents:
        show_standing(None, hall.status(), f"H{i}", Context(file=Path("federation.toml")))
        rows = [row for row in capsys.readouterr().out.splitlines() if "waiting for" in row]
        (row,) = [row for row in rows if step in row]
        for part in (*names, " since 1970-01-12T", typed):
            assert part in row, (i, part, row)
        assert ("OTHERS WAIT FOR THIS HOSPITAL" in row) == (i in silent)
    (row,) = [r for r in render(hall.status(), None) if r.startswith("waiting for")]
    assert all(part in row for part in (*names, " since 1970-01-12T", "quorate-participant "))


@pytest.mark.parametrize("step", STEPS)
def test_every_hospital_says_who_keeps_a_round_of_training_waiting(
    hall: Hall, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, silent, why, word = STEPS[step]
    hall.silence(silent, kind)
    for i in TOY.federation.members:
        train(hall, i)
    hall.talk()
    check_everywhere(hall, silent, why, TRAIN, capsys, word)


def test_a_statistic_names_who_has_not_contributed_agreed_or_helped(
    hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    contribute(hall, 1)
    contribute(hall, 2)
    hall.talk()
    decrypt(hall, 1)
    decrypt(hall, 2)
    hall.talk()
    typed = "quorate-participant contribute NUMBERS.csv --federation federation.toml --round age"
    check_everywhere(hall, (3,), "have not contributed", typed, capsys, "to contribute to")
    hall.silence((2, 3), SetLock)
    contribute(hall, 3)
    hall.talk()
    decrypt(hall, 3)
    hall.talk()
    hall.read[1].clear()
    typed = "quorate-participant decrypt federation.toml --round age"
    check_everywhere(hall, (2, 3), "whether they agree", typed, capsys, "agree to the sum of")


def test_who_is_asked_to_agree_is_told_who_waits_for_the_answer(hall: Hall, capsys: Any) -> None:
    for i in (1, 2, 3):
        contribute(hall, i)
    hall.talk()
    decrypt(hall, 1)
    hall.talk()
    approve = _approval(yes=True, as_json=False)
    hall.come(2, DecryptionTask(TERMS, SECRETS[2], "age", hall.disks[2], approve))
    hall.talk()
    assert "  agreed        H1. They may be waiting for this answer\n" in capsys.readouterr().out


def test_who_waits_for_a_statistic_that_nobody_asked_for_is_told_how_to_ask(hall: Hall) -> None:
    decrypt(hall, 1)
    hall.talk()
    hall.wait(20.0)
    (line,) = hall.read[1]
    assert line.startswith("Waiting for 20 s: a first contribution to round age. No hospital has")
    assert line.endswith("--federation federation.toml --round age")
    assert "Type: quorate-participant contribute" in line


@pytest.mark.parametrize(
    ("kind", "silent", "why"),
    [(Join, (3,), "none begins before all have joined"), (Step, (3,), "message of every member")],
)
def test_a_ceremony_names_who_keeps_it_waiting(
    tmp_path: Path, kind: type, silent: tuple[int, ...], why: str, capsys: Any
) -> None:
    hall = Hall(tmp_path, with_key=False)
    hall.silence(silent, kind)
    for i in TOY.federation.members:
        hall.come(i, CeremonyTask(TERMS, i, Seeds(i)))
    hall.talk()
    hall.wait(130.0)
    for i in (1, 2):
        (line,) = hall.read[i]
        assert line.startswith("Waiting for H3 for 2:10 min: ceremony/1, step ")
        assert why in line
        assert "H3 types: quorate-participant ceremony federation.toml" in line
        assert ("given up once a step" in line) == (kind is Step)
    for i in (1, 3):
        show_standing(None, hall.status(), f"H{i}", Context(file=Path("federation.toml")))
        out = capsys.readouterr().out
        assert "waiting for H3" in out
        assert "type: quorate-participant ceremony federation.toml" in out
        assert ("OTHERS WAIT FOR THIS HOSPITAL" in out) == (i == 3)


def test_a_check_of_key_shares_names_who_has_no_part_in_it(hall: Hall) -> None:
    hall.silence((2,), CheckPart)
    for i in (1, 2):
        hall.come(i, KeyCheckTask(TERMS, SECRETS[i], hall.now_ms))
    hall.talk()
    hall.wait(130.0)
    (line,) = hall.read[1]
    assert line.startswith("Waiting for 1 of H2, H3 for 2:10 min: check/1, parts of a quorum.")
    assert line.endswith(
        "each of them types: quorate-participant key check --together federation.toml"
    )


class Without(Steps):
    """An app whose hospital has no examples."""

    def fit(self, parameters: Any, config: Any) -> Any:
        return parameters, 0, {}


def test_a_hospital_without_examples_is_told_whether_the_round_needs_it(hall: Hall) -> None:
    train(hall, 1)
    for i in (2, 3):
        hall.come(i, TrainingTask(TERMS, SECRETS[i], Without(), hall.disks[i]))
    hall.talk()
    hall.wait(130.0)
    assert hall.read[1][0].startswith("Waiting for H2, H3 for 2:10 min: contributions to round 1.")
    assert "They may be at work, or have no examples." in hall.read[1][0]
    told = hall.read[2][0]
    assert told.startswith("Waiting for this hospital, H3 for 2:10 min: contributions to round 1.")
    assert "Without this hospital too few contribute. This hospital adds nothing to the" in told
    assert "once it has some, stop this command and type the same again." in told


def test_a_hospital_without_examples_learns_that_the_round_goes_on_without_it() -> None:
    facts = {"session": "round/1", "needed": 0, "abstains": True, "until_seconds": 60}
    waiting = Waiting("contributions", (0,), facts)
    told = waiting_line(waiting, 20.0, 2, Context(terms=TERMS))
    assert told == (
        "Waiting for the aggregator for 20 s: contributions to round 1. All others have "
        "contributed. This hospital adds nothing to the round, and helps to decrypt its sum. It "
        "goes on by itself. If it lasts, ask the aggregator's operator. (it waits for this "
        "hospital until the wait has lasted 1:00 min)"
    )


# ── whole commands ──


@pytest.mark.slow
def test_a_command_says_at_intervals_whom_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("participant.cli.views.vigil._FIRST_SECONDS", 0.0)
    consortium = found(tmp_path)
    with consortium.relay.running():
        out, err = consortium.typed(1, "ceremony", "--timeout", "1.5", expect=1)
        events, _ = consortium.typed(1, "ceremony", "--json", "--timeout", "1.5", expect=1)
        typed = "quorate-participant ceremony federation.toml"
        assert "ceremony/1, step join. All members take part in a key ceremony" in out
        assert f"each of them types: {typed}" in out
        assert "waiting for H2, H3. All members take part" in err
        told = [e for e in map(json.loads, events.splitlines()) if e["event"] == "waiting"]
        assert told[-1]["for"] == ["H2", "H3"]
        assert told[-1]["remedy"].endswith(typed)
        status, _ = consortium.typed(2, "status")
        assert "OTHERS WAIT FOR THIS HOSPITAL" in status
    _, err = consortium.typed(1, "ceremony", "--timeout", "0.5", expect=1)
    assert "no link to wss://localhost" in err
    assert "quorate-aggregator serve" in err


# ── a model that differs ──


class Wider(Steps):
    def initial_parameters(self, config: Any) -> list[np.ndarray]:
        return [np.zeros((1, 3)), np.zeros(1, dtype=np.float32)]


def test_a_view_that_is_redrawn_has_the_words_at_any_moment_and_no_line_beside_it(
    hall: Hall,
) -> None:
    train(hall, 1)
    hall.talk()
    written: list[str] = []
    bar = TransferBar(Console(file=io.StringIO()))
    vigil = Vigil(lambda: hall.seconds)
    context = Context(file=Path("federation.toml"), terms=TERMS)
    teller = Teller(lambda: hall.sessions[1], context, view=bar, vigil=vigil, write=written.append)
    assert bar.words() == ""
    for _ in range(2):
        teller.look()
        hall.seconds += 130
    assert bar.words().startswith("Waiting for")
    assert written == []


AGREEMENT = "the same model at enough hospitals after round 2"


@pytest.mark.parametrize(
    ("kind", "step", "facts"),
    [
        ("held-back", "round 2, which is held back", {"rounds": ["1"]}),
        ("agreement", AGREEMENT, {"entries": [], "agreeing": 1}),
        ("agreement", AGREEMENT, {"entries": [], "agreeing": 3}),
    ],
)
@pytest.mark.parametrize(("members", "needed"), [((2,), 3), ((2, 3), 0)])
def test_what_keeps_a_round_is_told_in_whole_sentences(
    kind: Any, step: str, facts: dict[str, Any], members: tuple[int, ...], needed: int
) -> None:
    names = [TERMS.name_of(m) for m in members]
    known = {"round": 2, "members": names, "needed": needed, **facts}
    line = waiting_line(Waiting(kind, members, known), 60.0, 1, Context(terms=TERMS))
    first, *sentences = line.partition(" If the agent ")[0].removesuffix(".").split(". ")
    assert first == f"Waiting for {', '.join(names)} for 1:00 min: {step}"
    assert sentences
    assert not any(said[:1].islower() or said.endswith(".") for said in sentences)


def test_a_model_that_differs_is_named_with_what_differs_for_as_long_as_it_keeps_all_waiting(
    hall: Hall,
) -> None:
    train(hall, 1)
    train(hall, 2)
    hall.come(3, TrainingTask(TERMS, SECRETS[3], Wider(), hall.disks[3]))
    hall.talk()
    hall.wait(130.0)
    for i in (1, 2):
        (line,) = hall.read[i]
        assert line.startswith("Waiting for H3 for 2:10 min: the same model at enough hospitals")
        assert "'parameter_0' is 1x3 float64 there and 1x2 float64 here" in line
        assert "starts train again with the app and the columns of the others" in line
    (line,) = hall.read[3]
    assert line.startswith("Waiting for H1, H2 for 2:10 min")
    assert "Only this hospital states this model" in line


def waited_for(desk: Desk) -> dict[str, Any]:
    answer = desk.ask(1, StatusRequest())
    assert isinstance(answer, StatusReport)
    (found,) = read_report(answer.report)["waiting"]
    return dict(found)


OTHER, THIRD = b"o" * 32, b"t" * 32


@pytest.mark.parametrize(
    ("models", "step", "names", "needed"),
    [
        ([MODEL, MODEL, OTHER], "agreement", ["H3"], 1),
        ([MODEL, OTHER, THIRD], "agreement", ["H1", "H2", "H3"], 2),
        ([MODEL, OTHER], "statements", ["H3"], 2),
        ([MODEL, MODEL], "statements", ["H3"], 1),
    ],
)
def test_the_aggregators_status_names_whose_models_differ_or_are_not_known(
    tmp_path: Path, models: list[bytes], step: str, names: list[str], needed: int
) -> None:
    desk = Desk(tmp_path)
    desk.certify()
    for member, model in enumerate(models, start=1):
        desk.state("round/0", (member,), model)
    desk.wait(0)
    found = waited_for(desk)
    assert (found["session"], found["step"]) == ("round/1", step)
    assert (found["for"], found["needed"], found["until"]) == (names, needed, None)


def test_it_says_when_a_round_goes_on_without_who_is_waited_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path, federation(n=4))
    desk.certify()
    desk.state("round/0", (1, 2, 3))
    desk.wait(0)
    found = waited_for(desk)
    assert (found["step"], found["for"], found["needed"]) == ("statements", ["H4"], 0)
    assert found["until"] == "1970-01-01T00:17:00.000+00:00"
    (row,) = [r for r in render(desk.service.status({}), None) if r.startswith("waiting for")]
    assert "It goes on without them at 1970-01-01T00:17:00.000+00:00." in row


# ── the aggregator, and the hospital itself ──


def test_a_lost_link_a_full_disk_there_and_an_upload_are_told_with_what_is_to_be_done(
    hall: Hall,
) -> None:
    train(hall, 1)
    hall.talk()
    hall.sessions[1]._no_link = "connection refused"
    hall.wait(130.0)
    hall.sessions[1]._no_link = ""
    hall.agents[1].stalled = "No space left on device"
    hall.wait(130.0)
    link, stalled = hall.read[1]
    hall.sessions[1]._no_link, hall.sessions[1]._link_remedy = "407", "Ask who runs the proxy"
    waiting = hall.sessions[1].waiting
    assert why_and_remedy(waiting, 1, Context())[1] == "Ask who runs the proxy"
    assert link.startswith("Waiting for the aggregator for 2:10 min: no link to wss://localhost")
    assert "quorate-aggregator serve" in link
    assert "No space left on device" in stalled
    assert "Tell the aggregator's operator" in stalled


def test_a_link_that_comes_and_goes_does_not_begin_the_wait_anew(hall: Hall) -> None:
    train(hall, 1)
    hall.talk()
    hall.wait(130.0)
    hall.sessions[1]._no_link = "connection refused"
    hall.wait(5.0)
    hall.sessions[1]._no_link = ""
    hall.wait(400.0)
    assert "for 8:55 min: the opening of round 1" in hall.read[1][-1]


def test_it_is_told_again_at_growing_intervals_and_when_others_are_waited_for() -> None:
    now = [0.0]
    vigil = Vigil(lambda: now[0])
    told = []
    for second in range(0, 4 * 3600, 5):
        now[0] = second
        if vigil.look("step", (2, 3))[1]:
            told.append(second)
    assert told == [15, 60, 240, 960, 3840, 7440, 11040]
    assert vigil.look("step", (3,)) == (now[0], True)
    assert vigil.look("another step", (3,)) == (0.0, False)


def test_a_long_step_of_ones_own_is_told_in_place_of_an_old_wait(hall: Hall) -> None:
    train(hall, 1)
    hall.talk()
    hall.wait(30.0)
    session, teller = hall.sessions[1], hall.tellers[1]
    assert teller.words().startswith("Waiting for H2, H3")
    session._step_began = session.clock() - 70
    assert teller.words().startswith("This hospital is at work, for 1:10 min.")


def test_programs_are_told_the_same(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    train(hall, 1)
    hall.talk()
    teller = hall.tellers[1]
    teller._as_json = True
    hall.wait(130.0)
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (event["event"], event["kind"], event["for"]) == ("waiting", "statements", ["H2", "H3"])
    assert (event["seconds"], event["is_for_this_hospital"]) == (130.0, False)
    assert "have not said at which model" in event["why"]
    assert event["remedy"].endswith(TRAIN)


def test_a_time_limit_ends_with_the_same_words(hall: Hall) -> None:
    train(hall, 1)
    hall.talk()
    error = OutOfTime(5.0, hall.sessions[1].waiting)
    said = describe(error, Context(file=Path("federation.toml"), terms=TERMS))
    assert "waiting for H2, H3. They have not said at which model they stand." in said.what
    assert TRAIN in said.what
    assert "quorate-participant status federation.toml" in said.remedy


def test_a_report_may_hold_anything_in_place_of_a_wait(capsys: pytest.CaptureFixture[str]) -> None:
    odd: list[Any] = [{}, {"for": 7, "needed": "x", "session": ["\x1b"], "step": None}, "x", None]
    odd.append({"for": ["H2"], "session": "{", "step": "{0.__class__} {missing} {"})
    odd.append({"for": ["\x1b[2J"], "session": "statistic/$(reboot)", "step": "locks"})
    show_standing(None, {"waiting": odd}, "H1", Context())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "--round '$(reboot)'" in out
