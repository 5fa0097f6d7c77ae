"""The passphrase: from a file, from the environment, or asked for at the terminal."""

import getpass
import os
import sys
import unicodedata
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from participant.disk import read
from participant.errors import BadPassphrase, NoPassphrase
from protocol.words import decoded

PASSPHRASE_VARIABLE = "QUORATE_PASSPHRASE"
MINIMUM_CHARACTERS = 8  # of a new passphrase
_LIMIT = 4096  # bytes of a passphrase file


@dataclass(frozen=True)
class Passphrase:
    """What unlocks the sealed files, and the root keys that it has given; never shown."""

    text: str
    _root_keys: dict[tuple[Hashable, bytes], bytes] = field(
        default_factory=dict, init=False, compare=False
    )

    def encoded(self) -> bytes:
        """UTF-8 of the NFC form, so that every keyboard and system gives the same bytes."""
        return unicodedata.normalize("NFC", self.text).encode()

    def root_key(self, cost: Hashable, salt: bytes) -> bytes | None:
        """The root key with this cost and salt, if it has opened or made a file before."""
        return self._root_keys.get((cost, salt))

    def salt_for(self, cost: Hashable) -> bytes | None:
        """The salt of a root key with this cost that has opened or made a file before."""
        return next((salt for known, salt in self._root_keys if known == cost), None)

    def keep_root_key(self, cost: Hashable, salt: bytes, key: bytes) -> None:
        """Keep a root key that has opened or made a file, for as long as this object lives."""
        self._root_keys[cost, salt] = key

    def __repr__(self) -> str:
        return "Passphrase(<secret>)"


@dataclass(frozen=True)
class Which:
    """Which passphrase is meant: what it is called, and where it is looked for."""

    name: str
    option: str
    variable: str | None = None


PRESENT = Which("passphrase", "--passphrase-file", PASSPHRASE_VARIABLE)
# These are never taken from the variable of the first: they are to be others.
CHANGED = Which("passphrase", "--new-passphrase-file")
OF_BACKUP = Which("passphrase of the backup", "--backup-passphrase-file")


def obtain(
    file: Path | None,
    new: bool,
    environment: Mapping[str, str] = os.environ,
    ask: Callable[[str], str] | None = None,
    which: Which = PRESENT,
) -> Passphrase:
    """The passphrase, from ``file``, else its variable if it has one, else the terminal.

    ``new``: it is being chosen: asked for twice, and at least 8 characters. One newline at its end
    is no part of it, wherever it comes from. Raises NoPassphrase where there is no source,
    BadPassphrase on an unusable one, MissingFile, TooLarge or DiskError on a file that does not
    read.
    """
    if file is not None:
        return checked(_from_file(file), str(file), new)
    if which.variable is not None and which.variable in environment:
        return checked(environment[which.variable], which.variable, new)
    if ask is None:
        ask = partial(_ask_at_terminal, which=which)
    text = ask(f"New {which.name}: " if new else f"{which.name.capitalize()}: ")
    passphrase = checked(text, "the terminal", new)
    if new and ask("The same again: ") != text:
        raise BadPassphrase("entries differ", "the terminal")
    return passphrase


def _from_file(path: Path) -> str:
    data = read(path, _LIMIT, "passphrase")
    try:
        return decoded(data)
    except UnicodeDecodeError:
        raise BadPassphrase("not UTF-8", str(path)) from None


def _ask_at_terminal(prompt: str, which: Which) -> str:
    if not _has_terminal():
        raise NoPassphrase("no terminal", which.option, which.variable)
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise NoPassphrase("the terminal was closed", which.option, which.variable) from None
    except UnicodeDecodeError:
        raise BadPassphrase("not in the system's encoding", "the terminal") from None


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return sys.stdin is not None and sys.stdin.isatty()
    return True


def checked(text: str, source: str, new: bool) -> Passphrase:
    """A passphrase from a source, as ``obtain`` checks it; raises BadPassphrase."""
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise BadPassphrase("empty", source)
    if any("\ud800" <= character <= "\udfff" for character in text):  # of bytes that are no text
        raise BadPassphrase("not in the system's encoding", source)
    if new and len(text) < MINIMUM_CHARACTERS:
        raise BadPassphrase("too short", source)
    return Passphrase(text)
