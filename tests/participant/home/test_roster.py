"""The roster of new terms: who keeps which place, and which cards go where."""

from pathlib import Path

import pytest

from participant.home import identity as identities
from participant.home.roster import NoSuchMember, UnfitCard, succeeding_roster
from protocol.terms.terms import Member, Terms
from tests.stage.toy import replace_terms, toy_federation
from tests.stage.toy_home import CHEAP, PASSPHRASE


def new_card(folder: Path, name: str) -> tuple[Path, Member]:
    identity = identities.create(folder, name, PASSPHRASE, CHEAP)
    return folder / "card.toml", Member(name, identity.card.key)


@pytest.fixture
def old() -> Terms:
    return toy_federation(4, 3).terms


def test_who_stays_keeps_its_place_and_who_comes_is_at_the_end(tmp_path: Path, old: Terms) -> None:
    again, other_h2 = new_card(tmp_path / "again", "H2")
    first, b = new_card(tmp_path / "b", "B")
    second, a = new_card(tmp_path / "a", "A")
    found = succeeding_roster(old, [first, second], ["H3"], {"H2": again})
    assert found == (old.members[0], other_h2, old.members[3], b, a)
    assert succeeding_roster(old, [], [], {}) == old.members


def test_who_is_no_member_neither_leaves_nor_is_replaced(tmp_path: Path, old: Terms) -> None:
    path, _ = new_card(tmp_path / "h9", "H9")
    for remove, replaced in ((["H9"], {}), ([], {"H9": path})):
        with pytest.raises(NoSuchMember) as raised:
            succeeding_roster(old, [], remove, replaced)
        assert (raised.value.name, raised.value.among) == ("H9", ("H1", "H2", "H3", "H4"))


def test_a_card_that_replaces_is_another_of_the_same_name(tmp_path: Path, old: Terms) -> None:
    path, same = new_card(tmp_path / "h2", "H2")
    with pytest.raises(UnfitCard) as raised:
        succeeding_roster(old, [], [], {"H1": path})
    assert (raised.value.member, raised.value.found, raised.value.why) == ("H1", "H2", "name")
    had = replace_terms(old, members=(old.members[0], same, *old.members[2:]))
    with pytest.raises(UnfitCard) as raised:
        succeeding_roster(had, [], [], {"H2": path})
    assert raised.value.why == "key"


def test_a_member_is_not_added_again(tmp_path: Path, old: Terms) -> None:
    path, _ = new_card(tmp_path / "h2", "H2")
    for remove in ([], ["H2"]):
        with pytest.raises(UnfitCard) as raised:
            succeeding_roster(old, [path], remove, {})
        assert raised.value.why == "there"
