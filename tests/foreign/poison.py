"""Texts that steer, hide, forge or flood, in place of every text of a value; and what they may do.

What is unsafe is told here without the function that is tested.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
POISONS = {
    "escape": "\x1b[2J\x1b[1A\x1b]0;owned\x07\x1b]8;;https://evil.example\x07\x9b31m",
    "line": "fine\r\nFORGED\u2028FORGED\u2029FORGED\x85FORGED\x0bFORGED",
    "direction": "\u202elive\u2066\u200f\u061c",
    "invisible": "a\u200b\u2060\ufeff\u3164\u115f\ufe0f\u00ad\U000e0041",
    "rich": "[bold red]R[/] [link=https://evil.example]x[/link] [/]",
    "html": f"'\"--> ]]></title></style></svg>{SCRIPT}",
    "marks": "e" + "\u0301" * 50,
    "long": "A" * 10_000,
}
POISON = " ".join(POISONS.values())
BRIEF = POISON.replace("A" * 10_000, "A" * 300)
NOT_TEXT = POISON + "\ud800"  # what no message can hold, and a file's name can
LONGEST = 4_096  # of a line
_STEERING = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_HIDDEN = re.compile("[\u3164\u115f\ufe00-\ufe0f\U000e0100-\U000e01ef]|\u0301{6}")
T = TypeVar("T")


def poisoned(value: T, text: str = POISON) -> T:
    """A value with ``text`` after every text in it, keys and paths included; numbers stay."""
    return _poisoned(value, text)


def _poisoned(value: Any, text: str) -> Any:
    if isinstance(value, str) and type(value) is str:
        return value + text
    if isinstance(value, Path):
        return Path(f"{value}{text}")
    if isinstance(value, msgspec.Struct):
        fields = {f: _poisoned(getattr(value, f), text) for f in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: _poisoned(getattr(value, f.name), text)
            for f in dataclasses.fields(value)
            if f.init
        }
        return dataclasses.replace(value, **fields)
    if isinstance(value, dict):
        return {_poisoned(k, text): _poisoned(v, text) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_replace"):
        return value._replace(**{k: _poisoned(v, text) for k, v in value._asdict().items()})
    if isinstance(value, tuple | list):
        return type(value)(_poisoned(v, text) for v in value)
    return value


def leaves(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all texts and numbers of a JSON or TOML document."""
    if isinstance(document, dict | list):
        pairs = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in pairs:
            yield from leaves(value, (*at, key))
    else:
        yield at


def with_leaf(document: Any, at: tuple[Any, ...], value: object) -> Any:
    """A copy of a document with another value at one place."""
    if not at:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[at[0]] = with_leaf(copy[at[0]], at[1:], value) if at[1:] else value
    return copy


def offences(output: str) -> list[str]:
    """What in some lines of output no other party may write there."""
    found = [repr(c) for c in output if c != "\n" and unicodedata.category(c) in _STEERING]
    found += [repr(hidden) for hidden in _HIDDEN.findall(output)]
    rows = output.split("\n")
    found += [row[:40] for row in rows if row.lstrip().startswith("FORGED")]
    found += [f"{len(row)} characters" for row in rows if len(row) > LONGEST and not _is_json(row)]
    return found


def _is_json(row: str) -> bool:
    """JSON for programs is as long as it is."""
    return row.lstrip().startswith(("{", '"'))
