"""Files that unmodified phe writes, and the joint key in the form that it reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import phe
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.statistic import decode
from participant.errors import BadStatisticFile, MissingFile
from participant.phe_files import joint_key_jwk, read_numbers
from protocol.ciphertexts import Encrypted, add_encrypted
from tests.toy import toy_epoch

PUBLIC, PRIVATE = phe.generate_paillier_keypair(n_length=256)
OTHER, _ = phe.generate_paillier_keypair(n_length=256)
N = mpz(PUBLIC.n)


FRACTIONS = st.integers(-(2**40), 2**40).map(lambda k: k / 2**24)


def serialised(numbers: list[Any], **changes: Any) -> dict[str, Any]:
    """As in phe's documentation."""
    values = [(str(x.ciphertext()), x.exponent) for x in numbers]
    return {"public_key": {"n": PUBLIC.n}, "values": values} | changes


def pheutil(number: Any) -> dict[str, Any]:
    """As the command ``pheutil encrypt`` writes it."""
    return {"v": str(number.ciphertext()), "e": number.exponent}


def write(folder: Path, document: Any) -> Path:
    path = folder / "numbers.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def read(folder: Path, document: Any) -> Encrypted:
    return read_numbers(write(folder, document), N)


def decrypted(found: Encrypted) -> list[float]:
    pairs = zip(found.values, found.exponents, strict=True)
    plain = [(PRIVATE.raw_decrypt(int(c)), e) for c, e in pairs]
    return [decode(mpz(m), e, N) for m, e in plain]


@pytest.mark.parametrize("form", ["documented", "key in digits", "without key", "pheutil list"])
def test_what_phe_writes_is_read(tmp_path: Path, form: str) -> None:
    numbers = [PUBLIC.encrypt(x) for x in (3, -5, 0.25, 0)]
    document: Any = serialised(numbers)
    if form == "key in digits":
        document["public_key"] = {"n": str(PUBLIC.n)}
    elif form == "without key":
        del document["public_key"]
    elif form == "pheutil list":
        document = [pheutil(x) for x in numbers]
    assert decrypted(read(tmp_path, document)) == [3, -5, 0.25, 0]


def test_one_number_of_pheutil_is_read(tmp_path: Path) -> None:
    number = PUBLIC.encrypt(2.5).decrease_exponent_to(-32)
    assert decrypted(read(tmp_path, pheutil(number))) == [2.5]


@settings(max_examples=20)
@given(st.lists(FRACTIONS | st.integers(-(2**40), 2**40), min_size=2, max_size=4))
def test_a_sum_over_files_is_what_phe_computes(tmp_path_factory: Any, numbers: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("numbers")
    encrypted = [PUBLIC.encrypt(x) for x in numbers]
    files = [read(folder, serialised([x])) for x in encrypted]
    by_phe = PRIVATE.decrypt(sum(encrypted[1:], encrypted[0]))
    assert decrypted(add_encrypted(files, N)) == [by_phe]


def test_numbers_under_another_key_are_refused_and_the_keys_named(tmp_path: Path) -> None:
    document = serialised([OTHER.encrypt(3)], public_key={"n": OTHER.n})
    with pytest.raises(BadStatisticFile, match="another key") as caught:
        read(tmp_path, document)
    assert str(OTHER.n)[:8] in caught.value.reason
    assert str(PUBLIC.n)[:8] in caught.value.reason


GOOD = pheutil(PUBLIC.encrypt(3))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("not JSON", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("7", "neither"),
        ([], "0 numbers"),
        ({"values": []}, "0 numbers"),
        ({"values": {}}, "not a list"),
        ({"values": [["1"]]}, r"not a list of \[ciphertext, exponent\]"),
        ({"values": [], "comment": "x"}, "unknown field 'comment'"),
        (GOOD | {"w": 1}, "unknown field 'w'"),
        ({"v": GOOD["v"]}, "neither"),
        ('{"v": "5", "v": "6", "e": 0}', "twice"),
        ({"v": "0", "e": 0}, "number 1: not encrypted under the joint key"),
        ({"v": str(PUBLIC.nsquare), "e": 0}, "number 1: not encrypted"),
        ({"v": str(PUBLIC.n), "e": 0}, "number 1: not encrypted"),
        ({"v": "-3", "e": 0}, "number 1: not encrypted"),
        ([GOOD, {"v": "abc", "e": 0}], "number 2 is not written in digits"),
        ({"v": "٣", "e": 0}, "not written in digits"),
        ({"v": "1" * 5_000, "e": 0}, "more than 4000 digits"),
        ('{"v": ' + "1" * 5_000 + ', "e": 0}', "more than 4000 digits"),
        ({"v": True, "e": 0}, "not a number in digits"),
        ({"v": None, "e": 0}, "not a number in digits"),
        (GOOD | {"e": "0"}, "exponent"),
        (GOOD | {"e": True}, "exponent"),
        (GOOD | {"e": 513}, "exponent"),
        ('{"v": "5", "e": 1.5}', "1.5 is not a whole number"),
        ('{"v": "5", "e": NaN}', "NaN"),
        ({"public_key": {"g": 1}, "values": []}, "public_key"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, document: Any, reason: str) -> None:
    with pytest.raises(BadStatisticFile, match=reason) as caught:
        read(tmp_path, document)
    assert caught.value.path.endswith("numbers.json")
    assert len(caught.value.reason) < 200


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(BadStatisticFile, match="UTF-8"):
        read_numbers(path, N)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        read_numbers(tmp_path / "none.json", N)


def test_the_exported_key_is_the_joint_key_as_pheutil_reads_it() -> None:
    epoch = toy_epoch(3, 2).epoch
    jwk = json.loads(joint_key_jwk(epoch, "Toy"))
    assert (jwk["kty"], jwk["alg"], jwk["key_ops"]) == ("DAJ", "PAI-GN1", ["encrypt"])
    assert phe.util.base64_to_int(jwk["n"]) == epoch.joint_key().n
    assert jwk["n"] == phe.util.int_to_base64(int(epoch.joint_key().n))
    assert "Toy, epoch 1" in jwk["kid"]
