"""Numbers that unmodified ``phe`` encrypted with an r of its user's, and the joint key in its form.

    {"public_key": {"n": N}, "values": [["ciphertext", exponent, "r"], ...]}   public_key optional
    {"v": "ciphertext", "e": exponent, "r": "r"}                               or a list of these

A ciphertext alone could be anybody's, or a multiple of it; with r the agent sees what is inside,
as it must to prove that it knows it. So whoever has such a file can read its numbers.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn

from gmpy2 import mpz

from keyshare.digest import number_bytes
from keyshare.errors import BadCiphertext, UnfitNumber
from keyshare.key import MAX_EXPONENT, decode, open_ciphertext
from participant.errors import UnfitNumbers
from participant.statistic.numbers import MAX_DIGITS
from participant.words.fingerprint import fingerprint
from protocol.encoding import encode_binary
from protocol.key import Epoch, to_number

Each = Callable[[], None]
_NO_R = (
    "it has no r, without which this hospital cannot prove that it knows the number. Write "
    "r = secrets.randbelow(public.n - 1) + 1, x = public.encrypt(number, r_value=r), and of each "
    "number [str(x.ciphertext(be_secure=False)), x.exponent, str(r)]"
)


def is_of_phe(document: Any) -> bool:
    """Whether a JSON document is meant as numbers of phe's, rather than as plain ones."""
    first = document[0] if isinstance(document, list) and document else document
    return isinstance(first, dict) and (
        isinstance(first.get("values"), list) or {"v", "e"} <= first.keys()
    )


def joint_key_jwk(epoch: Epoch, federation_name: str) -> str:
    """The joint public key as the JSON that ``pheutil encrypt`` reads.

    In a program: ``phe.PaillierPublicKey(phe.util.base64_to_int(jwk["n"]))``.
    """
    jwk = {
        "kty": "DAJ",
        "alg": "PAI-GN1",
        "key_ops": ["encrypt"],
        "n": encode_binary(number_bytes(to_number(epoch.n))),
        "kid": f"quorate, {federation_name}, epoch {epoch.number}: {fingerprint(epoch.digest)}",
    }
    return json.dumps(jwk)


class PheReader:
    """Strict reading of one document, for errors that name its file."""

    def __init__(self, path: str, n: mpz, each: Each = lambda: None) -> None:
        """``each``: called for each number; it may raise, where nobody waits for them any more."""
        self._path, self._n, self._each = path, n, each

    def _refuse(self, reason: str) -> NoReturn:
        raise UnfitNumbers(self._path, reason)

    def numbers(self, document: Any) -> list[Decimal]:
        """All numbers, opened. Raises UnfitNumbers naming the first that does not open."""
        return [
            self._number(triple, position)
            for position, triple in enumerate(self._triples(document), start=1)
        ]

    def _triples(self, document: Any) -> list[list[Any]]:
        """[ciphertext, exponent, r] of each number, in any of the forms; r may be missing."""
        if isinstance(document, dict) and "values" in document:
            self._only(document, {"values", "public_key"})
            self._check_key(document.get("public_key"))
            values: list[Any] = document["values"]
            if not all(isinstance(one, list) and len(one) in (2, 3) for one in values):
                self._refuse('"values" is not a list of [ciphertext, exponent, r]')
            return values
        entries = document if isinstance(document, list) else [document]
        if not all(isinstance(entry, dict) and {"v", "e"} <= entry.keys() for entry in entries):
            self._refuse('it has entries that are not {"v": ..., "e": ..., "r": ...}')
        for entry in entries:
            self._only(entry, {"v", "e", "r"})
        return [[entry[k] for k in ("v", "e", "r") if k in entry] for entry in entries]

    def _only(self, found: dict[str, Any], known: set[str]) -> None:
        if unknown := sorted(found.keys() - known):
            self._refuse(f"unknown field {unknown[0][:40]!r}")

    def _check_key(self, key: Any) -> None:
        if key is None:
            return
        if not isinstance(key, dict) or not isinstance(key.get("n"), int | str):
            self._refuse('"public_key" is not {"n": ...}')
        n = self._integer(key["n"], "the key's n")
        if n != self._n:
            self._refuse(
                f"encrypted under another key (n = {_short(n)}, "
                f"the federation's is n = {_short(int(self._n))})"
            )

    def _number(self, triple: list[Any], position: int) -> Decimal:
        what = f"number {position}"
        if len(triple) == 2:
            self._refuse(f"{what}: {_NO_R}")
        ciphertext, r = self._integer(triple[0], what), self._integer(triple[2], f"{what}, its r,")
        exponent = self._exponent(triple[1], position)
        try:
            self._each()
            mantissa = open_ciphertext(mpz(ciphertext), mpz(r), self._n)
            return decode(mantissa, exponent, self._n)
        except BadCiphertext as error:
            self._refuse(
                f"{what} does not open: {error.reason}. Was it encrypted under the joint key, and "
                "written with ciphertext(be_secure=False)? Plain ciphertext() adds another r"
            )
        except UnfitNumber as error:
            self._refuse(f"{what}: {error.reason}")

    def _exponent(self, value: Any, position: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_EXPONENT:
            self._refuse(
                f"number {position}: the exponent is not a whole number from "
                f"-{MAX_EXPONENT} to {MAX_EXPONENT}"
            )
        return value

    def _integer(self, value: Any, what: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            self._refuse(f"{what} is not a number in digits")
        if isinstance(value, int):
            return value
        unsigned = value.removeprefix("-")
        if not (unsigned.isascii() and unsigned.isdigit()):
            self._refuse(f"{what} is not written in digits")
        if len(unsigned) > MAX_DIGITS:
            self._refuse(f"{what} has more than {MAX_DIGITS} digits")
        return int(value)


def _short(n: int) -> str:
    text = str(n)
    return text if len(text) <= 16 else f"{text[:8]}…{text[-4:]}"
