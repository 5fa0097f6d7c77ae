"""``study``: a plan from its file to its end; all that people are shown, and every refusal."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from participant.errors import NoStart
from participant.home import read_terms
from protocol.encoding import encode_binary
from protocol.messages import Statistic, Training, round_session
from tests.stage.consortium import Consortium, found, with_key

APP = """
import numpy as np

def initial_parameters(config):
    return [np.zeros(config["seed"] % 3 + 2)]

def fit(parameters, config):
    return [p + 0.25 for p in parameters], 10, {}

def evaluate(parameters, config):
    return float(parameters[0].sum()), 10, {}
"""
NEW = ["--purpose", "to try it", "--kind"]


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """A federation that has made its key; the aggregator runs."""
    made = with_key(tmp_path_factory.mktemp("studies"))
    (made.folder / "app.py").write_text(APP)
    with made.relay.running():
        yield made


@pytest.fixture
def signed(tmp_path: Path) -> Consortium:
    """A federation whose aggregator nobody needs."""
    made = found(tmp_path)
    (made.folder / "app.py").write_text(APP)
    return made


def one_line(text: str) -> str:
    return " ".join(text.split())


def new(consortium: Consortium, *words: str, expect: int = 0) -> tuple[str, str]:
    return consortium.typed(1, "study", "new", *words, expect=expect)


# ── plans ──


def test_a_new_plan_has_sensible_values_and_says_what_each_line_decides(signed: Consortium) -> None:
    said, _ = new(signed, "cardio.toml", *NEW, "training")
    text = (signed.folder / "cardio.toml").read_text()
    for line in ('name = "cardio"', "rounds = 10", "least_contributors = 3", '"H2"', "# start ="):
        assert line in text
    assert said.splitlines()[-1] == (
        "quorate-participant study propose cardio.toml federation.toml"
    )
    again, _ = signed.typed(1, "study", "show", "cardio.toml")
    assert again.rstrip() in said


def test_a_plan_is_never_written_over(signed: Consortium) -> None:
    new(signed, "cardio.toml", *NEW, "training")
    before = (signed.folder / "cardio.toml").read_bytes()
    _, errors = new(signed, "cardio.toml", *NEW, "training", "--rounds", "3", expect=1)
    assert "never overwritten" in errors
    assert (signed.folder / "cardio.toml").read_bytes() == before


def test_an_app_is_pinned_by_its_hash(signed: Consortium) -> None:
    said, _ = new(signed, "cardio.toml", *NEW, "training", "--app", "app.py")
    due = hashlib.sha256(APP.encode()).hexdigest()
    assert due in one_line(said)
    assert f'app = "{due}"' in (signed.folder / "cardio.toml").read_text()


def test_a_run_is_named_in_a_plan_and_shown(signed: Consortium) -> None:
    said, _ = new(signed, "cardio.toml", *NEW, "training", "--run", "flower/1234")
    assert "flower/1234. A program that trains for another one is refused" in one_line(said)
    assert 'run = "flower/1234"' in (signed.folder / "cardio.toml").read_text()
    said, _ = new(signed, "open.toml", *NEW, "training")
    assert "the one that the first program names" in one_line(said)


def test_a_statistic_takes_labels_and_decimals_of_a_file_and_none_of_its_numbers(
    signed: Consortium,
) -> None:
    (signed.folder / "n.csv").write_text("men,417\nwomen,0.25\n")
    new(signed, "n.toml", *NEW, "statistic", "--data", "n", "--numbers", "n.csv")
    text = (signed.folder / "n.toml").read_text()
    assert "417" not in text
    assert "decimals = 2" in text
    assert '"women"' in text


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (["training", "--keep-vectors", "0"], 1, "--keep-vectors (training.keep_vectors): 0, and"),
        (["training", "--rounds", "0"], 1, "--rounds (training.rounds): 0, and it must be 1"),
        (["training", "--clip", "-1"], 1, "--clip (training.clip)"),
        (["training", "--bits", "99"], 1, "--bits (training.bits)"),
        (["training", "--seconds", "0"], 1, "--seconds (seconds)"),
        (["training", "--least-contributors", "2"], 1, "the federation's floor is 3"),
        (["training", "--member", "H1"], 1, "--member (members): 1, and the federation asks for"),
        (["training", "--member", "H9"], 1, "H9 is no member"),
        (["training", "--name", "Cardio"], 1, "--name (name): Cardio"),
        (["training", "--start", "cardio"], 1, "--start (training.start): cardio"),
        (["training", "--start", "plan/1"], 1, "plan cannot start from itself"),
        (["training", "--old", "federation.toml"], 1, "--old (training.start_federation)"),
        (["training", "--weights", "none"], 1, "--weights (training.weights)"),
        (["training", "--weights", "equal", "--max-examples", "7"], 1, "it must be 1 where all"),
        (["training", "--app", "none.py"], 1, "no app at none.py"),
        (["training", "--data", "ages"], 2, "--kind says training"),
        (
            ["statistic", "--data", "n", "--length", "1", "--rounds", "2"],
            2,
            "--kind says statistic",
        ),
        (["statistic", "--length", "1"], 1, "--data (statistic.data): it is missing"),
        (["statistic", "--data", "n"], 1, "--length (statistic.length): it is missing"),
        (["statistic", "--data", "n", "--label", "a", "--label", "a"], 1, "a is there twice"),
        (["both"], 1, "--kind (kind): both"),
    ],
)
def test_what_no_plan_can_have_is_named_by_its_option_and_nothing_is_written(
    signed: Consortium, words: list[str], exit_code: int, said: str
) -> None:
    _, errors = new(signed, "plan.toml", *NEW, *words, expect=exit_code)
    assert said in one_line(errors.replace("│", " "))
    assert not (signed.folder / "plan.toml").exists()


def test_a_study_that_goes_on_names_the_terms_before(signed: Consortium) -> None:
    words = ["training", "--start", "cardio/7", "--old", "federation.toml"]
    said, _ = new(signed, "cardio.toml", *NEW, *words)
    assert "the model of cardio after round 7, of an earlier federation" in one_line(said)
    before = read_terms(signed.folder / "federation.toml").terms.federation
    text = (signed.folder / "cardio.toml").read_text()
    assert 'start = "cardio/7"' in text
    assert f'start_federation = "{encode_binary(before)}"' in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("rounds = 10", "rounds = 0"), "training.rounds: 0, and it must be 1 to 1000000"),
        (("rounds = 10", ""), "training.rounds: it is missing"),
        (("rounds = 10", "rounds = 10\nrounds = 11"), "rounds: it is there twice"),
        (("rounds = 10", "rounds = 10\ncolour = 1"), "training.colour: it is unknown here"),
        (
            ("least_contributors = 3", "least_contributors = 1"),
            "least_contributors: 1, and it must",
        ),
        (("[training]", "[statistic]"), "training: it is missing"),
        (('"H2"', '"H1"'), "members: H1 is there twice"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_the_file_and_nothing_is_sent(
    signed: Consortium, change: tuple[str, str], said: str
) -> None:
    new(signed, "cardio.toml", *NEW, "training")
    file = signed.folder / "cardio.toml"
    file.write_text(file.read_text().replace(*change))
    for words in (["show"], ["propose"]):
        _, errors = signed.typed(1, "study", *words, "cardio.toml", expect=1)
        assert f"cardio.toml: {said}" in errors
        assert "Nothing was sent" in errors


def test_a_file_of_another_kind_is_told_for_what_it_is(signed: Consortium) -> None:
    _, errors = signed.typed(1, "study", "propose", "federation.toml", expect=1)
    assert "is the terms of a federation, not the plan of a study" in errors
    new(signed, "cardio.toml", *NEW, "training")
    _, errors = signed.typed(1, "terms", "show", "cardio.toml", expect=1)
    assert "is the plan of a study, not the terms of a federation" in errors


# ── what is shown ──


def test_show_says_plainly_what_no_rule_can_see(signed: Consortium) -> None:
    new(signed, "cardio.toml", *NEW, "training")
    said = one_line(signed.typed(1, "study", "show", "cardio.toml")[0])
    assert "NOT PINNED" in said
    assert "--unpinned" in said
    assert "entry of its own for each hospital would show that hospital" in said
    assert "show the number of patients of a hospital that comes or leaves" in said
    assert "Every sum has 3 hospitals or more" in said
    assert "H1, H2, H3" in said
    new(signed, "equal.toml", *NEW, "training", "--weights", "equal", "--app", "app.py")
    said = one_line(signed.typed(1, "study", "show", "equal.toml")[0])
    assert "NOT PINNED" not in said
    assert "number of patients" not in said
    assert "the number of hospitals in the sum" in said


def test_show_has_every_label_of_a_statistic(signed: Consortium) -> None:
    labels = ["--label", "men", "--label", "women"]
    new(signed, "ages.toml", *NEW, "statistic", "--data", "ages", *labels)
    said, _ = signed.typed(1, "study", "show", "ages.toml")
    assert "sum of        men\n" in said
    assert "sum of        women\n" in said


# ── on the board ──


def listed(consortium: Consortium, index: int = 1) -> dict[str, dict[str, Any]]:
    """All studies by name, as ``study list --json`` has them."""
    said, _ = consortium.typed(index, "study", "list", "--json")
    return {found["study"]: found for found in json.loads(said)["studies"]}


def test_a_study_goes_from_its_proposal_to_its_end(consortium: Consortium) -> None:
    consortium.planned("whole", Statistic(1, 0, "whole"))
    said, _ = consortium.typed(2, "study", "propose", "whole.toml")
    assert "study approve whole federation.toml" in said
    assert listed(consortium)["whole"]["state"] == "proposed"
    for index in (1, 2, 3):
        said, _ = consortium.typed(index, "study", "approve", "whole", "--yes")
        assert f"Approved by H{index}: whole, to contribute and to help to open its sums" in said
    assert listed(consortium)["whole"]["state"] in ("open", "running round 1")
    for index in (1, 2, 3):
        file = consortium.folder / f"whole{index}.csv"
        file.write_text(f"{1000 + index}\n")
        consortium.typed(index, "contribute", file.name, "--study", "whole", "--timeout", "30")
    assert listed(consortium)["whole"]["state"] == "running round 1"
    other = consortium.start(2, "decrypt", "--study", "whole", "--yes", "--timeout", "30")
    said, _ = consortium.typed(1, "decrypt", "--study", "whole", "--yes", "--timeout", "30")
    assert other.wait(timeout=60) == 0
    assert said.splitlines()[-1] == "  3006"
    assert listed(consortium)["whole"]["state"] == "over"
    shown, _ = consortium.typed(3, "study", "show", "whole")
    assert "proposed by   H2" in shown
    text, _ = consortium.typed(3, "study", "list")
    assert "whole" in text


def test_a_name_is_used_once(consortium: Consortium) -> None:
    consortium.hold_study("once", Statistic(1, 0, "once"))
    consortium.typed(2, "study", "propose", "once.toml")  # the very same plan: nothing to do
    other = (consortium.folder / "once.toml").read_text().replace("length = 1", "length = 2")
    (consortium.folder / "other.toml").write_text(other)
    _, errors = consortium.typed(2, "study", "propose", "other.toml", expect=1)
    assert "the name once is taken: H1 has proposed another plan" in errors


def test_a_hospital_does_nothing_in_a_study_that_it_has_not_approved(
    consortium: Consortium,
) -> None:
    consortium.planned("strange", Statistic(1, 0, "strange"))
    consortium.typed(1, "study", "propose", "strange.toml")
    for index in (1, 2):
        consortium.typed(index, "study", "approve", "strange", "--yes")
    (consortium.folder / "strange.csv").write_text("2001\n")
    words = ["--study", "strange", "--timeout", "20"]
    _, errors = consortium.typed(3, "contribute", "strange.csv", *words, expect=3)
    assert "this hospital has not approved to contribute to strange" in errors
    assert "study approve strange" in errors
    board = consortium.relay.core.board
    assert not board.count(round_session("strange", 1), 3)


def test_who_has_withdrawn_contributes_no_more(consortium: Consortium) -> None:
    consortium.hold_study("leaving", Statistic(1, 0, "leaving"))
    said, _ = consortium.typed(2, "study", "withdraw", "leaving")
    assert "Withdrawn by H2" in said
    assert listed(consortium, 2)["leaving"]["state"] == "withdrawn here"
    assert listed(consortium, 1)["leaving"]["contributors"] == ["H1", "H3"]
    (consortium.folder / "leaving.csv").write_text("2002\n")
    words = ["--study", "leaving", "--timeout", "20"]
    _, errors = consortium.typed(2, "contribute", "leaving.csv", *words, expect=3)
    assert "this hospital has withdrawn its approval" in errors
    consortium.typed(2, "study", "approve", "leaving", "--yes", "--only", "open")
    found = listed(consortium, 2)["leaving"]
    assert (found["contributes"], found["opens"]) == (False, True)


def test_enough_votes_end_a_study(consortium: Consortium) -> None:
    consortium.hold_study("ending", Statistic(1, 0, "ending"))
    said, _ = consortium.typed(1, "study", "end", "ending", "--yes")
    assert "It takes 2 votes." in said
    said, _ = consortium.typed(3, "study", "end", "ending", "--yes")
    assert "ending has ended, by the votes of H1, H3." in said
    assert listed(consortium)["ending"]["state"] == "ended"
    (consortium.folder / "ending.csv").write_text("2003\n")
    for words in (
        ["contribute", "ending.csv", "--study", "ending"],
        ["study", "approve", "ending"],
    ):
        _, errors = consortium.typed(2, *words, *["--yes"] * (words[0] == "study"), expect=1)
        assert "ending was ended by the votes of H1, H3" in errors


def test_an_approval_without_agreement_does_not_happen(consortium: Consortium) -> None:
    consortium.planned("asked", Statistic(1, 0, "asked"))
    consortium.typed(1, "study", "propose", "asked.toml")
    said, errors = consortium.typed(2, "study", "approve", "asked", expect=1)
    assert "Approve asked as H2, to contribute and to help to open its sums?" in said
    assert "--yes" in errors
    assert listed(consortium)["asked"]["contributors"] == []


def test_only_the_app_of_the_plan_is_approved_and_run(consortium: Consortium) -> None:
    pinned = hashlib.sha256(APP.encode()).digest()
    consortium.planned("pinned", Training(1, 8.0, 24, 1_000, app=pinned))
    consortium.typed(1, "study", "propose", "pinned.toml")
    (consortium.folder / "changed.py").write_text(APP + "\n")
    words = ["study", "approve", "pinned", "--yes", "--app"]
    _, errors = consortium.typed(2, *words, "changed.py", expect=3)
    assert "changed.py is not the app of pinned: its SHA-256 is" in errors
    assert pinned.hex() in errors
    consortium.typed(2, *words, "app.py")
    words = ["train", "--study", "pinned", "--timeout", "20", "--app"]
    _, errors = consortium.typed(2, *words, "changed.py", expect=3)
    assert pinned.hex() in errors


def test_a_plan_without_an_app_is_approved_knowingly_or_not_at_all(consortium: Consortium) -> None:
    consortium.planned("loose", Training(1, 8.0, 24, 1_000))
    consortium.typed(1, "study", "propose", "loose.toml")
    _, errors = consortium.typed(1, "study", "approve", "loose", "--yes", expect=3)
    assert "does not say which app is run" in errors
    consortium.typed(1, "study", "approve", "loose", "--yes", "--unpinned", "--app", "app.py")
    (consortium.folder / "changed.py").write_text(APP + "\n")
    words = ["train", "--study", "loose", "--app", "changed.py", "--timeout", "20"]
    _, errors = consortium.typed(1, *words, expect=3)
    assert "the one that was approved here" in one_line(errors)


def test_the_commands_of_one_kind_tell_of_a_study_of_the_other(consortium: Consortium) -> None:
    consortium.hold_study("numbers", Statistic(1, 0, "numbers"))
    consortium.hold_study("weights", Training(1, 8.0, 24, 1_000))
    (consortium.folder / "kind.csv").write_text("2004\n")
    words = ["train", "--study", "numbers", "--app", "app.py"]
    _, errors = consortium.typed(1, *words, expect=1)
    assert "numbers is a statistic, and runs no app" in errors
    _, errors = consortium.typed(1, "contribute", "kind.csv", "--study", "weights", expect=1)
    assert "weights trains a model, and takes no numbers" in errors


def test_what_is_not_there_is_told_with_what_is(consortium: Consortium) -> None:
    consortium.hold_study("there", Statistic(1, 0, "there"))
    for words in (["show"], ["approve", "--yes"], ["withdraw"], ["end", "--yes"]):
        _, errors = consortium.typed(1, "study", words[0], "nosuch", *words[1:], expect=1)
        assert "nobody has proposed a study nosuch" in errors
        assert "study list" in errors
    for words in (["show", "No such"], ["approve", "No such"]):
        _, errors = consortium.typed(1, "study", *words, expect=2)
        assert "'No such'" in errors


def test_who_approves_is_told_of_a_first_model_that_is_not_here(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    lack = NoStart("further", "cardio/7", "it is not here", "studies/further/model-0.safetensors")
    monkeypatch.setattr("participant.cli.commands.study.lacking_start", lambda *about: lack)
    consortium.planned("further", Training(1, 8.0, 24, 1_000))
    consortium.typed(1, "study", "propose", "further.toml")
    said, _ = consortium.typed(1, "study", "approve", "further", "--yes", "--unpinned")
    assert "Before it can train: further starts from the model of cardio/7" in said
    assert "studies/further/model-0.safetensors" in said
