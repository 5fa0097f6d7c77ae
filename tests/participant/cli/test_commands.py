"""The commands of three hospitals once there is a key; what goes side by side, in processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import phe
import pytest

from participant.statistic.phe_files import joint_key_jwk
from protocol.messages import Closing, Contributor, Statistic, Training, round_session
from protocol.rounds.view import RoundView
from tests.participant.statistic.test_phe_files import encrypted
from tests.stage.consortium import Consortium, ended, found, with_key

APP = """
import numpy as np

def initial_parameters(config):
    return [np.zeros((2, 3)), np.zeros(4, dtype=np.float32)]

def fit(parameters, config):
    return [p + 0.25 for p in parameters], 10, {"loss": np.float32(1.5)}

def evaluate(parameters, config):
    return float(parameters[0].sum()), 10, {"accuracy": 0.75}
"""


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """A federation that has made its key; the aggregator runs."""
    made = with_key(tmp_path_factory.mktemp("consortium"))
    (made.folder / "app.py").write_text(APP)
    with made.relay.running():
        yield made


def events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def encrypted_by_phe(consortium: Consortium, name: str, numbers: list[float]) -> str:
    """A file as a program that knows only phe and the exported key makes it."""
    epoch, _ = consortium.member(1).held_key()
    jwk = json.loads(joint_key_jwk(epoch, consortium.terms.name))
    key = phe.PaillierPublicKey(phe.util.base64_to_int(jwk["n"]))
    values = [encrypted(number, key) for number in numbers]
    path = consortium.folder / f"{name}.json"
    path.write_text(json.dumps({"public_key": {"n": key.n}, "values": values}))
    return path.name


def test_training_ends_with_one_model_at_every_hospital(consortium: Consortium) -> None:
    consortium.hold_study("cardio", Training(1, 8.0, 24, 1_000))
    command = ["train", "--study", "cardio", "--app", "app.py", "--timeout", "50"]
    running = [
        consortium.start(1, *command, "--json"),
        consortium.start(2, *command),
        consortium.start(3, *command),
    ]
    (as_json, _), (as_text, _), _ = [ended(process) for process in running]
    assert [e["event"] for e in events(as_json)] == [
        "entries",
        "fitted",
        "contributed",
        "closed",
        "rounding",
        "decrypted",
        "evaluated",
    ]
    last = events(as_json)[-1]
    assert last["loss"] == pytest.approx(1.5, abs=1e-3)  # weights of 10 in 1000
    assert last["bytes_up"] > 0
    assert "3 of 3" in as_text
    assert "accuracy 0.75" in as_text
    assert as_text.count("Averaged with the other hospitals: ") == 1
    folders = [consortium.member(i).folder / "studies" / "cardio" for i in (1, 2, 3)]
    models = {(folder / "model-1.safetensors").read_bytes() for folder in folders}
    assert len(models) == 1
    assert events((folders[1] / "rounds.jsonl").read_text())[-1]["event"] == "evaluated"
    assert "Study cardio is done, 1 round in all." in as_text
    assert str(folders[1] / "model-1.safetensors") in as_text


def written(consortium: Consortium, name: str, text: str) -> str:
    """A file of plain numbers."""
    (consortium.folder / name).write_text(text)
    return name


def test_numbers_of_three_hospitals_are_added_exactly_and_a_quorum_decrypts(
    consortium: Consortium,
) -> None:
    consortium.hold_study("ages", Statistic(2, 2, "ages"))
    files = {
        1: written(consortium, "n1.csv", "3\n-1.5\n"),
        2: written(consortium, "n2.json", "[5, 0.25]"),
        3: encrypted_by_phe(consortium, "n3", [0, 2**20]),
    }
    command = ["--study", "ages", "--timeout", "30"]
    for i, file in files.items():
        output, _ = consortium.typed(i, "contribute", file, *command)
        assert "Contributed 2 numbers with 2 decimals to ages." in output
    command = ["decrypt", "--study", "ages", "--yes", "--timeout", "30"]
    other = consortium.start(3, *command)
    as_json, _ = consortium.typed(1, *command, "--json")
    as_text, _ = ended(other)
    (decrypted,) = events(as_json)
    assert decrypted["sums"] == ["8.00", "1048574.75"]
    assert decrypted["contributors"] == ["H1", "H2", "H3"]
    assert "contributors  H1, H2, H3" in as_text
    assert as_text.splitlines()[-2:] == ["  8.00", "  1048574.75"]


def test_labels_are_shown_before_and_beside_the_sums(consortium: Consortium) -> None:
    texts = ("men,3\nwomen,-1\n", '{"men": 5, "women": 2}', "label,number\nmen,0\nwomen,0\n")
    consortium.hold_study("visits", Statistic(2, 0, "visits", ("men", "women")))
    command = ["--study", "visits", "--timeout", "30"]
    for i, text in enumerate(texts, start=1):
        file = written(consortium, f"labelled{i}", text)
        consortium.typed(i, "contribute", file, *command)
    command = ["decrypt", "--study", "visits", "--yes", "--timeout", "30"]
    other = consortium.start(3, *command)
    as_json, _ = consortium.typed(1, *command, "--json")
    as_text, _ = ended(other)
    (decrypted,) = events(as_json)
    assert (decrypted["labels"], decrypted["sums"]) == (["men", "women"], ["8", "1"])
    assert "  sum of        men\n  sum of        women\n" in as_text
    assert as_text.splitlines()[-2:] == ["  8  men", "  1  women"]


def test_numbers_that_a_study_does_not_take_are_refused_with_a_remedy(
    consortium: Consortium,
) -> None:
    consortium.hold_study("asked", Statistic(2, 1, "asked", ("men", "women")))
    command = ["--study", "asked", "--timeout", "30"]
    for text, said in (
        ("men,1.25\nwomen,1\n", "line 1 (men)"),
        ("women,1\nmen,2\n", "another order: line 1 is 'women'"),
        ("1\n2\n", "no labels"),
        ("men,1\n", "'women'"),
    ):
        file = written(consortium, "other.csv", text)
        _, errors = consortium.typed(2, "contribute", file, *command, expect=1)
        assert said in errors
        assert "No number was sent" in errors
    fitting = written(consortium, "fits.csv", "men,17\nwomen,23\n")
    output, _ = consortium.typed(2, "contribute", fitting, *command)
    assert "Contributed 2 numbers with 1 decimal to asked." in output


def test_a_decryption_without_agreement_does_not_happen(consortium: Consortium) -> None:
    consortium.hold_study("weights", Statistic(1, 0, "weights"))
    numbers = encrypted_by_phe(consortium, "weights", [71])
    for i in (1, 2, 3):
        consortium.typed(i, "contribute", numbers, "--study", "weights", "--timeout", "30")
    output, errors = consortium.typed(2, "decrypt", "--study", "weights", expect=1)
    assert "Help to decrypt this sum?" in output
    assert "without an answer" in errors
    assert "--yes" in errors
    session = round_session("weights", 1)
    assert not RoundView.of(session, consortium.relay.core.board.session(session)).locks


def test_the_decryption_of_one_hospitals_numbers_is_refused(consortium: Consortium) -> None:
    consortium.hold_study("alone", Statistic(1, 0, "alone"))
    numbers = encrypted_by_phe(consortium, "alone", [42])
    consortium.typed(1, "contribute", numbers, "--study", "alone", "--timeout", "30")
    session = round_session("alone", 1)
    view = RoundView.of(session, consortium.relay.core.board.session(session))
    (alone,) = view.contributions.values()
    body: Any = alone.post.body
    chosen = (Contributor(1, alone.digest),)
    consortium.relay.say(session, Closing(chosen, body.ciphertexts))
    command = ["decrypt", "--study", "alone", "--yes", "--timeout", "30"]
    _, errors = consortium.typed(2, *command, expect=3)
    assert "refused to help decrypt alone/1 (rule min-contributors)" in errors
    assert "H1" in errors


def test_a_second_ceremony_is_not_begun(consortium: Consortium) -> None:
    output, _ = consortium.typed(2, "ceremony", "--json")
    (event,) = events(output)
    assert (event["event"], event["epoch"], event["key_bits"]) == ("done already", 1, 256)


def test_the_joint_key_is_exported_for_phe_and_never_written_over(consortium: Consortium) -> None:
    command = ["public-key", "--phe", "--out", "key.json"]
    assert "fingerprint" in consortium.typed(3, *command)[0]
    jwk = json.loads((consortium.folder / "key.json").read_text())
    epoch, _ = consortium.member(1).held_key()
    assert phe.util.base64_to_int(jwk["n"]) == epoch.joint_key().n
    assert "never overwritten" in consortium.typed(3, *command, expect=1)[1]


def test_status_tells_both_sides(consortium: Consortium) -> None:
    (standing,) = events(consortium.typed(2, "status", "--json")[0])
    assert standing["here"]["key_share_epochs"] == [1]
    assert standing["aggregator"]["ceremony"]["complete"] is True
    output, _ = consortium.typed(2, "status")
    assert "Here: H2, member 2" in output
    assert "ceremony/1: complete" in output
    assert f"head {standing['aggregator']['head'][:16]}" in output


def test_numbers_of_phe_that_do_not_open_are_refused(consortium: Consortium) -> None:
    key, _ = phe.generate_paillier_keypair(n_length=256)
    number = key.encrypt(3)
    path = consortium.folder / "foreign.json"
    consortium.hold_study("foreign", Statistic(1, 0, "foreign"))
    command = ["contribute", path.name, "--study", "foreign"]
    values = [(str(number.ciphertext()), number.exponent)]
    for document, said in (
        ({"public_key": {"n": key.n}, "values": values}, "encrypted under another key"),
        ({"values": values}, "number 1: it has no r"),
    ):
        path.write_text(json.dumps(document))
        _, errors = consortium.typed(1, *command, expect=1)
        assert f"foreign.json cannot be contributed: {said}" in " ".join(errors.split())


def test_an_app_that_fails_is_told_with_its_line_and_a_file(consortium: Consortium) -> None:
    (consortium.folder / "broken.py").write_text(APP.replace("np.zeros((2, 3))", "np.ones(-1)"))
    consortium.hold_study("broken", Training(1, 8.0, 24, 1_000))
    command = ["train", "--study", "broken", "--app", "broken.py"]
    _, errors = consortium.typed(1, *command, expect=1)
    assert "the app failed in initial_parameters: ValueError" in errors
    assert "broken.py:5" in errors


def test_a_second_contribution_is_not_taken_for_the_first(consortium: Consortium) -> None:
    consortium.hold_study("again", Statistic(1, 0, "again"))
    first, second = (encrypted_by_phe(consortium, f"again{x}", [91 * x]) for x in (1, 2))
    command = ["--study", "again", "--timeout", "30"]
    output, _ = consortium.typed(1, "contribute", first, *command)
    assert "Contributed 1 whole number to again." in output
    output, _ = consortium.typed(1, "contribute", second, *command)
    assert "Contributed" not in output
    assert "holds what this hospital contributed before" in output
    assert "again2.json was not sent" in output
    (event,) = events(consortium.typed(1, "contribute", second, *command, "--json")[0])
    assert event["event"] == "contributed before"


def test_more_numbers_than_the_study_has_are_refused(consortium: Consortium) -> None:
    consortium.hold_study("long", Statistic(1, 0, "long"))
    file = encrypted_by_phe(consortium, "long", [131, 137])
    command = ["--study", "long", "--timeout", "30"]
    _, errors = consortium.typed(2, "contribute", file, *command, expect=1)
    assert "2 numbers" in errors
    assert "No number was sent" in errors


def test_a_study_that_nobody_has_proposed_is_told_with_those_that_are(
    consortium: Consortium,
) -> None:
    written(consortium, "n1.csv", "3\n-1.5\n")
    for words in (["decrypt", "--yes"], ["contribute", "n1.csv"], ["train", "--app", "app.py"]):
        _, errors = consortium.typed(1, *words, "--study", "nosuch", "--timeout", "1", expect=1)
        assert "nosuch" in errors
        assert "quorate-participant" in errors


@pytest.mark.parametrize("command", [["decrypt"], ["contribute", "x.json"], ["train"]])
def test_a_name_that_no_study_has_is_shown(consortium: Consortium, command: list[str]) -> None:
    _, errors = consortium.typed(1, *command, "--study", "My visits", expect=2)
    assert "--study" in errors
    assert "'My visits'" in errors


def test_two_processes_on_one_data_folder_are_one_too_many(tmp_path: Path) -> None:
    alone = found(tmp_path)
    first = alone.start(1, "ceremony")
    wait_for_a_line(first)
    _, errors = alone.typed(1, "ceremony", "--timeout", "20", expect=1)
    assert f"is in use by process {first.pid} (ceremony)" in errors
    first.kill()
    first.communicate(timeout=10)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_with_one_line(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = found(tmp_path).start(1, "ceremony")
    wait_for_a_line(process)
    process.send_signal(number)
    started = time.monotonic()
    _, errors = ended(process, expect=code)
    assert time.monotonic() - started < 5
    assert errors.splitlines()[0] == f"quorate-participant: stopped by {number.name}"


def test_who_stops_reading_the_output_is_told_of_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    file = str(found(tmp_path).file)
    with os.fdopen(writing, "wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "participant", "terms", "show", file],
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def wait_for_a_line(process: subprocess.Popen[str]) -> None:
    """A ceremony says how long it will take, then that the aggregator cannot be reached."""
    assert process.stdout is not None
    assert "will probably take" in process.stdout.readline()
    assert "not reachable" in process.stdout.readline()
