"""Models in files: written as a stream, read by the library that made the format."""

import json
import tracemalloc
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
from hypothesis import given
from hypothesis import strategies as st

from participant.errors import DamagedFile, ForeignModel
from participant.model.file import NextModel, read_model, read_stored, write_model
from participant.model.layout import MASTER, Layout
from participant.model.master import Model
from tests.stage.models import PARAMETERS, model_of

METADATA = {"clip": (0.1).hex(), "round": "3"}


def written(model: Model) -> bytes:
    file = BytesIO()
    write_model(model, file, METADATA)
    return file.getvalue()


def updated(model: Model, update: np.ndarray, parts: int) -> bytes:
    file = BytesIO()
    following = NextModel(model, file, METADATA)
    for part in np.array_split(update, parts):
        following.add(part)
    following.finish()
    return file.getvalue()


@given(PARAMETERS)
def test_a_file_holds_the_model_whoever_reads_it(parameters: list[np.ndarray]) -> None:
    model = model_of(parameters)
    data = written(model)
    again = read_model(data, model.layout, "cardio", 1)
    assert again.digest == model.digest
    assert not any(entry.flags.owndata for entry in again.entries)
    for by_library in (
        safetensors.numpy.load(data),
        {name: tensor.numpy() for name, tensor in safetensors.torch.load(data).items()},
    ):
        assert by_library.keys() == set(model.layout.names)
        for name, entry, array in zip(model.layout.names, model.entries, parameters, strict=True):
            found = by_library[name]
            assert (found.dtype, found.shape) == (entry.dtype, array.shape)
            assert found.tobytes() == entry.tobytes()


@given(PARAMETERS, st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_an_update_in_slices_is_added_as_a_whole(
    parameters: list[np.ndarray], parts: int, seed: int
) -> None:
    model = model_of(parameters)
    update = np.random.default_rng(seed).normal(size=model.layout.weights)
    found = read_model(updated(model, update, parts), model.layout, "cardio", 1)
    start = 0
    for entry, array in zip(found.entries, parameters, strict=True):
        end = start + array.size
        exact = array.astype(np.float64).reshape(-1) + update[start:end]
        with np.errstate(over="ignore"):
            assert entry.tobytes() == exact.astype(MASTER[array.dtype.name]).tobytes()
        start = end


def test_updates_too_small_for_half_precision_add_up() -> None:
    model = model_of([np.ones(1, np.float16)])
    for _ in range(10):
        model = read_model(updated(model, np.array([1e-4]), 1), model.layout, "cardio", 1)
    assert model.weights.slice(0, 1)[0] == pytest.approx(1.001, abs=1e-6)
    assert model.to_app({})[0] == np.float16(1.001)


def header_of(data: bytes) -> Any:
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def with_header(data: bytes, header: Any) -> bytes:
    """The same entries under another header."""
    text = json.dumps(header).encode()
    old = 8 + int.from_bytes(data[:8], "little")
    return len(text).to_bytes(8, "little") + text + data[old:]


def test_a_files_metadata_is_what_was_given_and_the_apps_dtypes_in_its_order() -> None:
    data = written(model_of({"b": np.zeros(3, np.float16), "a": np.zeros(1)}))
    metadata = header_of(data)["__metadata__"]
    assert metadata == METADATA | {"dtypes": '{"b": "float16", "a": "float64"}'}


def test_equal_models_have_equal_files() -> None:
    model = model_of({"b": np.ones(2), "a": np.zeros(3, np.float32)})
    data = written(model)
    assert updated(model_of({"b": np.zeros(2), "a": np.zeros(3, np.float32)}),
                   np.array([1.0, 1, 0, 0, 0]), 2) == data  # fmt: skip
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    assert list(json.loads(data[8 : 8 + length])) == ["__metadata__", "a", "b"]


def test_a_model_is_written_without_another_copy_of_it() -> None:
    class Nowhere:
        def write(self, data: bytes) -> None:
            """Forget it."""

    model = model_of([np.zeros(4_000_000, np.float32)])
    part = np.zeros(50_000)
    tracemalloc.start()
    try:
        following = NextModel(model, Nowhere(), METADATA)
        for _ in range(80):
            following.add(part)
        following.finish()
        write_model(model, Nowhere(), METADATA)
        _ = model.digest
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000 < model.entries[0].nbytes / 5


def test_an_update_of_another_length_is_refused() -> None:
    model = model_of([np.zeros(3)])
    following = NextModel(model, BytesIO(), METADATA)
    following.add(np.zeros(2))
    with pytest.raises(ValueError, match="2 weights of 3"):
        following.finish()
    with pytest.raises(IndexError):
        following.add(np.zeros(2))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"a": np.zeros(2), "c": np.zeros(2)}, "entry 'c' is None instead of"),
        ({"a": np.zeros(2)}, "entry 'b' is .* instead of None"),
        ({"a": np.zeros((1, 2)), "b": np.zeros(2)}, "entry 'a' is"),
        ({"a": np.zeros(2, np.float32), "b": np.zeros(2)}, "entry 'a' is"),
    ],
)
def test_a_model_of_another_layout_is_refused(other: Any, reason: str) -> None:
    data = written(model_of({"a": np.zeros(2), "b": np.zeros(2)}))
    with pytest.raises(ForeignModel, match=reason) as caught:
        read_model(data, Layout.of(other), "cardio", 1)
    assert caught.value.round_name == "cardio/1"


def test_what_is_no_whole_model_is_refused() -> None:
    model = model_of([np.zeros(3)])
    data = written(model)
    for broken in (b"", data[:7], data[:20], b"\xff" * 200, b"\x02" + bytes(7) + b"[]", data[:-1]):
        with pytest.raises(DamagedFile, match="studies/cardio/model-1"):
            read_model(broken, model.layout, "cardio", 1)
    with pytest.raises(DamagedFile, match="25 bytes instead of 24"):
        read_model(data + b"x", model.layout, "cardio", 1)


@given(PARAMETERS)
def test_a_models_digest_is_known_from_its_file_alone(parameters: list[np.ndarray]) -> None:
    model = model_of(parameters)
    found = read_stored(written(model), "cardio", 1)
    assert found.digest == model.digest
    for entry, own in zip(found.entries, model.entries, strict=True):
        assert np.array_equal(entry, own)


def test_the_digest_from_a_file_tells_half_precision_and_the_order_of_entries() -> None:
    forms: list[dict[str, Any]] = [
        {"b": np.zeros(2, np.float16), "a": np.zeros(2, np.float32)},
        {"b": np.zeros(2, np.float32), "a": np.zeros(2, np.float32)},
        {"a": np.zeros(2, np.float32), "b": np.zeros(2, np.float16)},
    ]
    models = [model_of(form) for form in forms]
    found = [read_stored(written(model), "cardio", 1).digest for model in models]
    assert found == [model.digest for model in models]
    assert len(set(found)) == 3


TWO = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
AS_APP = {"dtypes": '{"a": "float32"}'}


def test_a_header_that_fits_its_entries_is_read() -> None:
    found = read_stored(with_header(bytes(16), {"__metadata__": AS_APP, "a": TWO}), "x", 1)
    assert found.layout.shapes == ((2,),)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]},
        {"dtype": "F32", "shape": [-2], "data_offsets": [0, -8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]},
        {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [float("inf")], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [0, 10**30], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [2]},
        {"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]},
        [],
    ],
)
def test_a_header_that_does_not_fit_its_entries_is_refused(entry: Any) -> None:
    data = with_header(bytes(16), {"__metadata__": AS_APP, "a": entry})
    with pytest.raises(DamagedFile, match="studies/x/model-1"):
        read_stored(data, "x", 1)


@pytest.mark.parametrize(
    "metadata",
    [
        METADATA,
        [],
        {"dtypes": {"a": "float32"}},
        {"dtypes": "["},
        {"dtypes": "[" * 200_000},
        {"dtypes": '["a"]'},
        {"dtypes": "{}"},
        {"dtypes": '{"a": "int32"}'},
        {"dtypes": '{"a": ["float32"]}'},
        {"dtypes": '{"b": "float32"}'},
        {"dtypes": '{"a": "float32", "__metadata__": "float32"}'},
    ],
)
def test_a_file_that_does_not_say_its_dtypes_is_refused(metadata: Any) -> None:
    with pytest.raises(DamagedFile, match="studies/x/model-1"):
        read_stored(with_header(bytes(16), {"__metadata__": metadata, "a": TWO}), "x", 1)


def test_a_file_without_entries_is_refused() -> None:
    nothing = with_header(bytes(8), {"__metadata__": {"dtypes": "{}"}})
    assert safetensors.numpy.load(nothing) == {}
    for data in (nothing, with_header(bytes(8), {}), safetensors.numpy.save({})):
        with pytest.raises(DamagedFile, match="does not say what its entries are"):
            read_stored(data, "x", 1)
    unicode = {"__metadata__": {"dtypes": '{"\\ud800": "float32"}'}, "\ud800": TWO}
    with pytest.raises(DamagedFile):
        read_stored(with_header(bytes(16), unicode), "x", 1)
