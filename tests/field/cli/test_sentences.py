"""What a newcomer meets: each refusal names the file or the party, the field, and the remedy."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from gmpy2 import mpz
from typer.testing import CliRunner

from participant.cli import app
from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.cli.views.standing import show_loss, show_standing
from participant.errors import Interrupted, OutOfTime, UnfitNumbers
from participant.statistic.number_files import read_numbers
from participant.statistic.numbers import Numbers
from participant.statistic.plan_fit import misfit
from participant.waiting import Waiting
from participant.words.fingerprint import fingerprint, read_fingerprint
from protocol.errors import Malformed, UnsignedTerms
from protocol.messages.attachment import Attachment
from protocol.messages.plan import Statistic
from protocol.record.audit.evidence import Evidence
from protocol.record.files import blob_path
from protocol.words.counted import counted
from tests.stage.record.memory import MemoryFiles
from tests.stage.toy_home import PASSPHRASE, write_cards

Run = Callable[..., str]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command in a folder with the cards of three hospitals and of an aggregator.

    What it says is one line, however a usage error is boxed.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUORATE_PASSPHRASE", PASSPHRASE.text)
    write_cards(tmp_path)
    runner = CliRunner()

    def run(*words: str, expect: int = 1) -> str:
        result = runner.invoke(app, list(words))
        assert result.exit_code == expect, result.output
        assert "internal error" not in result.output
        return " ".join(re.sub("[│╭╮╰╯─]", " ", str(result.output)).split())

    return run


NEW = [
    *("terms", "new", "--name", "Lungs", "--quorum", "2", "--key-bits", "512"),
    *("--allow-small-key", "--aggregator", "aggregator.toml"),
]
CARDS = [word for i in (1, 2, 3) for word in ("--member", f"h{i}/card.toml")]


@pytest.mark.parametrize(
    ("option", "values", "allowed"),
    [
        ("--step-seconds", ["0", "99999999"], "it must be 1 to 31536000"),
        ("--key-bits", ["100", "513", "99999"], "even, 256 to 4096"),
        ("--quorum", ["1", "4", "-1"], "it must be 2 to 3"),
        ("--least-contributors", ["2", "4"], "it must be 3"),
        ("--least-difference", ["2", "9"], "it must be 3"),
        ("--assumed-colluders", ["0", "2", "-1"], "it must be 1"),
    ],
)
def test_a_number_out_of_range_is_told_with_its_option_and_the_range(
    typed: Run, option: str, values: list[str], allowed: str
) -> None:
    for value in values:
        said = typed(*NEW, *CARDS, option, value)
        assert f"{option} (" in said
        assert allowed in said
        assert not Path("federation.toml").exists()  # so that another try is not refused


TRAINING = ("study", "new", "cardio.toml", "--kind", "training", "--purpose", "to try it")


@pytest.mark.parametrize(
    ("option", "values", "allowed"),
    [
        ("--clip", ["0", "-1", "1e10"], "it must be 1e-09 to 1e+09"),
        ("--clip", ["nan", "inf", "1e400"], "it must be"),
        ("--bits", ["7", "41", "-1"], "it must be 8 to 40"),
        ("--max-examples", ["0", "9999999999"], "it must be 1 to 1000000000"),
        ("--rounds", ["0", "1000001"], "it must be 1 to 1000000"),
        ("--seconds", ["0", "-5", "99999999"], "it must be 1 to 31536000"),
        ("--least-contributors", ["2", "4"], "it must be 3"),
        ("--max-examples", ["9" * 22], "it"),
        ("--rounds", ["9" * 22], "it"),
    ],
)
def test_a_number_of_a_plan_out_of_range_is_told_with_its_option(
    typed: Run, option: str, values: list[str], allowed: str
) -> None:
    typed(*NEW, *CARDS, expect=0)
    for value in values:
        said = typed(*TRAINING, option, value)
        assert f"{option} (" in said
        assert allowed in said
        assert not Path("cardio.toml").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("men,1\nwomen,2\nmen,3\nwomen,4\n", "line 1 and line 3 have the same label, 'men'"),
        ("label,number\nmen,1\nmen,3\n", "line 2 and line 3 have the same label, 'men'"),
        ('"men",1\n\n"men",3\n', "line 2 is empty"),
        ('{"men": 1, "women": 2, "men": 3}', "the label 'men' is there twice"),
        ("men,1\n ,2\n", "line 2 has an empty label"),
        (f"men,1\n{'x' * 101},2\n", "line 2 has more than 100 characters"),
        ("men,1\nwomen,two\n", "line 2: 'two' is not a number"),
        ("men,1\nwomen\n", "line 2 has 1 column."),
        ("men,1\nwomen,2,3\n", "line 2 has 3 columns."),
    ],
)
def test_a_file_of_numbers_is_refused_by_line_and_label(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(text)
    with pytest.raises(UnfitNumbers, match=re.escape(said)):
        read_numbers(path, mpz(15))


def labelled(*labels: str, lines: tuple[int, ...] = ()) -> Numbers:
    return Numbers("n.csv", tuple(map(Decimal, range(1, len(labels) + 1))), labels, lines)


@pytest.mark.parametrize(
    ("own", "asked", "reason", "remedy"),
    [
        (labelled("stays", "visits", lines=(2, 3)), ("visits", "stays"),
         "labels of study v in another order: line 2 is 'stays', number 1 of the study is 'visits'",
         "the study's order: 'visits', 'stays'"),
        (labelled("visits", "stay", lines=(1, 2)), ("visits", "stays"),
         "study v has no 'stay' (line 2)", "the study's labels are 'visits', 'stays'"),
        (labelled("visits", "stays", "more"), ("visits", "stays"),
         "study v has no 'more' (number 3)", "another study"),
        (labelled("visits"), ("visits", "stays"),
         "it lacks 'stays', which study v has", "the study's labels are"),
        (Numbers("n.csv", (Decimal(1), Decimal(2))), ("visits", "stays"),
         "its numbers have no labels, study v has 'visits', 'stays'", "label before it"),
        (labelled("visits", "stays"), (),
         "its numbers have labels ('visits', 'stays'), study v has 2 numbers without labels",
         "leave the labels out"),
        (labelled(*"abcdefgh"), tuple("hgfedcba"), "in another order: number 1 is 'a'",
         "'h', 'g', 'f', 'e', 'd' and 3 more"),
    ],
)  # fmt: skip
def test_labels_that_differ_are_named_with_their_place(
    own: Numbers, asked: tuple[str, ...], reason: str, remedy: str
) -> None:
    length = len(asked) or len(own.values)
    found = misfit(own, Statistic(length, 0, "d", asked), "v")
    assert found is not None
    assert reason in found.reason
    assert remedy in found.remedy
    assert "no label'" not in found.reason  # which nobody has written


WORDS = fingerprint(bytes(range(16))).split()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" ".join(WORDS[:11]), "a fingerprint has 12 words, and these are 11"),
        (" ".join([*WORDS, "zoo"]), "a fingerprint has 12 words, and these are 13"),
        (" ".join([*WORDS[:11], "dessert"]), "word 12, 'dessert', is none of a fingerprint. Is it "
         "'desert'?"),
        (" ".join(["12345", *WORDS[1:]]), "word 1, '12345', is none of a fingerprint"),
        (" ".join([WORDS[1], WORDS[0], *WORDS[2:]]), "two have changed places"),
        (WORDS[0], "12 words between quotation marks, or hex digits"),
        ("ab" * 8, "32 to 64 digits, this 16"),
        ("a" * 33, "32 to 64 digits, this 33"),
    ],
)  # fmt: skip
def test_words_that_are_no_fingerprint_are_counted_and_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_fingerprint(text)


def test_one_of_a_thing_is_not_many() -> None:
    assert counted(1, "entry", "entries") == "1 entry"
    assert counted(0, "entry", "entries") == "0 entries"
    assert counted("1", "lock") == "1 lock"  # as another party's report says it
    assert counted("?", "lock") == "? locks"
    for missing, wrong, said in (
        (["H1"], [], "the signature of H1 is missing"),
        (["H1", "H2"], [], "the signatures of H1, H2 are missing"),
        ([], ["H1"], "the signature of H1 does not fit"),
        ([], ["H1", "H2"], "the signatures of H1, H2 do not fit"),
    ):
        assert said in describe(UnsignedTerms(missing, wrong), Context()).what


STOPPED = [lambda s: OutOfTime(4, Waiting("task"), s), lambda s: Interrupted(2, s)]


@pytest.mark.parametrize("kind", STOPPED)
def test_whoever_stops_learns_that_what_was_being_sent_will_be_sent(kind: Any) -> None:
    kept = "what this hospital was sending is kept, and the next command sends it"
    assert kept in describe(kind(True), Context()).remedy
    assert kept not in describe(kind(False), Context()).remedy
    assert "the same command goes on" in describe(kind(False), Context()).remedy


def held_back(waited: list[str]) -> dict[str, Any]:
    return {
        "session": "study/cardio/3", "study": "cardio", "round": 3, "closed": None,
        "opened": "2026-01-01T00:00:00+00:00", "contributors": ["H1"], "not_contributed": waited,
        "held_back": True, "held_back_for": waited, "votes_needed": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("waited", "way"),
    [
        (["H2"], "as soon as H2 contributes."),
        (["H2", "H3"], "as soon as H2, H3 contribute."),
        ([], "cannot be added: the aggregator's status says whose."),
    ],
)
def test_a_hospitals_status_says_every_way_out_of_a_round_that_is_held_back(
    capsys: pytest.CaptureFixture[str], waited: list[str], way: str
) -> None:
    report = {"entries": 1, "head": "ab", "members": [], "rounds": [held_back(waited)]}
    show_standing(None, report, "H1")
    said = " ".join(capsys.readouterr().out.split())
    assert "1 entry on the board" in said
    ends = "3 hospitals can end the study cardio and go on in another one"
    for words in ("cardio/3: open since", "held back: with a sum of the same start", way, ends):
        assert words in said


def test_a_board_that_is_shorter_than_what_was_seen_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_loss({"entries": 0}, 98)
    assert "this hospital has seen 98 entries" in (said := capsys.readouterr().out)
    assert "backup" in said
    for entries in (98, 99, None, "7"):
        show_loss({"entries": entries}, 98)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "this copy of the record lacks that file; take it from another copy"),
        (bytes(5), "it has 5 bytes, by the entry 5000; take it from another copy"),
        (bytes(6000), "6000 bytes, at most 5000 are allowed; take it from another copy"),
        (bytes(5000), "it has not the hash that its name gives; take it from another copy"),
    ],
)
def test_a_payload_that_a_record_lacks_is_no_fault_of_whoever_posted_it(
    data: bytes | None, said: str
) -> None:
    attachment = Attachment(0, 5000, bytes(32), b"")
    files = MemoryFiles({} if data is None else {blob_path(bytes(32)): data})
    with pytest.raises(Malformed, match=re.escape(said)):
        Evidence(files, None, None, bytes(32)).payload(attachment)
