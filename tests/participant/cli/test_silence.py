"""What people see and type when a hospital goes down in a ceremony: whole commands."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from participant.cli.sentences.ceremony import CEREMONIES
from participant.cli.sentences.sentence import ABORTED, Context
from participant.errors import CeremonyAborted
from protocol.errors import CeremonyFailed
from tests.stage.consortium import Consortium, ended, found
from tests.stage.toy import toy_federation

CONTEXT = Context(file=Path("f.toml"), terms=toy_federation(3, 2).terms)
REASON = "silent: member 3, waited for since 2026-11-28 12:00:00 UTC, longer than 3600 s"


def line_with(process: subprocess.Popen[str], stream: str, text: str) -> str:
    """The first line that has a text in it."""
    source = process.stdout if stream == "out" else process.stderr
    assert source is not None
    for _ in range(200):
        if text in (line := source.readline()):
            return line
    raise AssertionError(f"{text!r} never comes")


def down_after_joining(consortium: Consortium, index: int) -> None:
    process = consortium.start(index, "ceremony")
    line_with(process, "out", f"joined: H{index}")
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_the_others_give_up_say_for_whom_and_make_a_key_when_it_is_back(tmp_path: Path) -> None:
    consortium = found(tmp_path, step_seconds=6)
    with consortium.relay.running():
        down_after_joining(consortium, 3)
        first, second = consortium.start(1, "ceremony"), consortium.start(2, "ceremony", "--json")
        said = line_with(first, "err", "ceremony/1 was aborted")
        assert "in step deal, for the silence of H3: silent: H3, waited for since 20" in said
        back = consortium.start(3, "ceremony")  # it discloses its seed
        for process in (first, back):
            output, errors = ended(process, 4)
            assert "nobody of them broke the rules" in output
            assert "given up in step deal, rightly" in output
            assert "so silence alone makes nobody a culprit" in output
            assert "H3 is silent: its seed" not in output
            assert "quorate-participant ceremony federation.toml" in errors
            assert "Going on without H3 takes new terms" in errors
        output, _ = ended(second, 4)
        facts = json.loads(output.splitlines()[-1])
        assert (facts["event"], facts["culprits"], facts["silent"]) == ("aborted", [], [])
        assert facts["given_up"]["silent"] == facts["accusations"][0]["silent"] == ["H3"]
        output, _ = ended(consortium.start(1, "verdict"), 0)
        assert "given up in step deal, rightly" in output
        for process in [consortium.start(i, "ceremony") for i in (1, 2, 3)]:
            output, _ = ended(process, 0)
            assert "epoch 2" in output


def test_a_ceremony_that_was_given_up_is_told_with_who_and_what_to_type() -> None:
    failed = CeremonyFailed(0, "moduli", REASON, (3,))
    aborted = CeremonyAborted("ceremony/1", {}, {}, (3,), ((3,), f"in step moduli, {REASON}"))
    for error in (failed, aborted):
        sentence = CEREMONIES[type(error)](error, CONTEXT)
        assert "given up in step moduli" in sentence.what
        assert "silent: H3, waited for since 2026-11-28 12:00:00 UTC" in sentence.what
        assert "ask H3 whether the agent runs" in sentence.remedy
        assert "quorate-participant ceremony f.toml" in sentence.remedy
        assert sentence.exit_code == ABORTED


def test_who_broke_the_rules_is_named_before_who_was_silent() -> None:
    given_up = (3,), f"in step moduli, {REASON}"
    error = CeremonyAborted("ceremony/1", {2: "deal: no"}, {2: 9}, (3,), given_up)
    sentence = CEREMONIES[CeremonyAborted](error, CONTEXT)
    assert "H2 broke the rules (entry 9, deal: no)" in sentence.what
    assert "ask H2 about it" in sentence.remedy
