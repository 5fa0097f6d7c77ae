"""What a file is by its look: for the sentence about one that was given in place of another.

Nothing is believed for it: whoever expects a file of some kind reads it as strictly as ever.
"""

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from protocol.terms import read_toml
from protocol.words import decoded

SEALED_MAGIC = b"quorate sealed file\n"
LOOKED_AT = 1 << 16  # bytes; the files of ours that are TOML or JSON are shorter, as a rule
# How .xlsx, .ods and .xls begin, and other archives.
_SPREADSHEETS = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


class Kind(StrEnum):
    """Kinds of files and folders, as sentences name them."""

    TERMS = "the terms of a federation"
    CARD = "a hospital's card"
    AGGREGATOR_CARD = "an aggregator's card"
    PLAN = "the plan of a study"
    JOINT_KEY = "a joint public key"
    SEALED = "a file sealed with a passphrase"
    PEM = "a key or certificate"
    SPREADSHEET = "a spreadsheet, another office document or an archive"
    MODEL = "a model"
    RECORD = "the folder of a record"
    HOME = "a hospital's data folder"
    SERVICE = "an aggregator's data folder"
    FOLDER = "a folder"
    FILE = "a file"


_FIELDS = {  # that tell what a TOML file of ours is
    Kind.TERMS: {"federation", "members"},
    Kind.CARD: {"name", "key", "fingerprint"},
    Kind.AGGREGATOR_CARD: {"url", "key", "tls"},
    Kind.PLAN: {"kind", "purpose", "members"},
}
_NAMES = {  # that tell what a folder is, each of a file that is never handed on
    Kind.RECORD: "record.json",
    Kind.HOME: "identity.sealed",
    Kind.SERVICE: "identity.pem",
}


def kind_of(path: Path) -> Kind | None:
    """The kind of a file or folder; FILE or FOLDER for any other, None if there is none."""
    try:
        if path.is_dir():
            return kind_of_folder(lambda name: (path / name).exists())
        if not path.is_file():
            return Kind.FILE if path.exists() else None
        with path.open("rb") as file:
            return kind_of_data(file.read(LOOKED_AT)) or Kind.FILE
    except OSError:
        return None


def kind_of_folder(has: Callable[[str], bool]) -> Kind:
    """The kind of a folder, by whether it has a file of some name; FOLDER for any other."""
    named = [kind for kind, name in _NAMES.items() if has(name)]
    return named[0] if len(named) == 1 else Kind.FOLDER


def kind_of_data(data: bytes) -> Kind | None:
    """The kind of a file that holds these bytes; None where they do not tell it."""
    data = data[:LOOKED_AT]
    if data.startswith(SEALED_MAGIC):
        return Kind.SEALED
    if data.startswith(b"-----BEGIN "):
        return Kind.PEM
    if data.startswith(_SPREADSHEETS):
        return Kind.SPREADSHEET
    if data[8:10] == b'{"' and b"data_offsets" in data:
        return Kind.MODEL
    try:
        text = decoded(data)
        return _kind_of_json(text) if text.lstrip()[:1] == "{" else _kind_of_toml(text)
    except (ValueError, RecursionError):  # no text, or of no form that is known
        return None


def _kind_of_json(text: str) -> Kind | None:
    return Kind.JOINT_KEY if {"kty", "n"} <= json.loads(text).keys() else None


def _kind_of_toml(text: str) -> Kind | None:
    fields = read_toml(text).keys()
    return next((kind for kind, needed in _FIELDS.items() if needed <= fields), None)
