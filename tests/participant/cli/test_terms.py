"""``init``, ``card`` and ``terms`` as typed, with every mistake one can make."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocol.terms.terms import parse
from tests.stage.programs.typist import typist
from tests.stage.toy_home import PASSPHRASE, write_cards

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command in an empty folder."""
    return typist(tmp_path, monkeypatch)


NAMED = ["--name", "Lungs", "--aggregator", "aggregator.toml", "--quorum", "2"]
NEW = [*NAMED, "--key-bits", "256", "--allow-small-key"]


def cards(count: int) -> list[str]:
    return [word for i in range(1, count + 1) for word in ("--member", f"h{i}/card.toml")]


@pytest.fixture
def hospitals(run: Run, tmp_path: Path) -> Run:
    """Four hospitals and the card of an aggregator."""
    write_cards(tmp_path, 4)
    return run


def test_init_makes_an_identity_and_shows_its_card_and_fingerprint(run: Run) -> None:
    output = run("init", "--name", "St. Mary", "--home", "home")
    (words,) = [line.split()[1:] for line in output.splitlines() if "fingerprint" in line]
    assert len(words) == 12
    assert " ".join(words) in run("card", "--home", "home")


def test_init_twice_is_refused_before_anything_is_asked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", "--name", "St. Mary", "--home", "home")
    before = Path("home/identity.sealed").read_bytes()
    monkeypatch.delenv("QUORATE_PASSPHRASE")
    output = run("init", "--name", "St. Mary", "--home", "home", expect=1)
    assert "identity.sealed is there already" in output
    assert Path("home/identity.sealed").read_bytes() == before


@pytest.mark.parametrize("name", ["", " St. Mary", "St.\nMary", "x" * 65])
def test_a_name_that_cannot_be_is_refused(run: Run, name: str) -> None:
    assert "cannot be a name" in run("init", "--name", name, "--home", "home", expect=1)


def test_a_short_new_passphrase_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_PASSPHRASE", "short")
    assert "at least 8 characters" in run("init", "--name", "A", "--home", "home", expect=1)
    assert not Path("home/identity.sealed").exists()


def test_a_card_before_init_says_what_to_type(run: Run) -> None:
    assert "init --name" in run("card", "--home", "nowhere", expect=1)


def test_the_walk_from_cards_to_signed_terms(hospitals: Run) -> None:
    run = hospitals
    assert "H2: not signed" in run("terms", "new", *NEW, *cards(3))
    assert "signatures of H1, H2, H3 are missing" in run("terms", "show", expect=1)
    output = run("terms", "sign", "--home", "h1", answer="y\n")
    assert "Sign these terms as H1?" in output
    assert "[[signatures]]" in output
    run("terms", "sign", "--home", "h3", "--yes")
    output = run("terms", "show", expect=1)
    assert "H3: signed" in output
    assert "the signature of H2 is missing" in output
    run("terms", "sign", "--home", "h2", "--yes")
    output = run("terms", "show")
    assert "Next: quorate-participant ceremony federation.toml" in output
    assert "what is computed is no part of the terms: hospitals approve each study" in output
    text = parse(Path("federation.toml").read_text())
    terms, signatures = text.terms, text.signatures
    assert set(signatures) == {"H1", "H2", "H3"}
    assert (terms.quorum, terms.key_bits, terms.least_contributors) == (2, 256, 3)


def test_sums_show_two_more_than_the_assumed_colluders_at_least(hospitals: Run) -> None:
    quorum = ["--allow-minority-quorum"]
    output = hospitals("terms", "new", *NEW, *cards(4), *quorum)
    terms = parse(Path("federation.toml").read_text()).terms
    assert (terms.floors.least_difference, terms.floors.differencing) == (3, "refuse")
    assert (
        "refuse to open a sum where it shows, with all others of any study, fewer than 3" in output
    )
    Path("federation.toml").unlink()
    chosen = ["--assumed-colluders", "2", "--differencing", "warn"]
    output = hospitals("terms", "new", *NEW, *cards(4), *quorum, *chosen)
    terms = parse(Path("federation.toml").read_text()).terms
    assert (terms.floors.least_difference, terms.floors.differencing) == (4, "warn")
    assert terms.floors.least_contributors == 4
    assert "warn, and open, a sum where it shows" in output
    assert "2 members may put together what they know" in output


def test_how_long_a_ceremonys_step_may_last_is_in_the_terms_and_shown(hospitals: Run) -> None:
    output = hospitals("terms", "new", *NEW, *cards(3), "--step-seconds", "86400")
    assert "ceremony      given up when a step has lasted 24:00 h, counted once all" in output
    assert parse(Path("federation.toml").read_text()).terms.step_seconds == 86_400


def test_saying_no_signs_nothing(hospitals: Run) -> None:
    hospitals("terms", "new", *NEW, *cards(3))
    assert "not agreed" in hospitals("terms", "sign", "--home", "h1", expect=1, answer="n\n")
    assert "[[signatures]]" not in Path("federation.toml").read_text()


def test_signing_twice_is_refused(hospitals: Run) -> None:
    hospitals("terms", "new", *NEW, *cards(3))
    hospitals("terms", "sign", "--home", "h1", "--yes")
    assert "H1 has signed" in hospitals("terms", "sign", "--home", "h1", "--yes", expect=1)


def test_who_is_no_member_does_not_sign(hospitals: Run) -> None:
    hospitals("terms", "new", *NEW, *cards(3))
    output = hospitals("terms", "sign", "--home", "h4", "--yes", expect=1)
    assert f"H4, the identity in {Path.cwd()}/h4, is not a member" in output


def test_terms_altered_after_signing_name_whose_signature_does_not_fit(signed: Run) -> None:
    file = Path("federation.toml")
    file.write_text(file.read_text().replace("quorum = 2", "quorum = 3"))
    output = signed("ceremony", "--home", "h1", expect=1)
    assert "the signatures of H1, H2, H3 do not fit" in output


def test_terms_altered_after_another_signed_are_not_signed(hospitals: Run) -> None:
    hospitals("terms", "new", *NEW, *cards(3))
    hospitals("terms", "sign", "--home", "h1", "--yes")
    file = Path("federation.toml")
    file.write_text(file.read_text().replace("quorum = 2", "quorum = 3"))
    before = file.read_text()
    output = hospitals("terms", "sign", "--home", "h2", "--yes", expect=1)
    assert "the signature of H1 does not fit" in output
    assert file.read_text() == before


def test_a_question_that_nobody_answers_signs_nothing(hospitals: Run) -> None:
    hospitals("terms", "new", *NEW, *cards(3))
    output = hospitals("terms", "sign", "--home", "h1", expect=1, answer="")
    assert "without an answer" in output
    assert "--yes" in output


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--quorum", "1"], "federation.quorum"),
        (["--quorum", "4"], "federation.quorum"),
        (["--key-bits", "100"], "federation.key_bits"),
        (["--least-contributors", "2"], "floors.least_contributors"),
        (["--least-contributors", "4"], "floors.least_contributors"),
        (["--least-difference", "2"], "floors.least_difference"),
        (["--least-difference", "4"], "floors.least_difference"),
        (["--assumed-colluders", "0"], "floors.assumed_colluders"),
        (["--assumed-colluders", "2"], "floors.assumed_colluders"),
        (["--differencing", "off"], "floors.differencing"),
        (["--step-seconds", "0"], "federation.step_seconds"),
        (["--member", "h1/card.toml"], "is there twice"),
        (["--member", "none/card.toml"], "no card at none/card.toml"),
        (["--aggregator", "none.toml"], "no aggregator's card at none.toml"),
        (["--aggregator", "h1/card.toml"], "is a hospital's card, not the aggregator's card"),
    ],
)
def test_terms_that_cannot_be_are_refused_by_field(
    hospitals: Run, changes: list[str], said: str
) -> None:
    output = hospitals("terms", "new", *NEW, *cards(3), *changes, expect=1)
    assert said in output
    assert not Path("federation.toml").exists()


def test_a_quorum_of_half_needs_an_explicit_allowance(hospitals: Run) -> None:
    output = hospitals("terms", "new", *NEW, *cards(4), expect=1)
    assert "allow_minority_quorum" in output
    hospitals("terms", "new", *NEW, *cards(4), "--allow-minority-quorum")


def test_a_key_that_can_be_broken_needs_an_explicit_allowance(hospitals: Run) -> None:
    for bits in ("256", "1024", "2046"):
        output = hospitals("terms", "new", *NAMED, *cards(3), "--key-bits", bits, expect=1)
        assert f"{bits} bits protect no data" in output
        assert "--allow-small-key" in output
        assert not Path("federation.toml").exists()
    assert "WARNING" not in hospitals("terms", "new", *NAMED, *cards(3), "--key-bits", "2048")


def test_terms_are_never_written_over(hospitals: Run) -> None:
    hospitals("terms", "new", *NEW, *cards(3))
    assert "never overwritten" in hospitals("terms", "new", *NEW, *cards(3), expect=1)


COMMANDS = [
    ["ceremony"],
    ["train", "--study", "ages", "--app", "app.py"],
    ["decrypt", "--study", "ages"],
    ["public-key", "--phe"],
    ["contribute", "numbers.json", "--study", "ages"],
    ["status"],
    ["study", "list"],
    ["study", "show", "ages"],
    ["study", "approve", "ages"],
    ["study", "withdraw", "ages"],
    ["study", "end", "ages"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_refuses_unsigned_terms_naming_who_is_missing(
    hospitals: Run, command: list[str]
) -> None:
    hospitals("terms", "new", *NEW, *cards(3))
    hospitals("terms", "sign", "--home", "h2", "--yes")
    output = hospitals(*command, "--home", "h1", expect=1)
    assert "the signatures of H1, H3 are missing" in output
    assert "terms sign federation.toml" in output


@pytest.fixture
def signed(hospitals: Run) -> Run:
    """Terms that all have signed, and no key yet."""
    hospitals("terms", "new", *NEW, *cards(3))
    for i in (1, 2, 3):
        hospitals("terms", "sign", "--home", f"h{i}", "--yes")
    return hospitals


@pytest.mark.parametrize("command", COMMANDS[1:5], ids=" ".join)
def test_before_the_ceremony_the_next_command_is_named(signed: Run, command: list[str]) -> None:
    output = signed(*command, "--home", "h1", expect=1)
    assert "no key share" in output
    assert "quorate-participant ceremony federation.toml" in output


def test_a_wrong_passphrase_is_told(signed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_PASSPHRASE", "wrong horse")
    assert "the passphrase is wrong" in signed("ceremony", "--home", "h1", expect=1)


def test_a_passphrase_file_counts_before_the_environment(
    signed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_PASSPHRASE", "wrong horse")
    Path("passphrase").write_text(PASSPHRASE.text + "\n")
    output = signed(
        *("train", "--study", "x", "--home", "h1", "--passphrase-file", "passphrase"), expect=1
    )
    assert "no key share" in output


def test_the_aggregator_down_is_waited_for_and_said_once(signed: Run) -> None:
    output = signed("ceremony", "--home", "h1", "--timeout", "2", expect=1)
    assert output.count("not reachable (connection refused); trying again") == 1
    assert "not done after 2 s: no link to wss://localhost:1 (connection refused)" in output


def test_a_key_too_short_for_real_data_is_said_to_be(signed: Run) -> None:
    assert "WARNING       A key of 256 bits can be broken" in signed("terms", "show")


def test_status_without_an_aggregator_still_shows_what_is_here(signed: Run) -> None:
    output = signed("status", "--home", "h2", expect=1)
    assert "Here: H2, member 2" in output
    assert "not reachable: connection refused" in output


@pytest.mark.parametrize(
    "words",
    [
        ["decrypt", "--study", "../x"],
        ["decrypt", "--study", "x", "--round", "0"],
        ["contribute", "numbers.json", "--study", "7"],
        ["contribute", "numbers.json", "--study", "Ages"],
        ["study", "approve", "Ages"],
        ["study", "approve", "ages", "--only", "read"],
        ["study", "show"],
        ["study", "new", "ages.toml", "--kind", "statistic"],
        ["ceremony", "--timeout", "0"],
        ["train"],
        ["nonsense"],
    ],
)
def test_wrong_usage_ends_with_2(run: Run, words: list[str]) -> None:
    run(*words, expect=2)


def test_a_missing_terms_file_is_told(run: Run) -> None:
    assert "no terms at federation.toml" in run("ceremony", expect=1)


def test_an_unforeseen_error_is_one_line_and_a_file(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr("participant.cli.commands.terms.read_card", broken)
    output = run("card", "--home", "home", expect=1)
    assert "internal error (ZeroDivisionError)" in output
    (details,) = Path("home/errors").iterdir()
    assert str(details) in output
    assert "unforeseen" in details.read_text()
