"""TOML tables that know their place, for errors that name the field."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from typing import Any, Literal, overload

from protocol.encoding import encode_binary
from protocol.errors import BadTerms
from protocol.words import shown

Fault = Callable[[str, str], Exception]  # what is raised of a field, and a reason


class Table:
    """A table of a file that people write.

    What is missing, unknown or of another type raises ``fault`` with the field and a reason.
    """

    def __init__(self, path: str, values: dict[str, Any], fault: Fault = BadTerms) -> None:
        self._path, self._values, self._fault = path, values, fault
        self._read = set[str]()

    def _take(self, key: str, kind: type | tuple[type, ...], what: str) -> Any:
        self._read.add(key)
        value = self._values.get(key)
        if value is None:
            raise self._fault(self.name(key), "it is missing")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._fault(self.name(key), f"it must be {what}")
        return value

    def name(self, key: str) -> str:
        """A key with the path of its table, as an error names it."""
        return f"{self._path}.{shown(key)}" if self._path else shown(key)

    def has(self, key: str) -> bool:
        """Whether the file says anything of it."""
        return key in self._values

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and key not in self._values:
            return default
        return str(self._take(key, str, "text"))

    def texts(self, key: str) -> list[str]:
        values = self._take(key, list, "a list of texts")
        if not all(isinstance(value, str) for value in values):
            raise self._fault(self.name(key), "it must be a list of texts, each in quotes")
        return list(values)

    def number(self, key: str) -> int:
        value = int(self._take(key, int, "a whole number"))
        if abs(value) >= 1 << 53:
            raise self._fault(self.name(key), "it is too large")
        return value

    def real(self, key: str) -> float:
        try:
            value = float(self._take(key, (int, float), "a number"))
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self._fault(self.name(key), "it must be finite")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        if default is not None and key not in self._values:
            return default
        return bool(self._take(key, bool, "true or false"))

    def binary(self, key: str, size: int) -> bytes:
        text = self.text(key)
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise self._fault(self.name(key), "it is not base64") from None
        if len(data) != size or encode_binary(data) != text:
            raise self._fault(self.name(key), f"it must be {size} bytes in base64")
        return data

    @overload
    def table(self, key: str) -> Table: ...
    @overload
    def table(self, key: str, optional: Literal[True]) -> Table | None: ...
    def table(self, key: str, optional: bool = False) -> Table | None:
        if optional and key not in self._values:
            return None
        return Table(self.name(key), self._take(key, dict, "a table"), self._fault)

    def tables(self, key: str, optional: bool = False) -> list[Table]:
        if optional and key not in self._values:
            return []
        values = self._take(key, list, "a list of tables")
        if not all(isinstance(value, dict) for value in values):
            raise self._fault(self.name(key), "it must be a list of tables")
        path = self.name(key)
        return [Table(f"{path}[{k}]", v, self._fault) for k, v in enumerate(values, start=1)]

    def finish(self) -> None:
        """Raises on a key that nobody asked for."""
        if unknown := sorted(set(self._values) - self._read):
            raise self._fault(self.name(unknown[0]), "it is unknown here")
