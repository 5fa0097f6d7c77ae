"""Errors, views, tables and logs with every text in them poisoned: nothing gets through."""

import io
import json
import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from rich.console import Console

from aggregator.cli import commands as aggregator_cli
from aggregator.cli.event_log import OneLine
from aggregator.cli.terminal import say as aggregator_says
from aggregator.cli.terminal import say_json as aggregator_says_json
from aggregator.errors import AggregatorError
from aggregator.status.text import render
from participant.ceremony.verdict import Accusation
from participant.cli.commands import key, verdict
from participant.cli.commands import rounds as opening
from participant.cli.commands import terms as founding
from participant.cli.commands import training as work
from participant.cli.sentences.sentence import Context
from participant.cli.sentences.training import TOLD, lines_of
from participant.cli.views import speaking, standing
from participant.cli.views.ceremony import JsonView, LineView, LiveView, link_lost, link_notices
from participant.cli.views.studies import list_lines, study_facts, study_lines
from participant.cli.views.terminal import say, say_json
from participant.cli.views.transfer import Transfer, TransferBar, TransferLines
from participant.errors import Unreachable
from participant.home.identity import Card
from participant.home.terms_file import TermsFile
from participant.hospital.results import Checked, Decrypted
from participant.rounds.omissions import omission_facts
from participant.rounds.task import Question
from participant.study import StudyStanding
from participant.waiting import Waiting
from protocol.board.study import Study
from protocol.ceremony.judgement import Verdict
from protocol.errors import ProtocolError, UnsignedTerms
from protocol.messages.ceremony import Abort, Join
from protocol.messages.handover import BareWord, Consent
from protocol.messages.plan import Plan, Statistic, Training
from protocol.messages.rounds import Complaint, Refusal, SetLock, Statement
from protocol.rounds.view import LeftOut
from protocol.terms.predecessor import KeySource, Predecessor
from protocol.terms.terms import Member
from protocol.wire.frames import Rejected
from tests.foreign.poison import BRIEF, NOT_TEXT, POISON, POISONS, offences, poisoned
from tests.participant.cli.test_ceremony_view import COURSE, EXPECTATION
from tests.participant.cli.test_sentences import SAMPLES, ours, samples, subclasses
from tests.stage.desk import Desk
from tests.stage.handover.at_desk import handing_over
from tests.stage.toy import replace_terms, toy_federation

TERMS = poisoned(toy_federation(3, 2).terms)
PATH = Path(f"folder{NOT_TEXT}")
BAD_SAMPLES = {kind: poisoned(value, NOT_TEXT) for kind, value in SAMPLES.items()}
BAD_SAMPLES["Waiting"] = Waiting("stalled", (1,), {"reason": POISON})


def written(capsys: pytest.CaptureFixture[str]) -> str:
    """What went to the terminal, which holds no offence; and at least something."""
    captured = capsys.readouterr()
    both = captured.out + captured.err
    assert offences(both) == []
    assert both
    return both


def poisoned_values(value: Any) -> Any:
    """As ``poisoned``, where keys are the program's own."""
    if isinstance(value, dict):
        return {name: poisoned_values(inner) for name, inner in value.items()}
    return list(map(poisoned_values, value)) if isinstance(value, list) else poisoned(value)


BAD_SAMPLES["dict[str, object]"] = poisoned_values(SAMPLES["dict[str, object]"])


# ── errors ──


@pytest.mark.parametrize("error", ours())
def test_no_error_says_anything_raw(
    error: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    context = Context(PATH, PATH, TERMS)
    for one in samples(error, BAD_SAMPLES):
        speaking._end(one, context)
        assert written(capsys).count("\n") <= 2


def test_no_error_of_the_aggregator_says_anything_raw(capsys: pytest.CaptureFixture[str]) -> None:
    known = BAD_SAMPLES | {
        "Rejected": Rejected("busy", POISON),
        "SealedChannel | None": None,
        "str | BadTerms | UnsignedTerms": UnsignedTerms([POISON], [POISON]),
    }
    for error in [*subclasses(AggregatorError), *subclasses(ProtocolError)]:
        if error.__module__.startswith(("aggregator", "protocol")):
            for one in samples(error, known):
                with pytest.raises(SystemExit):
                    aggregator_cli._fail(*aggregator_cli.sentences(one))
                assert written(capsys).count("\n") == 2


# ── the ceremony ──


def test_no_view_of_a_ceremony_shows_anything_raw(capsys: pytest.CaptureFixture[str]) -> None:
    for view in (LineView(say), JsonView(say_json)):
        with view:
            view.expect(EXPECTATION)
            for facts in poisoned(COURSE):
                view.show(facts)
            view.note(f"connected to {POISON}")
    lines = written(capsys)
    assert json.loads(lines.splitlines()[-1])["text"] == f"connected to {POISON}"


@pytest.mark.parametrize("kind", sorted(POISONS))
def test_the_live_view_takes_no_name_for_a_command(kind: str) -> None:
    terms = poisoned(toy_federation(3, 2).terms, POISONS[kind])
    console: Any = Console(file=io.StringIO(), force_terminal=True, width=5_000)
    view = LiveView(terms, console)
    for facts in poisoned(COURSE, POISONS[kind]):
        view.show(facts)
        console.print(view._render())
    view.note(f"connected to {POISONS[kind]}")
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())
    assert [found for found in offences(drawn) if "characters" not in found] == []
    if kind == "rich":
        assert "H1[bold red]R[/] [link=https://evil.example]x[/link] [/]" in drawn


def test_no_notice_and_no_transfer_shows_anything_raw(capsys: pytest.CaptureFixture[str]) -> None:
    lost = Unreachable(POISON, POISON)
    notices = link_notices(POISON, say)
    notices.lost(lost)
    notices.found()
    say(link_lost(lost))
    clock = iter(range(0, 100, 11))
    lines = TransferLines(say, lambda: float(next(clock)))
    for _ in range(3):
        lines.show(Transfer(f"reading what {POISON}", 5 << 20, 9 << 20))
    written(capsys)
    console: Any = Console(file=io.StringIO(), force_terminal=True, width=5_000)
    with TransferBar(console) as bar:
        bar.show(Transfer(f"H1{POISONS['rich']}{POISONS['escape']}", 5 << 20, 9 << 20))
        bar.progress.refresh()
    assert "\x1b]" not in console.file.getvalue()
    assert "[/link]" in console.file.getvalue()


# ── tables and questions ──

DIFFERENCE = {"name": "bias", "here": "3 float32", "there": "4 float32"}
EVENTS: list[dict[str, Any]] = [
    {"event": "entries", "averaged": [{"name": "bias", "shape": [3], "dtype": "float32"}]}
    | {"weights": 3, "at_home": [{"name": "adj", "what": "of type X", "why": "it is none"}]},
    {"event": "beyond-plan", "largest": 12.5, "clip": 8.0},
    {"event": "blinded", "clip": 0.5, "most": 64},
    {"event": "outgrown"},
    {"event": "coarse"},
    {"event": "unchanged"},
    {"event": "rounding", "rounding": 0.42},
    {"event": "counts-refused"},
    {"event": "widened", "members": ["H1"], "clip": 8.0, "most": 100},
    {"event": "uncounted"},
    {"event": "abstained"},
    {"event": "weighed-otherwise", "studies": ["cardio"]},
    {"event": "not-compared", "rounds": ["cardio/1"]},
    {"event": "lost-round", "handover": "handover/1"},
    {"event": "given-up"},
    {"event": "wrong-partial", "members": ["H1"], "by": "H2", "entry": 3, "verdict": "proven"},
    {"event": "false-complaint", "members": ["H1"], "by": "H2", "entry": 3, "verdict": "false"},
    {"event": "void", "by": "aggregator", "reason": "no sum"},
    {"event": "void", "by": "hospitals", "reason": "no sum"},
    {"event": "false-checksum", "members": ["H1"]},
    {"event": "differencing", "rounds": ["cardio/1"], "members": ["H1"]},
    {"event": "other-rounds", "rounds": ["ages/1"]},
    {"event": "disagreement", "members": ["H1"], "agreeing": 2, "needed": 2, "entries": []}
    | {"run": "", "runs": []},
    {"event": "disagreement", "members": ["H1"], "agreeing": 1, "needed": 2, "entries": []}
    | {"run": "a/1", "runs": [{"member": "H1", "run": "b/1"}]},
    {"event": "disagreement", "members": ["H1"], "agreeing": 1, "needed": 2, "run": "", "runs": []}
    | {"entries": [{"member": "H1", "differences": [DIFFERENCE], "more": 3}]},
    {"event": "left-out", "members": ["H1"], "is_own": False, "reason": "repeated", "other": "H1"},
    {"event": "left-out", "members": ["H1"], "is_own": True, "reason": "late", "other": None},
    {"event": "held-back", "members": ["H1"], "rounds": ["cardio/1"], "needed": 2},
    {"event": "held-back", "members": [], "rounds": ["cardio/1"], "needed": 2},
    {"event": "evaluated", "bytes_up": 1, "bytes_down": 1, "loss": 0.5, "contributors": [1]}
    | {"metrics": {"accuracy": 0.5, "note": "fine", "list": ["x"]}},
]


def test_every_event_that_a_row_is_made_of_is_fed() -> None:
    assert {event["event"] for event in EVENTS} == TOLD


def test_no_row_of_training_shows_anything_raw(capsys: pytest.CaptureFixture[str]) -> None:
    table = work.RoundTable(TERMS)
    for event in EVENTS:
        texts = {name: poisoned(value) for name, value in event.items()}
        texts["event"] = event["event"]
        own_keys = {"entries", "averaged", "at_home", "runs"} & event.keys()
        texts |= {name: poisoned_values(event[name]) for name in own_keys}
        if "by" in event:
            texts["by"] = event["by"] if event["by"] == "aggregator" else POISON
        table.show({"study": POISON, "round": 1, **texts})
        work._print_event({"study": POISON, "round": 1, **texts})
        written(capsys)


def test_no_terms_and_no_card_show_anything_raw(capsys: pytest.CaptureFixture[str]) -> None:
    founding.show_terms(TermsFile(PATH, POISON, TERMS, {}, toy_federation().card))
    for how in get_args(KeySource):
        after = Predecessor(TERMS.federation, how)
        named = Member(POISON, bytes(32)), *TERMS.members[1:]
        new = replace_terms(TERMS, members=named, predecessor=after)
        founding.show_terms(TermsFile(PATH, POISON, new, {}, None), TERMS)
        founding.show_terms(TermsFile(PATH, POISON, new, {}, None))
    founding._show_card(PATH, Card(POISON, bytes(32)))
    written(capsys)


def test_no_sum_shows_anything_raw(capsys: pytest.CaptureFixture[str]) -> None:
    labels = tuple(poisoned(["men", "women"]))
    for kind in ("training", "statistic"):
        request = Question("cardio/7", kind, ("H1", "H2"), 3, "it shows H1", labels, ("H2",))
        opening._approval(yes=True, as_json=False)(poisoned(request))
        opening._approval(yes=True, as_json=True)(poisoned(request))
    facts = {"about": POISON, "by": POISON, "entry": 3, "verdict": "proven"}
    omission = omission_facts(LeftOut(2, "late"), TERMS, 1)
    names = (POISON,)
    for is_reader in (True, False):
        sums = () if is_reader else None
        found = Decrypted(
            POISON, "statistic", is_reader, names, labels, sums, names, (facts,), (omission,)
        )
        for as_json in (False, True):
            opening._show_sums(found, POISON, "federation.toml", as_json)
    written(capsys)


def test_no_study_shows_anything_raw(capsys: pytest.CaptureFixture[str]) -> None:
    names = (POISON,)
    for work_of in (
        Training(3, 8.0, 24, 1_000, start_study="first", start_round=2),
        Training(3, 8.0, 24, 1, weights="equal", app=bytes(32)),
        Statistic(2, 0, "ages", tuple(poisoned(["men", "women"]))),
    ):
        study = Study(TERMS, "cardio", Plan(POISON, (1, 2, 3), 3, 60, work_of))
        for phase in ("proposed", "open", "over", "ended"):
            found = StudyStanding(
                study, POISON, phase, names, names, names, True, True, False, 2, 1
            )
            for row in (*study_lines(found, POISON), *list_lines({"cardio": found})):
                say(row)
            say_json(study_facts(found))
    written(capsys)


def test_no_verdict_and_no_check_show_anything_raw(capsys: pytest.CaptureFixture[str]) -> None:
    accused = poisoned(Accusation(1, 2, "deal", "it was member 3", 4, (3,)))
    task: Any = SimpleNamespace(accusations=[accused], certified=(1,), disclosed=(2,))
    found = poisoned(Verdict("ceremony/1", {2: "deal: nonsense"}, (3,), {2: 4}))
    verdict._show(TERMS, task, found)
    say_json(verdict._facts(TERMS, task, found))
    check = Checked(POISON, (1,), {2: POISON}, (3,), True)
    epoch = SimpleNamespace(number=1, digest=bytes(32))
    for as_json in (False, True):
        key._show_check(TERMS, epoch, check, as_json)  # type: ignore[arg-type]
    written(capsys)


# ── how things stand ──


@pytest.fixture
def report(tmp_path: Path) -> dict[str, Any]:
    """Of a federation in which a bit of everything happens."""
    desk = Desk(tmp_path)
    session = desk.open_training()
    desk.fill(session)
    desk.service.tick()
    desk.say(3, session, Refusal("minimum", 0, "too few"))
    desk.say(1, session, SetLock(bytes(32)))
    desk.say(1, session, Complaint(bytes(32), 2, b""))
    desk.say(1, session, Statement(b"a" * 32, 5))
    desk.open_statistic()
    desk.propose(2)
    handed = handing_over(desk, ["G1", 3, 1, "G2"], 3)
    handed.say(1, Consent(handed.about.subject))
    handed.say(2, Consent(bytes(32)))
    handed.say(3, BareWord("void"))
    found: dict[str, Any] = desk.service.status({1: "noon"})
    desk.service.close()
    found["studies"][0] |= {"disagreement": {"H1": "ab" * 32}, "voted_to_end": ["H1"]}
    found["studies"][0]["lost_round"] = session
    found["waiting"][0]["handover"] = "handover/1"
    return found | {"too_long": {"study/age/1": 7}}


@pytest.fixture
def aborted(tmp_path: Path) -> dict[str, Any]:
    """Of a federation whose ceremony was aborted."""
    desk = Desk(tmp_path / "aborted")
    desk.say(1, "ceremony/1", Join(b"k" * 32, bytes(32)))
    desk.say(2, "ceremony/1", Abort(3, "join", "a bad key"))
    found = desk.service.status({})
    desk.service.close()
    return found


def values_poisoned(value: Any) -> Any:
    """As ``poisoned``, where keys are names too; those that the reader looks for stay."""
    if isinstance(value, dict):
        own = {k: values_poisoned(v) for k, v in value.items()}
        return own | ({k + BRIEF: v for k, v in own.items()} if "H1" in str(list(value)) else {})
    if isinstance(value, list):
        return [values_poisoned(v) for v in value]
    return value + BRIEF if isinstance(value, str) else value


def test_no_report_of_the_aggregator_shows_anything_raw(
    report: dict[str, Any], aborted: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    here = {
        "name": BRIEF, "member": 1, "data_folder": BRIEF, "key_share_epochs": [BRIEF],
        "models": {BRIEF: BRIEF}, "models_kept": {BRIEF: 1}, "post_on_its_way": True,
        "free_bytes": 1,
    }  # fmt: skip
    for bad in (values_poisoned(report), values_poisoned(aborted)):
        standing.show_standing(here, bad, "H1", Context())
        say_json({"here": here, "aggregator": bad})
        for row in render(bad, POISON):
            aggregator_says(row)
        aggregator_says_json(bad)
        assert BRIEF[:20] not in written(capsys)


def test_a_report_of_another_shape_is_told_as_far_as_it_says_something(
    report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    odd: tuple[Any, ...] = (None, [], {}, [[]], {"a": 1}, 10**400, POISON, float("nan"))
    for value in odd:
        for field in report:
            standing.show_standing(None, report | {field: value}, "H1", Context())
        written(capsys)
        standing.show_standing(
            None, {"members": [{"name": value}] * 10_000, "rounds": [value]}, "H1"
        )
        assert written(capsys).count("\n") < 200


def test_the_log_has_one_line_an_entry() -> None:
    fields = (POISON, NOT_TEXT)
    record = logging.LogRecord("quorate", 40, "", 1, "%s: %s", fields, None)
    line = OneLine().format(record)
    assert offences(line) == []
    assert "\n" not in line


def test_a_joining_hospital_is_shown_as_it_is(tmp_path: Path) -> None:
    """What is poisoned above is shown at all."""
    desk = Desk(tmp_path)
    desk.say(1, "ceremony/1", Join(b"k" * 32, bytes(32)))
    assert any("waiting for H2, H3" in row for row in render(desk.service.status({}), None))
    desk.service.close()


def test_an_update_beyond_the_plan_is_told_with_as_many_digits_as_it_takes() -> None:
    """Not: it changes a weight by 1, and the plan allows 1."""
    event = {"study": "cardio", "round": 1, "event": "beyond-plan"}
    (told,) = lines_of(event | {"largest": 1.00001, "clip": 1.0})
    assert "by 1.00001, and the plan allows 1." in told
