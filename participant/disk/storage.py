"""Durable bytes under names, as whoever stores something asks for them."""

from contextlib import AbstractContextManager
from typing import Protocol


class Output(Protocol):
    """Takes the bytes of one name, in order."""

    def write(self, data: bytes, /) -> object: ...


class Storage(Protocol):
    """Durable bytes under names: what is written is there after a crash, whole or not at all.

    ``writing`` takes them in parts: the name appears when its block ends, unless by an exception.
    ``read_beside`` reads from another storage of the same home, and touches nothing of it.
    """

    def write(self, name: str, data: bytes) -> None: ...
    def writing(self, name: str) -> AbstractContextManager[Output]: ...
    def read(self, name: str) -> bytes | None: ...
    def read_beside(self, folder: str, name: str) -> bytes | None: ...
    def delete(self, name: str) -> None: ...
    def names(self, prefix: str = "") -> list[str]: ...
