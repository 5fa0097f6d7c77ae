"""Files from others with poison at every place: refused in plain words, or shown harmlessly."""

import json
import os
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from gmpy2 import mpz
from typer.testing import CliRunner, Result

from participant.cli import app
from participant.cli.sentences.sentence import Context
from participant.cli.views import speaking
from participant.errors import UnfitNumbers
from participant.report.facts import read_journal
from participant.statistic.number_files import read_numbers
from protocol.messages.ceremony import Abort
from protocol.messages.rounds import Refusal
from protocol.terms.predecessor import Predecessor
from protocol.terms.terms import render
from tests.foreign.poison import BRIEF, NOT_TEXT, POISON, POISONS, leaves, offences, with_leaf
from tests.stage.record.good import good
from tests.stage.record.memory import write_folder
from tests.stage.record.story import Story, write
from tests.stage.toy import replace_terms, toy_federation

TOY = toy_federation(3, 3)


def typed(*words: object) -> Result:
    """What a command says, which holds no offence and no traceback."""
    found = CliRunner().invoke(app, [*map(str, words)])
    assert offences(found.output) == []
    assert "Traceback" not in found.output
    assert found.output
    return found


def documents(text: str) -> Iterator[dict[str, Any]]:
    """A TOML document with poison in each place, after each name, and in place of each value."""
    document = tomllib.loads(text)
    for at in leaves(document):
        value = document
        for key in at:
            value = value[key]
        yield with_leaf(document, at, f"{value}{BRIEF}")
        yield (
            with_leaf(document, (*at[:-1], f"{at[-1]}{BRIEF}"), 1)
            if isinstance(at[-1], str)
            else document
        )
    yield document | {BRIEF: {BRIEF: BRIEF}}


@pytest.mark.slow
def test_no_terms_say_anything_raw_before_they_are_signed(tmp_path: Path) -> None:
    succeeding = replace_terms(TOY.terms, predecessor=Predecessor(bytes(32), "handover"))
    text = replace(TOY, terms=succeeding).signed_text()
    path = tmp_path / "federation.toml"
    refused = 0
    for document in documents(text):
        path.write_text(tomli_w.dumps(document))
        refused += typed("terms", "show", path).exit_code == 1
    assert refused > 50


@pytest.mark.parametrize("kind", [*sorted(POISONS), "none"])
def test_terms_with_a_bad_name_or_address_are_refused_and_say_which(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "federation.toml"
    document = tomllib.loads(render(TOY.terms, TOY.card))
    bad = POISONS.get(kind, "")
    for field, at in {
        "address.url": ("address", "url"),
        "federation.name": ("federation", "name"),
        "members[2].name": ("members", 1, "name"),
    }.items():
        value = {"address.url": "wss://h:8443"}.get(field, "St. Mary") + bad
        path.write_text(tomli_w.dumps(with_leaf(document, at, value)))
        said = typed("terms", "show", path).output
        if kind == "rich" and field != "address.url":
            assert "Mary[bold red]R[/] [link=https://evil.example]x[/link] [/]" in said
        else:
            assert (f"{field}: it" in said) == (kind != "none"), said


def test_no_card_says_anything_raw(tmp_path: Path) -> None:
    card = {"name": "H1", "key": "A" * 43, "fingerprint": "zoo"}
    address = {
        "url": "wss://h:1",
        "key": "A" * 43,
        "tls": "A" * 43,
        "signature": "A" * 86,
        "number": 1,
    }
    member, aggregator = tmp_path / "card.toml", tmp_path / "aggregator.toml"
    new = ("terms", "new", "--name", "Lungs", "--quorum", "2", "--aggregator", aggregator)
    aggregator.write_text(tomli_w.dumps(address))
    for document in documents(tomli_w.dumps(card)):
        member.write_text(tomli_w.dumps(document))
        assert typed(*new, "--member", member).exit_code == 1
    member.unlink()
    for document in documents(tomli_w.dumps(address)):
        aggregator.write_text(tomli_w.dumps(document))
        assert typed(*new).exit_code != 0


def test_what_is_no_toml_is_told_without_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "federation.toml"
    for text in (BRIEF, f'name = "{POISONS["escape"]}', f"[{BRIEF}]", f"a = {BRIEF}"):
        path.write_text(text)
        assert "not TOML" in typed("terms", "show", path).output
        typed("card", "--home", path)


def test_no_file_of_numbers_says_anything_raw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = [
        [1, 2],
        {"men": 1},
        {"public_key": {"n": 5}, "values": [["1", 0, "1"]]},
        [{"v": "1", "e": 0, "r": "1"}],
    ]
    texts = [POISON, f"{POISON},1\n", f"a,{POISON}\n", f"a\n{POISON}\n", "[" + POISON]
    for document in documents:
        texts += [json.dumps(with_leaf(document, at, POISON)) for at in leaves(document)]
        texts.append(json.dumps(document).replace('"men"', json.dumps(POISON)))
    path = tmp_path / "numbers"
    for text in texts:
        path.write_text(text)
        try:
            read_numbers(path, mpz(2) ** 512 - 569)
        except UnfitNumbers as error:
            speaking._end(error, Context())
            said = capsys.readouterr().err
            assert offences(said) == []
            assert said.count("\n") == 2


def test_no_figure_of_a_journal_has_a_raw_name(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    event = {"round": 1, "event": "evaluated", "loss": 0.5, "metrics": {POISON: 1.0}}
    path.write_text(json.dumps(event) + "\n")
    names = [metric.name for metric in read_journal(path).metrics]
    assert len(names) == 2
    assert all(offences(name) == [] and len(name) <= 200 for name in names)


# ── records ──


def said_by_all(text: str) -> Story:
    """A story in which every reason is a text, as far as a message may hold it."""
    story = good().story.copy()
    for position, one in enumerate(story.said, start=1):
        if isinstance(one.body, Abort):
            story.change(position, body=Abort(one.body.culprit, one.body.step, text))
        if isinstance(one.body, Refusal):
            story.change(position, body=Refusal(one.body.rule, one.body.member, text))
    return story


@pytest.mark.slow
def test_no_record_says_anything_raw(tmp_path: Path) -> None:
    allowed = "".join(c for c in POISON if c.isprintable() or c in "\u202e\u2066\u200b")[:500]
    written = write(said_by_all(allowed))
    written.files["record.json"] = written.files["record.json"].replace(b'"', POISON.encode(), 1)
    folder = tmp_path / "record"
    write_folder(written.files, folder)
    for name in (
        NOT_TEXT[:60],
        "[link=https://evil.example]x[/link]",
        "\u202egpj.exe",
        "a\nFORGED",
    ):
        (folder / name.replace("/", "")).write_bytes(b"")
    (folder / os.fsdecode(b"\xff\x1b[2J")).write_bytes(b"")
    for options in ([], ["--json"]):
        assert typed("verify", folder, *options).exit_code == 5
    page = tmp_path / "page.html"
    typed("report", folder, "--out", page)
    assert [o for o in offences(page.read_text()) if "characters" not in o] == []
    assert "<link=" not in page.read_text()
