"""Files of unmodified ``phe``: numbers it has encrypted, and the joint key in its own form.

Read are the JSON forms of phe's documentation and of its command line, ``pheutil``:

    {"public_key": {"n": N}, "values": [["ciphertext", exponent], ...]}     public_key optional
    {"v": "ciphertext", "e": exponent}                                      or a list of these
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from gmpy2 import mpz

from keyshare.encryption import check_ciphertext
from keyshare.errors import BadCiphertext
from keyshare.statistic import MAX_EXPONENT
from participant.errors import BadStatisticFile
from participant.files import read
from participant.words import fingerprint
from protocol.ciphertexts import Encrypted
from protocol.epoch import Epoch, to_bytes, to_number
from protocol.terms import encode_binary

FILE_LIMIT = 64 << 20  # bytes
MAX_VALUES = 100_000
_DIGITS = 4_000  # of a number; N² of a 4096-bit key has 2467


def read_numbers(path: Path, n: mpz) -> Encrypted:
    """The encrypted numbers in a file of phe's.

    Raises BadStatisticFile on anything but units modulo N² under this N, with exponents;
    MissingFile, TooLarge or DiskError.
    """
    data = read(path, FILE_LIMIT, "file of encrypted numbers")
    return _Reader(str(path), n).numbers(data)


def joint_key_jwk(epoch: Epoch, federation_name: str) -> str:
    """The joint public key as the JSON that ``pheutil encrypt`` reads.

    In a program: ``phe.PaillierPublicKey(phe.util.base64_to_int(jwk["n"]))``.
    """
    jwk = {
        "kty": "DAJ",
        "alg": "PAI-GN1",
        "key_ops": ["encrypt"],
        "n": encode_binary(to_bytes(to_number(epoch.n))),
        "kid": f"quorate, {federation_name}, epoch {epoch.number}: {fingerprint(epoch.digest)}",
    }
    return json.dumps(jwk)


class _Reader:
    """Strict reading of one file, for errors that name it."""

    def __init__(self, path: str, n: mpz) -> None:
        self._path, self._n = path, n

    def _refuse(self, reason: str) -> NoReturn:
        raise BadStatisticFile(self._path, reason)

    def numbers(self, data: bytes) -> Encrypted:
        """All numbers of the file, in order."""
        pairs = self._pairs(self._document(data))
        if not 1 <= len(pairs) <= MAX_VALUES:
            self._refuse(f"{len(pairs)} numbers; 1 to {MAX_VALUES} can be contributed")
        values, exponents = [], []
        for position, (ciphertext, exponent) in enumerate(pairs, start=1):
            values.append(self._ciphertext(ciphertext, position))
            exponents.append(self._exponent(exponent, position))
        return Encrypted(tuple(values), tuple(exponents))

    def _document(self, data: bytes) -> Any:
        try:
            return json.loads(
                data.decode(),
                object_pairs_hook=self._object,
                parse_int=lambda digits: self._integer(digits, "a number"),
                parse_float=lambda text: self._refuse(f"{text[:40]} is not a whole number"),
                parse_constant=lambda text: self._refuse(f"{text} is not a number"),
            )
        except (ValueError, RecursionError):
            self._refuse("it is not JSON text in UTF-8")

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            self._refuse("a field is there twice")
        return found

    def _pairs(self, document: Any) -> list[tuple[Any, Any]]:
        """(ciphertext, exponent) of each number, in any of the forms."""
        if isinstance(document, dict) and "values" in document:
            self._only(document, {"values", "public_key"})
            self._check_key(document.get("public_key"))
            values = document["values"]
            if not isinstance(values, list):
                self._refuse('"values" is not a list')
            if not all(isinstance(pair, list) and len(pair) == 2 for pair in values):
                self._refuse('"values" is not a list of [ciphertext, exponent]')
            return [(ciphertext, exponent) for ciphertext, exponent in values]
        entries = document if isinstance(document, list) else [document]
        if not all(isinstance(entry, dict) and {"v", "e"} <= entry.keys() for entry in entries):
            self._refuse('neither {"values": [...]} nor {"v": ..., "e": ...} as phe writes them')
        for entry in entries:
            self._only(entry, {"v", "e"})
        return [(entry["v"], entry["e"]) for entry in entries]

    def _only(self, found: dict[str, Any], known: set[str]) -> None:
        if unknown := sorted(found.keys() - known):
            self._refuse(f"unknown field {unknown[0][:40]!r}")

    def _check_key(self, key: Any) -> None:
        if key is None:
            return
        if not isinstance(key, dict) or not isinstance(key.get("n"), int | str):
            self._refuse('"public_key" is not {"n": ...}')
        n = key["n"] if isinstance(key["n"], int) else self._integer(key["n"], "the key's n")
        if n != self._n:
            self._refuse(
                f"encrypted under another key (n = {_short(n)}, "
                f"the federation's is n = {_short(int(self._n))})"
            )

    def _ciphertext(self, value: Any, position: int) -> mpz:
        if isinstance(value, bool) or not isinstance(value, int | str):
            self._refuse(f"number {position}: the ciphertext is not a number in digits")
        number = value if isinstance(value, int) else self._integer(value, f"number {position}")
        try:
            check_ciphertext(mpz(number), self._n)
        except BadCiphertext as error:
            self._refuse(f"number {position}: not encrypted under the joint key ({error.reason})")
        return mpz(number)

    def _exponent(self, value: Any, position: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_EXPONENT:
            self._refuse(
                f"number {position}: the exponent is not a whole number from "
                f"-{MAX_EXPONENT} to {MAX_EXPONENT}"
            )
        return value

    def _integer(self, digits: str, what: str) -> int:
        unsigned = digits.removeprefix("-")
        if not (unsigned.isascii() and unsigned.isdigit()):
            self._refuse(f"{what} is not written in digits")
        if len(unsigned) > _DIGITS:
            self._refuse(f"{what} has more than {_DIGITS} digits")
        return int(digits)


def _short(n: int) -> str:
    text = str(n)
    return text if len(text) <= 16 else f"{text[:8]}…{text[-4:]}"
