"""What becomes of one entry of a model: it is averaged, it stays at the hospital, or it is refused.

Real floats with values of their own are averaged. Integers, booleans, texts and other things that
have no average stay. What may hold weights that would be left out unseen, or read wrongly, is
refused with a remedy: sparse and lazy tensors, a Python float, a dict of tensors.
torch is never imported here: where it has not been, nothing can be a tensor.
"""

import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from protocol.words import shown

Form: TypeAlias = Literal["list", "arrays", "tensors"]
# The precision in which a model is kept: updates of half-precision entries are often too small to
# be seen in half precision, and add up over the rounds.
MASTER = {"float64": "<f8", "float32": "<f4", "float16": "<f4", "bfloat16": "<f4"}
_ARRAYS = tuple(dtype for dtype in MASTER if dtype != "bfloat16")  # which numpy alone lacks
_FLOATS = "float64, float32, float16, and bfloat16 in torch, can be averaged"
_HOME = "or name it in local_entries, so that it stays at this hospital"
_EXTRA_STATE = "_extra_state"  # what torch calls the state of a module that is no tensor
_DEEPEST = 20  # containers inside containers


@dataclass(frozen=True)
class Averaged:
    """``values``: a plain array or tensor of real floats, whatever its strides and device."""

    shape: tuple[int, ...]
    dtype: str  # a key of MASTER
    values: Any = field(repr=False, compare=False)

    @property
    def what(self) -> str:
        """``3x4 float32``."""
        return described(self.shape, self.dtype)


@dataclass(frozen=True)
class AtHome:
    """It stays at the hospital; what it is, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Unfit:
    """It cannot be used; what it is, and what whoever wrote the app can do."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Elsewhere:
    """In the place of an entry whose value is in the process of the app: what becomes of it."""

    fate: AtHome | Unfit
    is_tensor: bool


Fate: TypeAlias = Averaged | AtHome | Unfit


def described(shape: tuple[int, ...], dtype: str) -> str:
    """``3x4 float32``; a single number has no shape."""
    return f"{'x'.join(map(str, shape))} {dtype}" if shape else f"one {dtype}"


def fate_of(name: str, entry: object, form: Form) -> Fate:
    """What becomes of an entry that the app does not name in ``local_entries``."""
    fate = fate_by_kind(entry)
    if form == "list":
        if is_or_was_tensor(entry):
            remedy = "a list holds numpy arrays. Return a dict of names, such as a state_dict()"
            return Unfit("a torch tensor", remedy)
        if isinstance(fate, AtHome):
            remedy = f"in a list of arrays all are averaged. Begin with floats, {_HOME}"
            return Unfit(fate.what, remedy)
    elif is_extra(name):
        return AtHome(fate.what, "the extra state of a module is not averaged")
    elif form == "tensors" and isinstance(fate, Averaged) and not is_tensor(entry):
        remedy = f"make a tensor of it (torch.from_numpy), {_HOME}"
        return Unfit(f"a numpy array ({fate.what}) among torch tensors", remedy)
    return fate


def named_fate(entry: object) -> AtHome:
    """What becomes of an entry that the app names in ``local_entries``, whatever it is."""
    return AtHome(fate_by_kind(entry).what, "local_entries names it")


def is_extra(name: str) -> bool:
    """Whether an entry is the extra state of a module, which may be anything at any time."""
    return name.rpartition(".")[2] == _EXTRA_STATE


def is_tensor(entry: object) -> bool:
    """Whether it is a torch tensor. Another thread may be about to import torch just now."""
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return tensor is not None and isinstance(entry, tensor)


def is_or_was_tensor(entry: object) -> bool:
    """Whether it is a torch tensor, here or in the process of the app."""
    return entry.is_tensor if isinstance(entry, Elsewhere) else is_tensor(entry)


def is_freed(tensor: Any) -> bool:
    """Whether a tensor's memory is gone, as where a model is sharded. To read it is a crash."""
    import torch

    with torch._C.DisableTorchFunctionSubclass():
        if tensor.layout is not torch.strided or tensor.is_nested or not tensor.numel():
            return False
        if tensor.device.type not in ("cpu", "cuda"):
            return False
        last = sum(
            (n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride(), strict=True)
        )
        end = (tensor.storage_offset() + last + 1) * tensor.element_size()
        return bool(tensor.untyped_storage().nbytes() < end)


def fate_by_kind(entry: object) -> Fate:
    """What becomes of an entry, whatever its name and the form of the model."""
    if isinstance(entry, Elsewhere):
        return entry.fate
    try:
        if is_tensor(entry):
            return _tensor(entry)
        if isinstance(entry, np.ndarray | np.generic):
            return _array(entry)
        return _other(entry)
    except Exception as error:  # an odd class of somebody's own
        what = f"of type {type(entry).__name__}, which does not read ({shown(str(error))})"
        return Unfit(what, f"make a plain array or tensor of it, {_HOME}")


def _array(entry: np.ndarray[Any, Any] | np.generic) -> Fate:
    dtype, kind = entry.dtype.name, entry.dtype.kind
    what = described(entry.shape, dtype)
    if isinstance(entry, np.ma.MaskedArray):
        return Unfit(f"a masked array ({what})", f"fill it (filled(0)), {_HOME}")
    if kind in "iub":
        return AtHome(what, _why_counts(dtype))
    if kind in "SUMm":
        return AtHome(what, "texts and times have no average")
    if dtype in _ARRAYS:
        return Averaged(entry.shape, dtype, np.asarray(entry))
    return _odd_dtype(dtype)


def _tensor(entry: Any) -> Fate:
    import torch

    name = type(entry).__name__
    if torch.nn.parameter.is_lazy(entry):
        remedy = f"run the model once, so that its lazy layers know their shapes, {_HOME}"
        return Unfit("a parameter without a shape yet", remedy)
    with torch._C.DisableTorchFunctionSubclass():
        if type(entry).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
            return Unfit(f"of type {name}", f"make a plain tensor of it, {_HOME}")
        dtype = str(entry.dtype).removeprefix("torch.")
        if entry.is_nested:
            return Unfit(f"a nested tensor ({dtype})", f"pad it, {_HOME}")
        what = described(tuple(map(int, entry.shape)), dtype)
        if entry.layout is not torch.strided:
            form = str(entry.layout).removeprefix("torch.").removeprefix("_").replace("_", " ")
            if _is_counting(dtype):
                return AtHome(f"{what}, {form}", _why_counts(dtype))
            return Unfit(f"a {form} tensor ({what})", f"make it dense (to_dense()), {_HOME}")
        if entry.is_quantized:
            return Unfit(f"quantised ({what})", f"take dequantize() of it, {_HOME}")
        if _is_counting(dtype):
            return AtHome(what, _why_counts(dtype))
        if dtype not in MASTER:
            return _odd_dtype(dtype)
        if entry.is_meta or is_freed(entry):
            return Unfit(f"a tensor without values ({what})", f"load its values first, {_HOME}")
        return Averaged(tuple(map(int, entry.shape)), dtype, _plain(entry))


def _plain(entry: Any) -> Any:
    """The same values as a tensor of torch's own class, without gradient, names, delayed sign."""
    import torch

    plain = entry.detach().as_subclass(torch.Tensor)
    if any(name is not None for name in getattr(plain, "names", ())):
        plain = plain.rename(None)
    return plain.resolve_neg()


def _other(entry: object) -> Fate:
    name = type(entry).__name__
    if isinstance(entry, float | complex):
        return Unfit(f"a Python {name}", f"make an array or tensor of it, {_HOME}")
    if hasattr(entry, "state_dict"):
        return Unfit(f"of type {name}", f"return its state_dict(), {_HOME}")
    if hasattr(entry, "__array__") or hasattr(entry, "__dlpack__"):
        return Unfit(f"of type {name}", f"make a numpy array of it, {_HOME}")
    if _hides_numbers(entry, _DEEPEST):
        return Unfit(f"a {name} that holds numbers", f"make an entry of each of them, {_HOME}")
    return AtHome(f"of type {name}", "it is no array and no tensor")


def _hides_numbers(entry: object, depth: int) -> bool:
    """Whether a container holds arrays, tensors, or floats that are no mere settings."""
    if not isinstance(entry, Mapping | list | tuple | Set):
        return False
    inner = list(entry.values() if isinstance(entry, Mapping) else entry)
    if not isinstance(entry, Mapping) and any(isinstance(one, float | complex) for one in inner):
        return True
    return depth == 0 or any(
        hasattr(one, "__array__") or _hides_numbers(one, depth - 1) for one in inner
    )


def _is_counting(dtype: str) -> bool:
    return dtype.startswith(("int", "uint", "bool"))


def _why_counts(dtype: str) -> str:
    return "booleans have no average" if dtype == "bool" else "integers have no average"


def _odd_dtype(dtype: str) -> Unfit:
    what = f"of dtype {dtype}"
    if dtype.startswith("complex"):
        return Unfit(what, f"average real and imaginary parts as entries of their own, {_HOME}")
    return Unfit(what, f"{_FLOATS}. Make it one of these, {_HOME}")
