"""The file of a plan: it comes back from its text, and every mistake is named with its field."""

import tomllib
from typing import Any

import msgspec
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.ceremony import LEAST_KEY_BITS
from protocol.board import Study, check_plan
from protocol.encoding import encode, encode_binary
from protocol.errors import BadPlan
from protocol.messages import Plan, Statistic, Training
from protocol.study import parse_plan, read_start, render_plan
from protocol.terms import Floors, Member, Terms

TERMS = Terms(
    name="Toy",
    members=tuple(Member(name, bytes([k]) * 32) for k, name in enumerate(("A", "B", "Ç", "D"))),
    quorum=3,
    key_bits=LEAST_KEY_BITS,
    allow_minority_quorum=False,
    allow_small_key=False,
    aggregator_key=b"k" * 32,
    floors=Floors(3, 3, 1),
)
TRAINING = Plan("Whose hearts fail", (1, 2, 4), 3, 60, Training(10, 0.5, 16, 1_000, keep_vectors=7))
STATISTIC = Plan("How old", (1, 2, 3, 4), 4, 60, Statistic(2, 3, "ages", ("sum", "n")))


def text_of(plan: Plan, name: str = "cardio") -> str:
    return render_plan(Study(TERMS, name, plan))


def broken(plan: Plan, path: str, value: Any) -> BadPlan:
    """What is raised where one value of the file is another, or is missing if None."""
    document = tomllib.loads(text_of(plan))
    *tables, key = path.split(".")
    table = document[tables[0]] if tables else document
    table.pop(key, None)
    if value is not None:
        table[key] = value
    with pytest.raises(BadPlan) as raised:
        parse_plan(tomli_w.dumps(document), TERMS)
    return raised.value


def _start(work: Training) -> dict[str, Any]:
    """A round where there is a study, and without one no federation."""
    before = work.start_federation if work.start_study else b""
    return {"start_round": 7 * bool(work.start_study), "start_federation": before}


words = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)
trainings = st.builds(
    Training,
    rounds=st.integers(1, 1_000_000),
    clip=st.floats(1e-9, 1e9),
    bits=st.integers(8, 40),
    max_examples=st.integers(1, 10**9),
    suite=st.sampled_from(["auto", "paillier", "hybrid", "hybrid-s2"]),
    start_study=st.sampled_from(["", "first"]),
    start_federation=st.sampled_from([b"", b"f" * 32]),
    app=st.sampled_from([b"", b"h" * 32]),
).map(lambda work: msgspec.structs.replace(work, **_start(work)))
equal = trainings.map(lambda w: msgspec.structs.replace(w, weights="equal", max_examples=1))
labels = st.lists(st.from_regex(r"[a-zé]([a-z ]*[a-z])?", fullmatch=True), max_size=5, unique=True)
statistics = st.builds(
    lambda found, n, decimals: Statistic(len(found) or n, decimals, "ages", tuple(found)),
    labels,
    st.integers(1, 100_000),
    st.integers(0, 100),
)
plans = st.builds(
    Plan,
    purpose=st.from_regex(r"[!-~ä]([ -~ä]{0,80}[!-~ä])?", fullmatch=True),
    members=st.sampled_from([(1, 2, 3), (2, 3, 4), (1, 2, 3, 4)]),
    least_contributors=st.just(3),
    seconds=st.integers(1, 365 * 24 * 3600),
    work=trainings | equal | statistics,
)


@settings(max_examples=100)
@given(plan=plans)
def test_a_plan_comes_back_from_its_text_and_may_be_posted(plan):
    check_plan(plan, TERMS)
    found = parse_plan(text_of(plan), TERMS)
    assert (found.name, found.plan) == ("cardio", plan)
    assert msgspec.msgpack.decode(encode(plan), type=Plan) == plan


def test_members_stand_by_name_in_any_order():
    text = text_of(TRAINING).replace('"A"', '"X"').replace('"D"', '"A"').replace('"X"', '"D"')
    assert parse_plan(text, TERMS).members == (1, 2, 4)
    # In whichever normal form their names were typed.
    assert 3 in parse_plan(text_of(STATISTIC).replace("Ç", "C\u0327"), TERMS).members


def test_a_study_goes_on_under_its_name_from_a_federation_before():
    document = tomllib.loads(text_of(TRAINING))
    before = {"start": "cardio/5", "start_federation": encode_binary(b"f" * 32)}
    document["training"] |= before
    work = parse_plan(tomli_w.dumps(document), TERMS).training
    assert (work.start_study, work.start_round, work.start_federation) == ("cardio", 5, b"f" * 32)


def test_where_hospitals_weigh_the_same_nobody_needs_to_say_that_one_is_the_most():
    document = tomllib.loads(text_of(TRAINING))
    document["training"] |= {"weights": "equal"}
    del document["training"]["max_examples"]
    found = parse_plan(tomli_w.dumps(document), TERMS)
    assert found.training.max_examples == 1


def test_as_many_labels_are_so_many_numbers():
    document = tomllib.loads(text_of(STATISTIC))
    del document["statistic"]["length"]
    assert parse_plan(tomli_w.dumps(document), TERMS).statistic.length == 2


COMMON: list[tuple[str, Any]] = [
    ("name", None),
    ("name", "Cardio"),
    ("name", "a" * 65),
    ("name", "../up"),
    ("kind", None),
    ("kind", "both"),
    ("purpose", None),
    ("purpose", " "),
    ("purpose", "x" * 501),
    ("purpose", "two\nlines"),
    ("purpose", "\u202eturned"),
    ("members", None),
    ("members", "A"),
    ("members", [1, 2, 3]),
    ("members", ["A", "B", "E"]),
    ("members", ["A", "B", "B", "D"]),
    ("members", ["A", "B"]),
    ("least_contributors", None),
    ("least_contributors", 2),
    ("least_contributors", 5),
    ("least_contributors", True),
    ("least_contributors", 1 << 60),
    ("seconds", None),
    ("seconds", 0),
    ("seconds", 365 * 24 * 3600 + 1),
    ("seconds", 1.5),
]
OF_TRAINING: list[tuple[str, Any]] = [
    ("training", None),
    ("training", []),
    ("training.rounds", None),
    ("training.rounds", 0),
    ("training.rounds", 1_000_001),
    ("training.keep_vectors", 0),
    ("training.keep_vectors", 1_000_001),
    ("training.clip", None),
    ("training.clip", 0.0),
    ("training.clip", -1),
    ("training.clip", 1e10),
    ("training.clip", float("inf")),
    ("training.clip", float("nan")),
    ("training.bits", 7),
    ("training.bits", 41),
    ("training.max_examples", None),
    ("training.max_examples", 0),
    ("training.max_examples", 10**9 + 1),
    ("training.weights", "none"),
    ("training.suite", "rsa"),
    ("training.start", "first"),
    ("training.start", "first/0"),
    ("training.start", "cardio/1"),
    ("training.start_federation", "short"),
    ("training.start_federation", encode_binary(b"f" * 32)),
    ("training.app", "h" * 64),
    ("training.app", "00"),
    ("training.run", ""),
    ("training.run", "a run"),
    ("training.run", "r" * 201),
    ("training.colour", "red"),
]
OF_STATISTIC: list[tuple[str, Any]] = [
    ("statistic", None),
    ("statistic.data", None),
    ("statistic.data", "My data"),
    ("statistic.length", 0),
    ("statistic.length", 100_001),
    ("statistic.decimals", None),
    ("statistic.decimals", -1),
    ("statistic.decimals", 101),
    ("statistic.labels", "sum"),
    ("statistic.labels", ["sum"]),
    ("statistic.rounds", 3),
]


@pytest.mark.parametrize(("path", "value"), [*COMMON, *OF_TRAINING])
def test_a_mistake_in_a_plan_of_training_is_named_by_its_field(path, value):
    assert broken(TRAINING, path, value).field == path


@pytest.mark.parametrize(("path", "value"), OF_STATISTIC)
def test_a_mistake_in_a_plan_of_a_statistic_is_named_by_its_field(path, value):
    assert broken(STATISTIC, path, value).field == path


@pytest.mark.parametrize(
    ("labels", "number"),
    [(["a", "a"], 2), (["", "b"], 1), (["a", "b" * 101], 2), ([" a", "b"], 1), (["a", "\x07"], 2)],
)
def test_a_label_that_cannot_be_is_named_by_its_number(labels, number):
    assert broken(STATISTIC, "statistic.labels", labels).field == f"statistic.labels[{number}]"


def test_labels_that_fill_a_post_are_refused():
    error = broken(STATISTIC, "statistic.labels", [f"{k:0100}" for k in range(700)])
    assert (error.field, "64 kB" in error.reason) == ("statistic.labels", True)


def test_what_contradicts_itself_says_what_it_must_be():
    document = tomllib.loads(text_of(TRAINING))
    document["training"]["weights"] = "equal"
    with pytest.raises(BadPlan) as raised:
        parse_plan(tomli_w.dumps(document), TERMS)
    assert raised.value.field == "training.max_examples"
    assert "it must be 1" in raised.value.reason
    for kind, plan in (("statistic", TRAINING), ("training", STATISTIC)):
        assert broken(plan, "kind", kind).field == kind


@pytest.mark.parametrize(
    ("again", "field"), [('name = "other"', "name"), ('purpose = "other"', "purpose")]
)
def test_what_is_there_twice_is_named(again, field):
    with pytest.raises(BadPlan) as raised:
        parse_plan(f"{again}\n{text_of(TRAINING)}", TERMS)
    assert raised.value.field == field
    assert "twice" in raised.value.reason


def test_a_table_that_is_there_twice_is_named():
    with pytest.raises(BadPlan) as raised:
        parse_plan(f"{text_of(TRAINING)}[training]\nrounds = 1\n", TERMS)
    assert raised.value.field == "training"


@pytest.mark.parametrize("text", ["", "name", "name = ", "\x00", "a" * 1000, "[" * 10_000])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(BadPlan):
        parse_plan(text, TERMS)


@pytest.mark.parametrize(
    "text", ["", "cardio", "cardio/", "cardio/0", "/1", "C/1", "a/b/1", "a/01"]
)
def test_a_start_is_a_study_and_a_round(text):
    assert read_start("cardio/7") == ("cardio", 7)
    with pytest.raises(BadPlan):
        read_start(text)
