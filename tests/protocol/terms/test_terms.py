"""The terms of a federation: their text, every rule they can break, and who has signed them."""

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.encoding import encode, encode_binary
from protocol.errors import BadTerms, UnsignedTerms
from protocol.signing import public_bytes
from protocol.terms.address_card import card_fields, render_card, sign_card
from protocol.terms.names import fault_of_name
from protocol.terms.predecessor import Predecessor
from protocol.terms.terms import (
    Floors,
    Member,
    Terms,
    check,
    parse,
    render,
    render_signature,
    require_signed,
)
from tests.stage.toy import replace_terms, toy_federation

TOY = toy_federation()
TERMS = TOY.terms


def document() -> dict[str, Any]:
    return tomllib.loads(render(TERMS, TOY.card))


def problem(text: str) -> str:
    """The field that the file's error names."""
    with pytest.raises(BadTerms) as raised:
        parse(text)
    return raised.value.field


def problem_with(path: str, value: Any) -> str:
    """The field named when one value of the file is replaced, or removed if None."""
    changed = document()
    *tables, key = path.split(".")
    table: Any = changed
    for name in tables:
        table = table[int(name)] if name.isdigit() else table[name]
    if value is None:
        del table[key]
    else:
        table[key] = value
    return problem(tomli_w.dumps(changed))


names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12).filter(
    lambda name: fault_of_name(name) is None
)


@settings(max_examples=40)
@given(
    name=names,
    n=st.integers(3, 9),
    quorum=st.integers(2, 9),
    step_seconds=st.integers(1, 10**6),
    colluders=st.integers(1, 7),
    differencing=st.sampled_from(["warn", "refuse"]),
)
def test_terms_come_back_from_their_text(name, n, quorum, step_seconds, colluders, differencing):
    toy = toy_federation(n, min(quorum, n), step_seconds=step_seconds)
    floors = Floors(n, n, min(colluders, n - 2), differencing)
    terms = replace_terms(toy.terms, floors=floors, name=name)
    text = parse(render(terms))
    found, signed = text.terms, text.signatures
    assert (found, signed) == (terms, {})
    assert found.federation == terms.federation


def test_signed_terms_come_back_with_their_signatures():
    text = parse(TOY.signed_text())
    terms, found = text.terms, text.signatures
    assert terms == TERMS
    assert found == TOY.signatures
    require_signed(terms, found)


def test_every_field_changes_the_identity():
    found = {TERMS.federation}
    changes: list[dict[str, Any]] = [
        {"name": "Other"},
        {"quorum": 4},
        {"key_bits": 512},
        {"allow_minority_quorum": True},
        {"allow_small_key": False},
        {"step_seconds": 60},
        {"members": TERMS.members[::-1]},
        {"members": TERMS.members[:4]},
        {"members": (Member("H9", TERMS.members[0].key), *TERMS.members[1:])},
    ]
    changes.append({"aggregator_key": b"k" * 32})
    floors = (3, 3, 1)
    for k in range(3):
        changed = [value + (i == k) for i, value in enumerate(floors)]
        changes.append({"floors": Floors(*changed)})  # type: ignore[arg-type]
    changes.append({"floors": Floors(*floors, differencing="warn")})
    for federation in (b"b" * 32, b"c" * 32):
        changes.append({"predecessor": Predecessor(federation, "handover")})
    changes.append({"predecessor": Predecessor(b"b" * 32, "ceremony")})
    for change in changes:
        found.add(replace_terms(TERMS, **change).federation)
    assert len(found) == len(changes) + 1
    assert {key for change in changes for key in change} == set(TERMS.__struct_fields__)


# By field, which for a member is told by its number.
WRONG: dict[str, list[Any]] = {
    "federation.name": ["", " x", "x\t", "a\nb", "x" * 65, 5],
    "federation.quorum": [1, 0, -3, 6, 2, True, "3", 3.0, 1 << 53],
    "federation.key_bits": [254, 257, 4098],
    "federation.step_seconds": [0, 365 * 24 * 3600 + 1],
    "federation.allow_minority_quorum": [1],
    "federation.surprise": [1],
    "address.url": ["ws://x", "https://x", "wss://h:8443\x1b[1A\x1b[2K", "wss://user@h/path", 5],
    "address.number": [0, -1, 1_000_001, True, "1"],
    "address.tls": ["", "private", "AAAA"],
    "address.signature": ["", encode_binary(bytes(64))],
    "address.surprise": [1],
    "address": [5],
    "federation.aggregator_key": [
        "AAAA",
        "!" * 43,
        encode_binary(b"k" * 32) + "=",
        encode_binary(b"k" * 32)[:-1] + "t",
    ],
    "floors.least_difference": [None, 1, 0, 4],  # of 3 contributors at least
    "floors.differencing": [None, "off", False],
    "floors.least_contributors": [2, 6],
    "floors.assumed_colluders": [0, -1, 4, True],
    "floors.surprise": [1],
    "members.1.name": ["H1", "h1", "member 3", ""],
    "members.1.key": [
        encode_binary(TERMS.members[0].key),
        encode_binary(TERMS.aggregator_key),
        "AAAA",
    ],
    "members.1.surprise": [1],
    "members": [[], 5, [1, 2, 3]],
    "federation": [5],
    "surprise": [1],
    "signatures": [5],
}


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_named(path, value):
    assert problem_with(path, value) == path.replace("members.1", "members[2]")


def test_a_card_of_another_aggregator_is_refused():
    other = sign_card(TOY.keys[1], 1, "wss://a", b"p" * 32)
    changed = document() | {"address": card_fields(other)}
    assert problem(tomli_w.dumps(changed)) == "address.key"


def test_the_card_is_no_part_of_what_is_signed():
    found = parse(TOY.signed_text())
    moved = sign_card(TOY.keys[0], 2, "wss://elsewhere", b"q" * 32)
    again = parse(TOY.signed_text().replace(render_card(TOY.card), render_card(moved)))
    assert (again.card, found.card) == (moved, TOY.card)
    assert again.terms == found.terms
    assert parse(render(TERMS)).card is None


REQUIRED = [
    f"{table}.{key}"
    for table, values in document().items()
    if isinstance(values, dict)
    for key in values
    if not key.startswith("allow_")
]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        *((path, path) for path in REQUIRED),
        *((table, table) for table in document() if table != "address"),
        ("members.2.name", "members[3].name"),
        ("members.2.key", "members[3].key"),
    ],
)
def test_a_missing_value_is_named(path, field):
    assert problem_with(path, None) == field


def test_the_allowances_are_the_only_fields_with_a_default():
    changed = document()
    changed["federation"]["key_bits"] = 2048
    del changed["federation"]["allow_minority_quorum"], changed["federation"]["allow_small_key"]
    terms = parse(tomli_w.dumps(changed)).terms
    assert terms.allow_minority_quorum is False
    assert terms.allow_small_key is False


def test_what_is_no_toml_is_refused():
    assert problem("[federation") == "file"
    assert problem(TOY.signed_text() + "\n[federation]\n") == "file"


@pytest.mark.parametrize("n", [2, 17])
def test_a_federation_has_3_to_16_members(n):
    members = tuple(Member(f"H{i}", bytes([i]) * 32) for i in range(1, n + 1))
    with pytest.raises(BadTerms) as raised:
        check(replace_terms(TERMS, members=members))
    assert raised.value.field == "members"


@pytest.mark.parametrize(("bits", "is_small"), [(256, True), (2046, True), (2048, False)])
def test_a_key_that_can_be_broken_needs_the_allowance(bits, is_small):
    terms = toy_federation(3, 2, bits).terms
    assert terms.has_small_key is terms.allow_small_key is is_small
    check(terms)
    strict = replace_terms(terms, allow_small_key=False)
    if not is_small:
        check(strict)
        return
    for refused in (lambda: check(strict), lambda: parse(render(strict))):
        with pytest.raises(BadTerms) as raised:
            refused()
        assert raised.value.field == "federation.key_bits"
        assert "allow_small_key = true (--allow-small-key)" in raised.value.reason


@pytest.mark.parametrize("n", range(3, 10))
def test_a_quorum_that_is_no_majority_needs_the_allowance(n):
    for quorum in range(2, n + 1):
        terms = toy_federation(n, quorum).terms
        check(replace_terms(terms, allow_minority_quorum=True))
        strict = replace_terms(terms, allow_minority_quorum=False)
        if 2 * quorum > n:
            check(strict)
        else:
            with pytest.raises(BadTerms) as raised:
                check(strict)
            assert raised.value.field == "federation.quorum"
            assert "allow_minority_quorum" in raised.value.reason


def test_missing_signatures_are_named():
    some = TOY.signatures
    del some["H2"], some["H5"]
    with pytest.raises(UnsignedTerms) as raised:
        require_signed(TERMS, some)
    assert (raised.value.missing, raised.value.wrong) == (["H2", "H5"], [])
    with pytest.raises(UnsignedTerms):
        require_signed(TERMS, {})


def test_wrong_signatures_are_named():
    swapped = TOY.signatures
    swapped["H1"], swapped["H2"] = swapped["H2"], swapped["H1"]
    swapped["H4"] = bytes(64)
    with pytest.raises(UnsignedTerms) as raised:
        require_signed(TERMS, swapped)
    assert (raised.value.missing, raised.value.wrong) == ([], ["H1", "H2", "H4"])


def test_terms_altered_after_signing_are_signed_by_nobody():
    altered = TOY.signed_text().replace("quorum = 3", "quorum = 4", 1)
    text = parse(altered)
    terms, found = text.terms, text.signatures
    with pytest.raises(UnsignedTerms) as raised:
        require_signed(terms, found)
    assert raised.value.wrong == [member.name for member in TERMS.members]


def test_a_member_who_signs_twice_or_is_unknown_is_refused():
    block = render_signature("H3", TOY.signatures["H3"])
    assert problem(TOY.signed_text() + block) == "signatures[6]"
    assert problem(TOY.signed_text() + render_signature("H9", bytes(64))) == "signatures[6]"


@pytest.mark.parametrize("signature", ["", "AAAA", "!" * 86, encode_binary(bytes(63))])
def test_a_signature_of_another_form_is_refused(signature):
    block = f'\n[[signatures]]\nmember = "H1"\nsignature = "{signature}"\n'
    assert problem(render(TERMS) + block) == "signatures[1].signature"


SUCCEEDING = replace_terms(TERMS, predecessor=Predecessor(b"b" * 32, "handover"))


@pytest.mark.parametrize("key", ["handover", "ceremony"])
def test_a_predecessor_comes_back_from_the_text(key):
    terms = replace_terms(TERMS, predecessor=Predecessor(TERMS.federation, key))
    found = parse(render(terms, TOY.card)).terms
    assert found == terms
    assert found.predecessor.hands_over is (key == "handover")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("federation", "AAAA"),
        ("federation", None),
        ("key", "refresh"),
        ("key", ""),
        ("key", 5),
        ("key", None),
        ("surprise", 1),
    ],
)
def test_a_wrong_predecessor_is_named(field, value):
    changed = tomllib.loads(render(SUCCEEDING))
    changed["predecessor"][field] = value
    if value is None:
        del changed["predecessor"][field]
    assert problem(tomli_w.dumps(changed)) == f"predecessor.{field}"


def test_a_predecessor_that_is_none_is_refused_wherever_terms_come_from():
    for before, field in [
        (Predecessor(b"b" * 31, "handover"), "federation"),
        (Predecessor(b"b" * 32, "gift"), "key"),  # type: ignore[arg-type]
    ]:
        with pytest.raises(BadTerms) as raised:
            check(replace_terms(TERMS, predecessor=before))
        assert raised.value.field == f"predecessor.{field}"
    assert problem(render(TERMS) + "\n[[predecessor]]\n") == "predecessor"


def test_layout_and_comments_do_not_change_the_identity():
    text = "# our federation\n\n" + TOY.signed_text().replace(" = ", "   =   ")
    read = parse(text)
    terms, found = read.terms, read.signatures
    assert terms.federation == TERMS.federation
    require_signed(terms, found)


def test_senders_have_names_and_keys():
    assert TERMS.key_of(0) == public_bytes(TOY.keys[0])
    assert [TERMS.key_of(i) for i in TOY.members] == [m.key for m in TERMS.members]
    assert [TERMS.name_of(i) for i in (0, 1, 6)] == ["the aggregator", "H1", "member 6"]
    assert TERMS.index_of(TERMS.members[2].key) == 3
    assert TERMS.index_of(TERMS.aggregator_key) is None
    for nobody in (6, -1):
        with pytest.raises(BadTerms):
            TERMS.key_of(nobody)


def test_equal_terms_have_equal_bytes():
    again = parse(render(TERMS)).terms
    assert isinstance(again, Terms)
    assert encode(again) == encode(TERMS)
