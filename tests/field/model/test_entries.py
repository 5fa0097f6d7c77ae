"""Models whose entries differ between hospitals: every hospital says who differs, and in what."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from participant.cli.sentences.model import disagreement
from participant.errors import ModelMismatch
from participant.model.entry_list import EntryDifference, differences, list_of
from participant.model.layout import Layout
from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.encoding import encode
from protocol.messages.fields import MAX_ENTRIES_BYTES
from protocol.messages.rounds import ModelEntries, ModelEntry, Opening, Statement
from protocol.messages.session import read_session
from tests.stage.rounds.round_table import Events, RoundTable, Steps
from tests.stage.studies import training_study
from tests.stage.toy import toy_epoch

Model = dict[str, np.ndarray]


class Having(Steps):
    """An app whose model has these entries."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def initial_parameters(self, config: Mapping[str, Any]) -> Any:
        return {name: entry.copy() for name, entry in self.model.items()}

    def fit(self, parameters: Any, config: Mapping[str, Any]) -> Any:
        return {n: p + p.dtype.type(0.1) for n, p in parameters.items()}, 10, {}


def model() -> Model:
    return {"weights": np.zeros((3, 4), np.float32), "bias": np.zeros(3, np.float32)}


def trained(
    *others: Model, agreeing: int = 4, table: RoundTable | None = None
) -> tuple[RoundTable, dict[int, Events]]:
    """Hospitals with the same model, and after them those that have another; all have spoken."""
    table, reports = table or RoundTable(), dict[int, Events]()
    for i, entries in enumerate([model() for _ in range(agreeing)] + list(others), start=1):
        reports[i] = table.reported(i, Having(entries))
    table.settle()
    return table, reports


def said_at(reports: Events) -> str:
    """What a hospital's person last read of a disagreement."""
    number, _, facts = [one for one in reports if one[1] == "disagreement"][-1]
    return disagreement(f"cardio/{number}", facts)


def renamed(prefix: str) -> Model:
    return {prefix + name: entry for name, entry in model().items()}


def with_column() -> Model:
    return model() | {"weights": np.zeros((3, 5), np.float32)}


def backwards() -> Model:
    return dict(reversed(model().items()))


CASES: dict[str, tuple[Callable[[], Model], str, str]] = {
    "a column more": (
        with_column,
        "'weights' is 3x5 float32 there and 3x4 float32 here.",
        "'weights' is 3x4 float32 there and 3x5 float32 here.",
    ),
    "another dtype": (
        lambda: model() | {"bias": np.zeros(3, np.float16)},
        "'bias' is 3 float16 there and 3 float32 here.",
        "'bias' is 3 float32 there and 3 float16 here.",
    ),
    "names of a wrapped module": (
        lambda: renamed("module."),
        "'weights' (3x4 float32) is here alone, 'module.weights' (3x4 float32) is there alone, "
        "'bias' (3 float32) is here alone, 1 more.",
        "'module.weights' (3x4 float32) is here alone, 'weights' (3x4 float32) is there alone, "
        "'module.bias' (3 float32) is here alone, 1 more.",
    ),
    "a single number": (
        lambda: model() | {"scale": np.array(2.5)},
        "'scale' (one float64) is there alone.",
        "'scale' (one float64) is here alone.",
    ),
    "another order": (
        backwards,
        "'weights' is entry 1 there and entry 0 here, 'bias' is entry 0 there and entry 1 here.",
        "'bias' is entry 1 there and entry 0 here, 'weights' is entry 0 there and entry 1 here.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_hospital_says_before_round_1_who_differs_in_which_entry(case: str) -> None:
    other, there, here = CASES[case]
    table, reports = trained(other())
    assert not any(isinstance(p.post.body, Opening) for p in table.board.entries)
    for i in (1, 2, 3, 4):
        assert "H5: not at this hospital's model after cardio/0. " in said_at(reports[i])
        assert f"The entries of H5 are others than here: {there}" in said_at(reports[i])
        assert "4 hospitals agree, and go on without those who do not" in said_at(reports[i])
    alike = "The entries of H1 and H2 and H3 and H4 are others than here"
    assert f"{alike}: {here}" in said_at(reports[5])
    assert "Only this hospital states this model" in said_at(reports[5])
    assert "with the app and the columns of the others" in said_at(reports[5])


def test_a_hospital_that_comes_late_is_told_at_once_in_what_it_differs() -> None:
    table, _ = trained()
    table.open("study/cardio/1")
    reports = table.reported(5, Having(with_column()))
    task = table.tasks[5]
    for said in (ModelEntries, Statement):
        draft = task.due()
        assert draft is not None
        assert isinstance(draft.body, said)
        table.publish(5, draft)
    with pytest.raises(ModelMismatch):
        task.due()
    assert "'weights' is 3x4 float32 there and 3x5 float32 here" in said_at(reports)


def test_those_with_the_same_entries_and_other_numbers_are_told_that_it_is_the_numbers() -> None:
    four = training_study(toy_epoch().federation.terms, least_contributors=4)
    ones = model() | {"bias": np.ones(3, np.float32)}
    _, reports = trained(ones, agreeing=3, table=RoundTable(study=four))
    for i in (1, 4):
        assert "Their entries are alike" in said_at(reports[i])
        assert "initial_parameters must give the same at every hospital" in said_at(reports[i])


def test_a_deviating_hospital_does_not_stop_the_others() -> None:
    table, _ = trained(with_column())
    opening = table.open("study/cardio/1").post.body
    assert isinstance(opening, Opening)
    assert opening.length == 15
    del table.tasks[5]
    table.settle()
    table.close("study/cardio/1")
    table.settle()
    assert all(getattr(task, "finished", 0) == 1 for task in table.tasks.values())


def said_by(table: RoundTable, member: int) -> list[type]:
    """What a member has said in the study's rounds."""
    posts = (p.post for p in table.board.entries if p.post.sender == member)
    return [type(post.body) for post in posts if read_session(post.session).kind == "round"]


def test_each_hospital_lists_its_entries_once_and_before_it_states_a_model() -> None:
    table, _ = trained()
    del table.tasks[2]
    table.train(2, Having(model()))  # a restart
    table.settle()
    for i in (1, 2, 3, 4):
        assert said_by(table, i) == [ModelEntries, Statement]


def test_a_list_alone_is_no_news() -> None:
    table, reports = trained(with_column(), agreeing=3)
    del table.tasks[4]
    before = len(reports[1])
    publish(table, list_of(Layout.of(renamed("m."))), sender=4)
    assert len(reports[1]) == before
    publish(table, Statement(b"r" * 32, 15, 8.0, 1_000, Layout.of(renamed("m.")).digest), sender=4)
    assert "'m.weights' (3x4 float32) is there alone" in said_at(reports[1])


def test_a_corrected_app_is_listed_anew_and_the_disagreement_is_over() -> None:
    table, _ = trained(with_column())
    del table.tasks[5]
    task = table.train(5, Having(model()))
    table.settle()
    assert said_by(table, 5) == [ModelEntries, Statement] * 2
    assert task.differing == ()
    for _ in range(3):  # what is for people alone is not said without end
        del table.tasks[5]
        table.train(5, Having(renamed(f"{len(table.board.entries)}.")))
        table.settle()
    assert said_by(table, 5) == [ModelEntries, Statement] * 2 + [Statement] * 3


# ── what is listed, and liars ──


def test_the_digest_tells_names_shapes_dtypes_and_order_apart_and_nothing_else() -> None:
    kinds = [model(), with_column(), renamed("m."), backwards(), CASES["another dtype"][0]()]
    assert len({Layout.of(one).digest for one in kinds}) == len(kinds)
    assert Layout.of(model()).digest == Layout.of({n: a + 1 for n, a in model().items()}).digest


def test_a_long_list_is_cut_at_its_bound_and_says_nothing_of_what_lies_beyond() -> None:
    many = {f"layers.{k}.attention.weight": np.zeros(1) for k in range(3_000)}
    listed = list_of(Layout.of(many))
    assert listed.count == 3_000
    assert MAX_ENTRIES_BYTES - 100 < len(encode(listed)) <= MAX_ENTRIES_BYTES
    beyond = list_of(Layout.of(many | {"head": np.zeros(2)}))
    assert differences(listed, beyond) == []
    changed = differences(
        list_of(Layout.of(many | {"layers.7.attention.weight": np.zeros(2)})), listed
    )
    assert changed == [EntryDifference("layers.7.attention.weight", "2 float64", "1 float64")]


def test_names_of_any_kind_are_listed_as_people_may_see_them() -> None:
    odd = {"Age\n(years)": np.zeros(1), "x" * 500: np.zeros(1), "\u202ea": np.zeros(1)}
    names = [entry.name for entry in list_of(Layout.of(odd)).entries]
    assert names == ["Age\\n(years)", "x" * 199 + "…", "\\u202ea"]


def publish(
    table: RoundTable,
    body: ModelEntries | Statement,
    session: str = "study/cardio/0",
    sender: int = 5,
) -> Posted:
    return table.publish(sender, Draft(session, body))


def test_the_list_of_other_entries_than_are_stated_is_not_believed() -> None:
    table, reports = trained()
    own = list_of(Layout.of(model()))
    publish(table, ModelEntries(b"x" * 32, 1, (ModelEntry("a lie", (1,), "float32"),)))
    publish(table, Statement(b"r" * 32, 15, 8.0, 1_000, b"y" * 32))
    assert own.digest != b"y" * 32
    assert "a lie" not in said_at(reports[1])
    assert "The entries of H5 are others than here." in said_at(reports[1])


def test_the_last_list_is_the_one_that_is_told() -> None:
    table, reports = trained()
    for k, name in enumerate(("first", "second")):
        digest = bytes([k]) * 32
        publish(table, ModelEntries(digest, 1, (ModelEntry(name, (1,), "float32"),)))
        publish(table, Statement(b"r" * 32, 15, 8.0, 1_000, digest))
        assert f"'{name}' (1 float32) is there alone" in said_at(reports[1])


def test_lists_have_a_budget_of_bytes_and_of_times() -> None:
    table, _ = trained()
    entry = ModelEntry("x" * 100, (1,), "float32")
    large = ModelEntries(bytes(32), 600, (entry,) * 600)
    assert len(encode(large)) > MAX_ENTRIES_BYTES
    bodies = [publish(table, one).post.body for one in (large, *[table_list(k) for k in range(3)])]
    assert [type(body) for body in bodies] == [Surplus, ModelEntries, ModelEntries, Surplus]


def table_list(k: int) -> ModelEntries:
    return ModelEntries(bytes([k]) * 32, 500, (ModelEntry("x" * 100, (k,), "float32"),) * 500)


def test_lists_of_a_day_have_a_budget_too() -> None:
    study = training_study(toy_epoch().federation.terms, rounds=7)
    table, bodies = RoundTable(study=study), []
    for number in range(6):
        session = study.round(number)
        bodies += [publish(table, table_list(k), session).post.body for k in range(2)]
        opening = Opening(study.digest, bytes(32), bytes(32), 5)
        table.say(0, Draft(study.round(number + 1), opening))
    assert [type(body) for body in bodies].count(ModelEntries) == 9
    table.now_ms += 24 * 3_600_000
    assert isinstance(publish(table, table_list(0), "study/cardio/6").post.body, ModelEntries)
