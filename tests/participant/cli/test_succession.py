"""``terms succeed`` as typed, and what people read before they sign new terms."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from participant.home import identity as identities
from protocol.terms import Terms
from protocol.terms.address_card import render_card, sign_card
from protocol.terms.terms import parse
from tests.stage.programs.typist import founder
from tests.stage.toy import toy_federation
from tests.stage.toy_home import CHEAP, PASSPHRASE

Run = Callable[..., str]
OLD, NEW = "federation.toml", "new.toml"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Three hospitals that signed terms, h4 and h5 that are no members, and h2b, a new machine."""
    identities.create(tmp_path / "h2b", "H2", PASSPHRASE, CHEAP)
    return founder(tmp_path, monkeypatch, OLD)


def succeed(run: Run, *words: str, **more: Any) -> str:
    return run("terms", "succeed", OLD, "--out", NEW, *words, **more)


def terms_of(path: str) -> Terms:
    return parse(Path(path).read_text()).terms


JOIN = ("--add", "h4/card.toml", "--quorum", "3")
SWAP = ("--add", "h4/card.toml", "--remove", "H3")


def test_the_walk_from_old_terms_to_the_handover(run: Run) -> None:
    both = ("--add", "h4/card.toml", "--add", "h5/card.toml", "--quorum", "3")
    changes = (*both, "--remove", "H3", "--leaves-in-peace", "--replace", "H2=h2b/card.toml")
    shown = succeed(run, *changes)
    for said in (
        "joins H4, H5",
        "leaves H3",
        "new card H2",
        "quorum 2 of 3 -> 3 of 4",
        "agree 2 of the 3 old members have to",
        "the same, with the same N and new key shares, from a handover",
        "Everybody who ever held a quorum of its key shares can still decrypt",
        "The new quorum can decrypt what was encrypted before under this key",
        "unless 2 old key shares come together",
        f"terms sign {NEW} --old {OLD}",
    ):
        assert said in shown
    old, new = terms_of(OLD), terms_of(NEW)
    assert [m.name for m in new.members] == ["H1", "H2", "H4", "H5"]
    assert new.members[0] == old.members[0]
    assert new.members[1] != old.members[1]
    assert (new.name, new.floors, new.key_bits) == (old.name, old.floors, old.key_bits)
    assert new.predecessor is not None
    assert new.predecessor.federation == old.federation
    for home in ("h1", "h2b", "h4"):
        shown = run("terms", "sign", NEW, "--old", OLD, "--home", home, "--yes")
        assert "joins H4, H5" in shown
    assert "the signature of H5 is missing" in run("terms", "show", NEW, expect=1)
    run("terms", "sign", NEW, "--home", "h5", "--yes")
    said = run("ceremony", NEW, "--home", "h1", "--timeout", "5", expect=1)
    assert f"{NEW} takes over the key of the terms that it succeeds" in said
    assert f"handover {NEW}" in said
    assert f"Next, old and new members alike: quorate-participant handover {NEW}" in run(
        "terms", "show", NEW
    )


def test_the_old_identity_of_a_replaced_member_does_not_sign(run: Run) -> None:
    succeed(run, "--replace", "H2=h2b/card.toml")
    assert "is not a member" in run("terms", "sign", NEW, "--home", "h2", "--yes", expect=1)


def test_with_a_new_key_comes_a_ceremony_that_no_old_member_agrees_to(run: Run) -> None:
    shown = succeed(run, *SWAP, "--expelled", "--new-key")
    assert "a new one, with a new N, from a ceremony of the new members" in shown
    assert "It opens nothing that was encrypted before" in shown
    assert "old members have to" not in shown
    assert "ever held a quorum" not in shown
    for home in ("h1", "h2", "h4"):
        run("terms", "sign", NEW, "--home", home, "--yes")
    assert f"Next: quorate-participant ceremony {NEW}" in run("terms", "show", NEW)


def test_without_the_old_terms_their_fingerprint_is_shown_and_why(run: Run) -> None:
    succeed(run, *JOIN)
    (words,) = run("terms", "show", OLD).split("fingerprint ")[1].split(" quorum")[:1]
    shown = run("terms", "show", NEW, expect=1)
    assert f"succeeds the terms with this fingerprint: {words}" in shown
    assert "is shown with these as --old" in shown
    assert "joins" not in shown
    assert "Everybody who ever held a quorum" in shown


def test_only_the_terms_that_are_succeeded_count_as_old_ones(run: Run) -> None:
    succeed(run, *JOIN)
    for command in (("show",), ("sign", "--home", "h1", "--yes")):
        said = run("terms", command[0], NEW, "--old", NEW, *command[1:], expect=1)
        assert f"{NEW} holds other terms than those that {NEW} succeeds" in said
        assert "give the terms with this fingerprint as --old" in said
        said = run("terms", command[0], OLD, "--old", NEW, *command[1:], expect=1)
        assert f"the terms in {OLD} succeed no others leave out --old" in said
    assert "[[signatures]]" not in Path(NEW).read_text()


def test_terms_that_cannot_succeed_the_old_ones_are_not_signed(run: Run) -> None:
    succeed(run, *JOIN)
    text = Path(NEW).read_text()
    Path(NEW).write_text(text.replace("key_bits = 256", "key_bits = 512"))
    said = run("terms", "sign", NEW, "--old", OLD, "--home", "h1", "--yes", expect=1)
    assert f"{NEW}: federation.key_bits: 512, and the key that is handed over has 256" in said
    assert "[[signatures]]" not in Path(NEW).read_text()


def test_a_handover_is_refused_where_somebody_is_expelled(run: Run) -> None:
    said = succeed(run, *SWAP, "--expelled", expect=1)
    assert "a handover does not shut out H3: any 2 old key shares that were kept" in said
    assert "add --new-key" in said
    assert not Path(NEW).exists()


def test_who_leaves_is_asked_about(run: Run) -> None:
    said = succeed(run, *SWAP, expect=1, answer="n\n")
    assert "Can H3 be trusted to erase its key share and backups?" in said
    assert "a handover does not shut out H3" in said
    said = succeed(run, *SWAP, expect=1, answer="")
    assert "it is not said how H3 leaves add --leaves-in-peace" in said
    assert not Path(NEW).exists()
    assert "H3 leaves in peace, or else this is wrong" in succeed(run, *SWAP, answer="y\n")


def test_whoever_leaves_a_new_key_is_not_asked_about(run: Run) -> None:
    assert "trusted" not in succeed(run, *SWAP, "--new-key", answer="")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([], "would change nothing"),
        (["--allow-minority-quorum"], "would change nothing"),
        (["--quorum", "4"], "--quorum (federation.quorum): 4"),
        (["--add", "h4/card.toml"], "--allow-minority-quorum"),
        (["--add", "none/card.toml"], "no card at none/card.toml"),
        (["--add", "h2b/card.toml"], "H2 is a member already a new machine"),
        (["--remove", "H9"], "H9 is not a member in federation.toml the members are H1, H2, H3"),
        (["--remove", "H3", "--leaves-in-peace"], "--remove, --replace (members): 2, and a"),
        (["--replace", "H9=h2b/card.toml"], "H9 is not a member"),
        (["--replace", "H1=h2b/card.toml"], "h2b/card.toml is the card of H2, not of H1"),
        (["--replace", "H2=h2/card.toml"], "is the card that H2 has already"),
        (["--aggregator", "none.toml"], "no aggregator's card at none.toml"),
        (["--aggregator", "h4/card.toml"], "to terms succeed as --add"),
        ([*JOIN, "--least-contributors", "2"], "--least-contributors (floors"),
        ([*JOIN, "--least-difference", "2"], "--least-difference (floors"),
        ([*JOIN, "--assumed-colluders", "3"], "--assumed-colluders (floors"),
        ([*JOIN, "--differencing", "off"], "--differencing (floors"),
    ],
)
def test_changes_that_cannot_be_are_refused_by_their_option(
    run: Run, changes: list[str], said: str
) -> None:
    assert said in succeed(run, *changes, expect=1)
    assert not Path(NEW).exists()


@pytest.mark.parametrize(
    "changes",
    [
        ["--replace", "H2"],
        ["--replace", "=h2b/card.toml"],
        ["--remove", "H2", "--replace", "H2=h2b/card.toml"],
        ["--remove", "H3", "--remove", "H3"],
        [*SWAP, "--leaves-in-peace", "--expelled"],
    ],
)
def test_changes_that_contradict_each_other_are_wrong_usage(run: Run, changes: list[str]) -> None:
    succeed(run, *changes, expect=2)
    assert not Path(NEW).exists()


def test_only_signed_terms_are_succeeded_and_none_are_written_over(run: Run) -> None:
    succeed(run, *JOIN)
    assert "never overwritten" in succeed(run, *JOIN, expect=1)
    said = run("terms", "succeed", NEW, "--out", "third.toml", "--new-key", expect=1)
    assert "signatures of H1, H2, H3, H4 are missing" in said
    assert not Path("third.toml").exists()


def test_terms_succeed_each_other_in_a_row(run: Run) -> None:
    succeed(run, *JOIN)
    for i in (1, 2, 3, 4):
        run("terms", "sign", NEW, "--home", f"h{i}", "--yes")
    back = ("--remove", "H4", "--leaves-in-peace", "--quorum", "2")
    shown = run("terms", "succeed", NEW, "--out", "third.toml", *back)
    assert "agree 4 of the 4 old members have to, since fewer than before will decrypt" in shown
    third = terms_of("third.toml")
    assert third.members == terms_of(OLD).members
    assert third.federation != terms_of(OLD).federation


def test_a_lost_member_that_would_have_to_agree_is_told_of(run: Run) -> None:
    both = ("--replace", "H2=h2b/card.toml", "--add", "h4/card.toml")
    shown = succeed(run, *both, "--allow-minority-quorum")
    assert "agree 3 of the 3 old members have to, since no majority will be needed" in shown
    assert "WARNING H2 would have to agree with the old card's key" in shown
    Path(NEW).unlink()
    assert "WARNING H2" not in succeed(run, "--replace", "H2=h2b/card.toml")


def test_another_aggregator_and_other_floors_are_shown_as_changes(run: Run) -> None:
    key = toy_federation().keys[0]
    Path("moved.toml").write_text(render_card(sign_card(key, 1, "wss://elsewhere", b"p" * 32)))
    shown = succeed(run, *JOIN, "--aggregator", "moved.toml", "--least-contributors", "4")
    assert "changes another aggregator, with another signing key" in shown
    assert "changes floors.least_contributors 3 -> 4" in shown
    assert "wss://elsewhere" in shown
    found = parse(Path(NEW).read_text())
    assert found.card is not None
    assert found.card.url == "wss://elsewhere"


def test_a_floor_that_fits_no_more_is_named_by_its_option(run: Run) -> None:
    succeed(run, *JOIN, "--least-contributors", "4")
    for i in (1, 2, 3, 4):
        run("terms", "sign", NEW, "--home", f"h{i}", "--yes")
    third = ("terms", "succeed", NEW, "--out", "third.toml", "--remove", "H4", "--new-key")
    said = run(*third, expect=1)
    assert "--least-contributors (floors.least_contributors): 4, and it must be 3" in said
    run(*third, "--least-contributors", "3")
    assert terms_of("third.toml").floors.least_contributors == 3
