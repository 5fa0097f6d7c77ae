"""What a person reads while rounds go on."""

import pytest

from participant.cli.commands.training import RoundTable
from tests.stage.toy import toy_federation

TABLE = RoundTable(toy_federation().terms)


def said(capsys: pytest.CaptureFixture[str], event: str, **facts: object) -> str:
    TABLE.show({"study": "cardio", "round": 3, "event": event, **facts})
    return capsys.readouterr().out


def test_a_void_round_says_whose_doing_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "the aggregator's sum is not that of the contributions"
    found = said(capsys, "void", by="aggregator", reason=reason)
    assert found.startswith(f"cardio/3: {reason}. Every hospital finds the same")
    assert "the model stays as it was" in found
    found = said(capsys, "void", by="contributor", reason="sum out of range")
    assert found.startswith("cardio/3: no honest contributions have such a sum (sum out of range)")
    assert "the model stays as it was" in found


def test_who_posted_a_false_checksum_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "false-checksum", members=["H3", "H5"])
    assert found.startswith("cardio/3: the checksum that H3, H5 posted is not that of")
    assert "The sum was checked without it" in found


def test_a_line_of_the_table_shows_so_many_metrics_and_whole_percents(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said(capsys, "rounding", rounding=1.0)
    metrics = {f"m{k}": 0.5 for k in range(100_000)}
    row = said(capsys, "evaluated", bytes_up=0, bytes_down=0, loss=0.5, metrics=metrics)
    assert "      100 %     0.5000  m0 0.5, m1 0.5," in row
    assert "m19 0.5, 99980 more" in row
