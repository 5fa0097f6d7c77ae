"""Every kind of tensor and array: averaged exactly, kept at home and said, or refused by name."""

import io
from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from participant.cli.sentences.model import entries as entries_text
from participant.errors import BadApp
from participant.model.entry_list import entry_facts
from participant.model.layout import Layout
from participant.model.weights import checked
from tests.stage.models import Answering, App, Own, Wrapper, begin, expected, fit
from tests.stage.rounds.round_table import Steps

pytestmark = pytest.mark.filterwarnings("ignore")  # of prototypes, and of what is deprecated
AVERAGED, AT_HOME, REFUSED = "averaged", "at home", "refused"


def fate(entry: Any, name: str = "x", local: tuple[str, ...] = ()) -> str:
    """What becomes of an entry in a round, beside a plain one of its form."""
    is_of_torch = isinstance(entry, torch.Tensor) or not isinstance(entry, np.ndarray | np.generic)
    plain = torch.zeros(2) if is_of_torch else np.zeros(2)
    try:
        task, facts = begin(App(lambda: {"plain": plain, name: entry}, local=local))
    except BadApp as error:
        reason = error.reason
    else:
        reason = ""
    if reason:
        assert f"entry 1, {name!r}, is " in reason
        assert "local_entries" in reason
        return REFUSED
    if name in [one["name"] for one in facts["at_home"]]:
        (about,) = [one for one in facts["at_home"] if one["name"] == name]
        text = entries_text(facts)[-1]
        assert f"{name} " in text
        assert text.endswith(f"since {about['why']}")
        fit(task)
        return AT_HOME
    change = fit(task)
    values = expected(entry)
    assert np.array_equal(change.fitted.slice(2, 2 + len(values)), values)
    assert facts["averaged"][1]["shape"] == list(entry.shape)
    back = task.parameters[name]
    assert tuple(back.shape) == tuple(entry.shape)
    assert str(back.dtype).removeprefix("torch.") == facts["averaged"][1]["dtype"]
    return AVERAGED


class Unreadable:
    """Whatever it is asked, it fails."""

    def __getattr__(self, name: str) -> Any:
        raise ValueError("not today")


def freed() -> torch.Tensor:
    tensor = torch.zeros(3)
    tensor.untyped_storage().resize_(0)
    return tensor


def negated() -> torch.Tensor:
    return torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex128).conj().imag


def masked() -> Any:
    return torch.masked.masked_tensor(torch.ones(2), torch.tensor([True, False]))


def quantised() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)


def inferred() -> torch.Tensor:
    with torch.inference_mode():
        return torch.ones(2, 2)


def read_only() -> np.ndarray:
    array = np.ones(3)
    array.flags.writeable = False
    return array


def holds_itself() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


TENSORS: dict[str, tuple[Callable[[], Any], str]] = {
    "float64": (lambda: torch.tensor([0.1, 1e-300]).double(), AVERAGED),
    "float16": (lambda: torch.tensor([0.1, 6e-8]).half(), AVERAGED),
    "bfloat16": (lambda: torch.tensor([0.1, 3e38]).bfloat16(), AVERAGED),
    "a single number": (lambda: torch.tensor(2.6592), AVERAGED),
    "empty": (lambda: torch.zeros(0, 32), AVERAGED),
    "turned": (lambda: torch.arange(6.0).reshape(2, 3).T, AVERAGED),
    "strided": (lambda: torch.arange(12.0).reshape(3, 4)[::2, 1::2], AVERAGED),
    "expanded": (lambda: torch.tensor([[0.5]]).expand(3, 4), AVERAGED),
    "channels last": (
        lambda: torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
        AVERAGED,
    ),
    "with a gradient": (lambda: (torch.ones(2, requires_grad=True) * 3), AVERAGED),
    "a parameter": (lambda: torch.nn.Parameter(torch.ones(2, 2)), AVERAGED),
    "made in inference mode": (inferred, AVERAGED),
    "with delayed sign": (negated, AVERAGED),
    "with delayed sign, in a row": (lambda: torch._neg_view(torch.ones(3).double()), AVERAGED),
    "a sub-class": (lambda: torch.ones(2, 3).as_subclass(Own), AVERAGED),
    "a parameter of a sub-class": (
        lambda: torch.nn.Parameter(torch.ones(2).as_subclass(Own)), AVERAGED,
    ),
    "int64": (lambda: torch.tensor(3), AT_HOME),
    "uint8": (lambda: torch.zeros(2, dtype=torch.uint8), AT_HOME),
    "uint16": (lambda: torch.zeros(2, dtype=torch.uint16), AT_HOME),
    "bool": (lambda: torch.ones(2, 2, dtype=torch.bool), AT_HOME),
    "sparse integers": (lambda: torch.eye(3, dtype=torch.int64).to_sparse(), AT_HOME),
    "integers without values": (
        lambda: torch.zeros(3, dtype=torch.int64, device="meta"), AT_HOME,
    ),
    "sparse": (lambda: torch.eye(3).to_sparse(), REFUSED),
    "compressed rows": (lambda: torch.eye(3).to_sparse_csr(), REFUSED),
    "without values": (lambda: torch.zeros(3, device="meta"), REFUSED),
    "freed": (freed, REFUSED),
    "nested": (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), REFUSED),
    "lazy": (lambda: torch.nn.LazyLinear(3).state_dict()["weight"], REFUSED),
    "quantised": (quantised, REFUSED),
    "complex": (lambda: torch.zeros(2, dtype=torch.complex64), REFUSED),
    "float8": (lambda: torch.zeros(2, dtype=torch.float8_e4m3fn), REFUSED),
    "masked": (masked, REFUSED),
    "a wrapper": (lambda: Wrapper(torch.ones(2)), REFUSED),
    "a wrapper that answers": (lambda: Answering(torch.ones(2)), REFUSED),
}  # fmt: skip


def structured() -> np.ndarray:
    return np.zeros(2, [("a", "f4"), ("b", "f4")])


ARRAYS: dict[str, tuple[Callable[[], Any], str]] = {
    "float64": (lambda: np.array([0.1, 5e-324]), AVERAGED),
    "float32": (lambda: np.zeros((2, 3), np.float32), AVERAGED),
    "float16": (lambda: np.array([0.1], np.float16), AVERAGED),
    "big-endian": (lambda: np.arange(3, dtype=">f4") / 3, AVERAGED),
    "a single number": (lambda: np.array(0.5), AVERAGED),
    "a number of numpy": (lambda: np.float32(0.1), AVERAGED),
    "empty": (lambda: np.zeros((0, 3)), AVERAGED),
    "turned": (lambda: np.arange(6.0).reshape(2, 3).T, AVERAGED),
    "backwards": (lambda: np.arange(6.0)[::-2], AVERAGED),
    "broadcast": (lambda: np.broadcast_to(np.array([0.5]), (3, 4)), AVERAGED),
    "read-only": (read_only, AVERAGED),
    "a matrix": (lambda: np.matrix([[1.0, 2.0], [3.0, 4.0]]), AVERAGED),
    "int64": (lambda: np.array([0, 0, 0]), AT_HOME),
    "big-endian integers": (lambda: np.zeros(2, ">i2"), AT_HOME),
    "bool": (lambda: np.bool_(True), AT_HOME),
    "texts": (lambda: np.array(["men", "women"]), AT_HOME),
    "times": (lambda: np.array(["2020-01-01"], "datetime64[D]"), AT_HOME),
    "longdouble": (lambda: np.zeros(2, np.longdouble), REFUSED),
    "complex": (lambda: np.zeros(2, complex), REFUSED),
    "objects": (lambda: np.array([0.5, None], object), REFUSED),
    "structured": (structured, REFUSED),
    "records": (lambda: structured().view(np.recarray), REFUSED),
    "masked": (lambda: np.ma.masked_array([1.0, 2.0], [True, False]), REFUSED),
}


OTHERS: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (lambda: None, AT_HOME),
    "bytes": (lambda: b"amax", AT_HOME),
    "a text": (lambda: "resnet18", AT_HOME),
    "an integer": (lambda: 3, AT_HOME),
    "settings": (lambda: {"lr": 0.1, "betas": {"first": 0.9}}, AT_HOME),
    "a file in memory": (lambda: io.BytesIO(b"scale"), AT_HOME),
    "a class": (lambda: Steps, AT_HOME),
    "a Python float": (lambda: 0.5, REFUSED),
    "a list of floats": (lambda: [0.0, 0.0], REFUSED),
    "a dict of tensors": (lambda: {"weight": torch.zeros(2)}, REFUSED),
    "a dict of lists of arrays": (lambda: {"weight": [(np.zeros(2),)]}, REFUSED),
    "a module": (lambda: torch.nn.Linear(2, 1), REFUSED),
    "another library's array": (lambda: SimpleNamespace(__array__=lambda: np.zeros(2)), REFUSED),
    "a list that holds itself": (holds_itself, REFUSED),
    "what does not read": (Unreadable, REFUSED),
}


KINDS = (
    {f"tensor: {k}": v for k, v in TENSORS.items()}
    | {f"array: {k}": v for k, v in ARRAYS.items()}
    | {f"other: {k}": v for k, v in OTHERS.items()}
)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_averaged_exactly_kept_at_home_and_said_or_refused_by_name(kind: str) -> None:
    make, right = KINDS[kind]
    assert fate(make()) == right


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_local_entries_names_stays_at_home_and_comes_back(kind: str) -> None:
    assert fate(KINDS[kind][0](), local=("x",)) == AT_HOME


@pytest.mark.slow
def test_a_nested_tensor_of_the_newer_kind_is_refused_too() -> None:
    assert fate(torch.nested.nested_tensor([torch.ones(2)], layout=torch.jagged)) == REFUSED


@pytest.mark.parametrize("state", [b"amax", None, torch.ones(3), OrderedDict(a=torch.ones(2)), 0.5])
def test_the_extra_state_of_a_module_stays_at_home_whatever_it_is(state: Any) -> None:
    assert fate(state, "0._extra_state") == AT_HOME
    made = lambda: {"w": torch.zeros(1), "0._extra_state": None}  # noqa: E731
    task, _ = begin(App(made, {"w": torch.zeros(1), "0._extra_state": state}))
    fit(task)
    assert type(task.parameters["0._extra_state"]) is type(state)


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        (torch.eye(3).to_sparse(), r"is a sparse coo tensor \(3x3 float32\): make it dense"),
        (torch.nn.LazyLinear(3).weight, "is a parameter without a shape yet: run the model once"),
        (torch.zeros(3, device="meta"), "is a tensor without values .*: load its values first"),
        (torch.zeros(3, dtype=torch.float8_e5m2), "is of dtype float8_e5m2: float64, float32"),
        (Wrapper(torch.ones(2)), "is of type Wrapper: make a plain tensor of it"),
        (np.ma.masked_array([1.0], [True]), r"is a masked array \(1 float64\): fill it"),
        (0.5, "is a Python float: make an array or tensor of it"),
        ({"w": np.zeros(2)}, "is a dict that holds numbers: make an entry of each of them"),
    ],
)
def test_who_is_refused_is_told_what_it_is_and_what_to_do(entry: Any, remedy: str) -> None:
    with pytest.raises(BadApp, match=f"entry 1, 'x', {remedy}"):
        Layout.of(
            {"w": np.zeros(2) if isinstance(entry, np.ndarray) else torch.zeros(2), "x": entry}
        )


def test_a_matrix_is_read_row_by_row_whatever_the_slice() -> None:
    parameters = {"w": np.matrix([[1.0, 2.0], [3.0, 4.0]])}
    weights = checked(parameters, Layout.of(parameters), "fit")
    assert np.array_equal(weights.slice(1, 3), [2.0, 3.0])


def test_tied_tensors_are_entries_of_their_own_and_come_back_equal() -> None:
    shared = torch.arange(3.0)
    task, facts = begin(App(lambda: {"embed": shared, "head": shared, "view": shared[1:]}))
    assert facts["weights"] == 8
    back = task.parameters
    assert torch.equal(back["embed"], back["head"])
    back["embed"][0] = 9
    assert not torch.equal(back["embed"], back["head"])


def test_a_model_of_which_nothing_can_be_averaged_is_refused_with_the_reason() -> None:
    for made, reason in (
        ({"n": np.array([1, 2])}, "'n' is 2 int64, and integers have no average"),
        ({"w": torch.zeros(0)}, "all entries are empty"),
        ({"w": None}, "it is no array and no tensor"),
    ):
        with pytest.raises(BadApp, match=reason):
            Layout.of(made)


@pytest.mark.parametrize("name", [3, None, b"w", "__metadata__", "w\ud800", ("a", 1)])
def test_a_name_that_no_file_can_hold_is_refused(name: Any) -> None:
    with pytest.raises(BadApp, match="entry 1 cannot be called"):
        begin(App(lambda: {"w": np.zeros(1), name: np.zeros(1)}))


def test_names_of_any_text_are_plain_texts_afterwards() -> None:
    task, _ = begin(App(lambda: {np.str_("w"): np.zeros(1), "": np.zeros(1), "a\nb": np.ones(1)}))
    assert [type(name) for name in task.parameters] == [str] * 3


# ── what is said of it ──


def test_a_hospital_says_once_what_is_averaged_and_what_stays_at_home_and_why() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    _, facts = begin(App(network.state_dict, local=("*.running_*",)))
    assert entries_text(facts) == [
        "Averaged with the other hospitals: 4 entries, 24 weights "
        "(0.weight 4x3 float32, 0.bias 4 float32, 1.weight 4 float32, 1 more)",
        "Stays at this hospital: 2 entries (1.running_mean 4 float32, 1.running_var 4 float32), "
        "since local_entries names it",
        "Stays at this hospital: 1 entry (1.num_batches_tracked one int64), "
        "since integers have no average",
    ]


def test_of_hundreds_the_first_are_printed_and_all_are_in_the_event() -> None:
    many = {f"layer{k}.weight": np.zeros(2) for k in range(300)}
    facts = entry_facts(Layout.of(many | {f"seen{k}": np.array(k) for k in range(200)}))
    text = entries_text(facts)
    assert "layer2.weight 2 float64, 297 more" in text[0]
    assert "seen2 one int64, 197 more" in text[1]
    assert [len(facts["averaged"]), len(facts["at_home"])] == [300, 200]
