"""``quorate-participant verify``: exit codes, output, and what is to be compared."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from participant.cli import app
from participant.words.fingerprint import fingerprint
from protocol.encoding import encode
from protocol.messages import round_session
from protocol.record import read_verified, write_verified
from tests.stage.record.broken import TAMPERINGS
from tests.stage.record.chained import chained
from tests.stage.record.good import good
from tests.stage.record.memory import write_folder
from tests.stage.record.story import write


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("record")
    write_folder(write(good().story).files, folder)
    return folder


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of a hospital is needed."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("QUORATE_HOME", "QUORATE_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)


def verify(*arguments: object, expect: int = 0) -> Result:
    found = CliRunner().invoke(app, ["verify", *map(str, arguments)])
    assert found.exit_code == expect, found.output
    assert "Traceback" not in found.output
    return found


def identity() -> bytes:
    return good().story.federation.terms.federation


def test_a_good_record_is_told_line_by_line(record: Path) -> None:
    output = verify(record, "--fingerprint", fingerprint(identity())).output
    assert "2.1  the chain of entries is complete               " in output
    assert "All checks that were run hold." in output
    assert "NOT COMPARED" not in output
    assert "finding: entry 14, H2: ceremony/1: it broke the rules" in output


def test_without_a_fingerprint_it_says_that_nothing_was_compared(record: Path) -> None:
    output = verify(record).output
    assert "NOT COMPARED" in output
    assert fingerprint(identity()) in output
    assert re.search(r"(?m)^1\.2  fingerprint is the one given +0  not run: no fingerprint", output)


@pytest.mark.parametrize("spelled", ["words", "upper", "hex", "short hex"])
def test_a_fingerprint_may_be_words_or_hex(record: Path, spelled: str) -> None:
    words = fingerprint(identity())
    given = {"words": words, "upper": "  ".join(words.upper().split()), "hex": identity().hex()}
    verify(record, "--fingerprint", given.get(spelled, identity().hex()[:32]))


@pytest.mark.parametrize("given", ["abandon", "zoo " * 12, "ab" * 15, "ab" * 33, "xyz"])
def test_what_is_no_fingerprint_is_a_mistake_in_use(record: Path, given: str) -> None:
    assert "--fingerprint" in verify(record, "--fingerprint", given, expect=2).output


def test_another_fingerprint_fails(record: Path) -> None:
    output = verify(record, "--fingerprint", "ab" * 16, expect=5).output
    assert "FAILED: 1.2" in output


def test_a_later_record_is_held_against_an_earlier_head(record: Path, tmp_path: Path) -> None:
    head = facts(record)["head"]
    assert "0 entries were added since" in verify(record, "--since", head).output
    story = good().story.until(round_session("cardio", 2))
    write_folder(write(story).files, tmp_path / "shorter")
    earlier = facts(tmp_path / "shorter")["head"]
    added = len(good().story.said) - len(story.said)
    assert f"{added} entries were added since" in verify(record, "--since", earlier).output
    output = verify(tmp_path / "shorter", "--since", head, expect=5).output
    assert "FAILED: 2.7" in output
    assert "entries were removed" in output


@pytest.mark.parametrize("given", ["12", "12:ab", "x:" + "0" * 64, "-1:" + "0" * 64])
def test_what_is_no_head_is_a_mistake_in_use(record: Path, given: str) -> None:
    assert "--since" in verify(record, f"--since={given}", expect=2).output


def facts(record: Path, *arguments: object, expect: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(verify(record, "--json", *arguments, expect=expect).stdout)
    return found


def test_programs_get_the_same_in_json(record: Path) -> None:
    found = facts(record, "--fingerprint", fingerprint(identity()))
    assert (found["event"], found["holds"], found["fingerprint_compared"]) == (
        "verified", True, True,
    )  # fmt: skip
    assert found["federation"] == identity().hex()
    assert found["fingerprint"] == fingerprint(identity())
    by_number = {check["number"]: check for check in found["checks"]}
    assert by_number["2.2"]["status"] == "ok"
    assert by_number["2.2"]["count"] == len(good().story.said)
    assert by_number["2.7"]["status"] == "not run"
    assert by_number["3.7"]["findings"] == [
        {
            "entry": 14,
            "party": "H2",
            "reason": "ceremony/1: it broke the rules: moduli: its seed gives something else",
        }
    ]


def test_a_broken_record_fails_in_json_and_in_the_exit_code(tmp_path: Path) -> None:
    broken = TAMPERINGS["sum_that_is_not_the_product"](good())
    write_folder(broken.files, tmp_path / "broken")
    found = facts(tmp_path / "broken", expect=5)
    assert found["holds"] is False
    (check,) = [c for c in found["checks"] if c["number"] == "5.2"]
    assert check["status"] == "FAILED"
    assert [(f["entry"], f["party"]) for f in check["failures"]] == [(broken.entry, broken.party)]


def test_where_there_is_no_record_nothing_was_checked(tmp_path: Path) -> None:
    output = verify(tmp_path / "nowhere", expect=1).output
    assert "no record at" in output
    assert "quorate-participant export" in output


def test_a_name_in_a_record_cannot_steer_the_terminal(record: Path, tmp_path: Path) -> None:
    write_folder(write(good().story).files, tmp_path / "evil")
    (tmp_path / "evil" / "\x1b[2Jowned").write_bytes(b"")
    output = verify(tmp_path / "evil", expect=5).output
    assert "\x1b" not in output
    assert "\\x1b[2Jowned does not belong to this record" in output


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of a chain of federations, newest first."""
    stories = chained().newest, chained().middle, chained().oldest
    folder = tmp_path_factory.mktemp("chain")
    return [write_folder(write(s).files, folder / str(k)) for k, s in enumerate(stories)]


def before(records: list[Path]) -> list[object]:
    return [word for record in records for word in ("--predecessor", record)]


def test_a_chain_of_records_is_told_record_by_record(records: list[Path]) -> None:
    output = verify(records[0], *before(records[1:])).output
    assert output.count("The record of the predecessor, Toy:") == 2
    oldest = output.rpartition("The record of the predecessor, Toy:")[2]
    assert "handover/1 was void in entry" in oldest
    assert re.search(r"(?m)^8\.3  the key is the one that was handed over +1  ok$", output)
    assert "not run: the record of the predecessor" not in output
    assert "All checks that were run hold." in output


def test_a_chain_in_json_has_each_record_in_the_one_after_it(records: list[Path]) -> None:
    found = json.loads(verify(records[0], *before(records[1:]), "--json").stdout)
    assert found["holds"]
    assert found["before"]["before"]["before"] is None
    assert found["before"]["federation"] == chained().middle.federation.terms.federation.hex()


def test_without_the_records_before_it_says_that_they_were_not_given(records: list[Path]) -> None:
    output = verify(records[0]).output
    assert output.count("not run: the record of the predecessor was not given") == 4


def test_records_in_another_order_fail(records: list[Path]) -> None:
    output = verify(records[0], *before([records[2], records[1]]), expect=5).output
    assert re.search(r"(?m)^FAILED: 8\.2, 8\.3, 8\.4, 8\.5$", output)


def test_a_record_before_that_is_none_is_missing(records: list[Path], tmp_path: Path) -> None:
    assert "record" in verify(records[0], "--predecessor", tmp_path, expect=1).output


# ── what was verified before ──


def test_what_was_verified_is_noted_and_not_looked_at_again(record: Path, tmp_path: Path) -> None:
    noted, end = tmp_path / "cardio.verified", len(good().story.said)
    first = verify(record, "--noted", noted).output
    assert "not looked at again" not in first
    assert noted.stat().st_mode & 0o777 == 0o600
    again = verify(record, "--noted", noted).output
    assert f"Up to entry {end} it was verified before" in again
    assert "0 entries were added since" in again
    told = [json.loads(verify(record, "--json", *o).output) for o in ([], ["--noted", noted])]
    assert [said["verified_before"] for said in told] == [0, end]
    assert told[0]["head"] == told[1]["head"]


def test_of_another_board_nothing_is_noted(record: Path, tmp_path: Path) -> None:
    noted = tmp_path / "cardio.verified"
    verify(record, "--noted", noted)
    before, story = noted.read_bytes(), good().story.copy()
    story.change(7, time_ms=story.at(7).time_ms + 1)
    other = write_folder(write(story).files, tmp_path / "other")
    output = verify(other, "--noted", noted, expect=5).output
    assert "it is another entry than in the earlier record" in output
    assert noted.read_bytes() == before


def test_a_failure_is_not_noted(record: Path, tmp_path: Path) -> None:
    noted = tmp_path / "cardio.verified"
    broken = write_folder(TAMPERINGS["blob_missing"](good()).files, tmp_path / "broken")
    verify(broken, "--noted", noted, expect=5)
    assert not noted.exists()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_note_that_others_may_have_written_is_not_believed(
    record: Path, tmp_path: Path, mode: int
) -> None:
    noted = tmp_path / "cardio.verified"
    verify(record, "--noted", noted)
    noted.chmod(mode)
    output = verify(record, "--noted", noted, expect=1).output
    assert "cannot be relied on: others than you may have written it" in output
    assert "remove this one and type the same command again" in output


def test_a_note_of_another_user_is_not_believed(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "cardio.verified"
    verify(record, "--noted", noted)
    monkeypatch.setattr("os.geteuid", lambda: 4_321)
    assert "others than you may have" in verify(record, "--noted", noted, expect=1).output


def test_a_note_about_another_federation_or_none_is_not_believed(
    record: Path, tmp_path: Path
) -> None:
    noted = tmp_path / "cardio.verified"
    verify(record, "--noted", noted)
    about = replace(read_verified(noted.read_bytes()), federation=bytes(32))
    noted.write_bytes(write_verified(about))
    output = verify(record, "--noted", noted, expect=1).output
    assert "it is about the record of another federation" in output
    for damaged in (b"{}", write_verified(about)[:-1], encode(about)):
        noted.write_bytes(damaged)
        assert "cannot be relied on" in verify(record, "--noted", noted, expect=1).output
