"""``handover`` and ``key refresh`` as people mistype them: what they are told, before a link."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stage.programs.typist import founder

Run = Callable[..., str]
OLD, NEW = "federation.toml", "new.toml"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """H1 to H3 signed the old terms, H1, H2 and H4 the new ones; h5 is no member."""
    typed = founder(tmp_path, monkeypatch, OLD)
    swap = ("--add", "h4/card.toml", "--remove", "H3", "--leaves-in-peace")
    typed("terms", "succeed", OLD, "--out", NEW, *swap)
    return typed


def sign(run: Run, file: str, *members: int) -> None:
    for i in members:
        run("terms", "sign", file, "--home", f"h{i}", "--yes")


def hand_over(run: Run, member: int, *words: str, new: str = NEW) -> str:
    """What a member is told whose handover cannot begin."""
    return run("handover", new, "--home", f"h{member}", "--yes", *words, expect=1)


def test_terms_that_not_all_have_signed_are_refused_and_name_who_has_not(run: Run) -> None:
    sign(run, NEW, 1, 4)
    assert f"{NEW}: the signature of H2 is missing" in hand_over(run, 1)


def test_terms_that_make_a_new_key_name_the_ceremony(run: Run) -> None:
    run("terms", "succeed", OLD, "--out", "another.toml", "--new-key")
    sign(run, "another.toml", 1, 2, 3)
    said = hand_over(run, 1, new="another.toml")
    assert "the members of another.toml make a new key, and take over none" in said
    assert "quorate-participant ceremony another.toml" in said


def test_terms_that_succeed_none_are_no_new_ones(run: Run) -> None:
    said = hand_over(run, 1, new=OLD)
    assert f"{OLD} holds terms that succeed no others" in said
    assert "terms succeed --out" in said


def test_other_old_terms_are_refused(run: Run) -> None:
    sign(run, NEW, 1, 2, 4)
    said = hand_over(run, 1, "--old", NEW)
    assert f"{NEW} holds other terms than those that {NEW} succeeds" in said


def test_who_is_in_neither_terms_is_told_so_and_asked_for_no_record(run: Run) -> None:
    sign(run, NEW, 1, 2, 4)
    said = hand_over(run, 5)
    assert "H5, the identity in" in said
    assert "is not a member" in said
    assert "record" not in said


def test_a_new_member_needs_a_record_and_hears_so_before_it_reads_all_terms(run: Run) -> None:
    sign(run, NEW, 1, 2, 4)
    said = hand_over(run, 4)
    assert "H4 is a new member, and has to verify the record of Lungs first" in said
    assert "quorate-participant export OLD.toml --out FOLDER" in said
    said = hand_over(run, 4, "--record", "nowhere")
    assert said.startswith("quorate-participant: no record at nowhere/record.json")
    said = hand_over(run, 4, "--record", "h1")
    assert said.startswith("quorate-participant: h1 is a hospital's data folder")


def test_where_the_key_is_taken_over_nobody_is_sent_to_a_ceremony(run: Run) -> None:
    sign(run, NEW, 1, 2, 4)
    said = run("key", "status", NEW, "--home", "h1", expect=1)
    assert "there is no key share in" in said
    assert f"quorate-participant handover {NEW}" in said
    assert "ceremony" not in said


def test_a_wrong_passphrase_is_told_before_anybody_waits(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(run, NEW, 1, 2, 4)
    monkeypatch.setenv("QUORATE_PASSPHRASE", "another one altogether")
    for words in (("handover", NEW, "--yes"), ("key", "refresh", OLD)):
        said = run(*words, "--home", "h1", expect=1)
        assert "does not open: the passphrase is wrong or the file is damaged" in said
        assert "Waiting for" not in said


def test_a_time_that_is_over_names_the_terms_on_whose_board_it_goes_on(run: Run) -> None:
    sign(run, NEW, 1, 2, 4)
    said = hand_over(run, 1, "--timeout", "0.2")
    assert f"See how things stand: quorate-participant status {OLD}" in said
