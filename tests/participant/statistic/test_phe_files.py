"""Numbers that unmodified phe encrypted with a known r, and the joint key in its form."""

import json
import re
import secrets
from decimal import Decimal
from pathlib import Path
from typing import Any

import phe
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from participant.errors import UnfitNumbers
from participant.statistic.number_files import numbers_in, read_numbers
from participant.statistic.phe_files import joint_key_jwk
from tests.stage.toy import toy_epoch

PUBLIC, _ = phe.generate_paillier_keypair(n_length=256)
OTHER, _ = phe.generate_paillier_keypair(n_length=256)
N = mpz(PUBLIC.n)


def encrypted(number: Any, public: Any = PUBLIC, **options: Any) -> list[Any]:
    """One number as README.md says it is to be written."""
    r = secrets.randbelow(public.n - 1) + 1
    x = public.encrypt(number, r_value=r, **options)
    return [str(x.ciphertext(be_secure=False)), x.exponent, str(r)]


def serialised(numbers: list[Any], **changes: Any) -> dict[str, Any]:
    values = [encrypted(x) for x in numbers]
    return {"public_key": {"n": PUBLIC.n}, "values": values} | changes


def entry(number: Any) -> dict[str, Any]:
    return dict(zip(("v", "e", "r"), encrypted(number), strict=True))


def read(folder: Path, document: Any) -> tuple[Decimal, ...]:
    path = folder / "numbers.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return read_numbers(path, N).values


@pytest.mark.parametrize("form", ["documented", "key in digits", "without key", "list", "ints"])
def test_what_phe_encrypts_with_a_known_r_is_opened(tmp_path: Path, form: str) -> None:
    document: Any = serialised([3, -5, 0.25, 0])
    if form == "key in digits":
        document["public_key"] = {"n": str(PUBLIC.n)}
    elif form == "without key":
        del document["public_key"]
    elif form == "list":
        document = [entry(x) for x in (3, -5, 0.25, 0)]
    elif form == "ints":
        document["values"] = [[int(c), e, int(r)] for c, e, r in document["values"]]
    assert read(tmp_path, document) == (3, -5, Decimal("0.25"), 0)


def test_one_number_alone_is_opened(tmp_path: Path) -> None:
    assert read(tmp_path, entry(2.5)) == (Decimal("2.5"),)


@settings(max_examples=30, deadline=None)
@given(
    st.floats(-1e15, 1e15).filter(lambda x: x == 0 or abs(x) > 1e-15) | st.integers(-(2**60), 2**60)
)
def test_a_number_is_the_one_that_was_written(tmp_path_factory: Any, number: Any) -> None:
    assert read(tmp_path_factory.mktemp("n"), serialised([number])) == (Decimal(str(number)),)


@pytest.mark.parametrize(
    ("number", "precision", "seen"),
    [
        (0.1, None, "0.1"),
        (5.3, None, "5.3"),
        (1000.2, None, "1000.2"),
        (0.1, 2**-12, "0.10009765625"),
    ],
)
def test_a_fraction_is_what_phe_itself_decodes(
    tmp_path: Path, number: float, precision: float | None, seen: str
) -> None:
    values = [encrypted(number, precision=precision)]
    assert read(tmp_path, {"values": values}) == (Decimal(seen),)


def test_without_r_a_number_is_refused_and_the_line_to_write_shown(tmp_path: Path) -> None:
    x = PUBLIC.encrypt(3)
    for document in (
        {"values": [[str(x.ciphertext()), x.exponent]]},
        {"v": str(x.ciphertext()), "e": x.exponent},  # as pheutil writes it
    ):
        with pytest.raises(UnfitNumbers, match="number 1: it has no r") as caught:
            read(tmp_path, document)
        line = "r = secrets.randbelow(public.n - 1) + 1, x = public.encrypt(number, r_value=r)"
        assert line in caught.value.reason
        assert "str(x.ciphertext(be_secure=False)), x.exponent, str(r)" in caught.value.reason


def altered(**changes: Any) -> dict[str, Any]:
    return entry(3) | changes


def obfuscated() -> dict[str, Any]:
    """As ``ciphertext()`` writes it, which adds other randomness."""
    r = secrets.randbelow(PUBLIC.n - 1) + 1
    x = PUBLIC.encrypt(3, r_value=r)
    return {"v": str(x.ciphertext()), "e": x.exponent, "r": str(r)}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (obfuscated(), r"number 1 does not open.*ciphertext\(be_secure=False\)"),
        (altered(r="1"), "number 1 does not open"),
        (altered(r="0"), "number 1 does not open"),
        (altered(r=str(PUBLIC.n)), "number 1 does not open"),
        (altered(r="-5"), "number 1 does not open"),
        (altered(v="0"), "number 1 does not open"),
        (altered(v=str(PUBLIC.nsquare + 5)), "number 1 does not open"),
        (altered(v=str(PUBLIC.n)), "number 1 does not open"),
        ([entry(3), altered(v="5")], "number 2 does not open"),
        (dict(zip(("v", "e", "r"), encrypted(3, OTHER), strict=True)), "number 1 does not open"),
        (serialised([], public_key={"n": OTHER.n}), "another key"),
        (serialised([], public_key={"g": 1}), "public_key"),
        (serialised([3], comment="x"), "unknown field 'comment'"),
        (altered(w=1), "unknown field 'w'"),
        ({"values": [["1"]]}, r"not a list of \[ciphertext, exponent, r\]"),
        ({"values": []}, "0 numbers"),
        (altered(v="abc"), "not written in digits"),
        (altered(v="٣"), "not written in digits"),
        (altered(v="1" * 5_000), "more than 4000 digits"),
        (altered(v=None), "not a number in digits"),
        (altered(r=None), "not a number in digits"),
        (altered(r=True), "not a number in digits"),
        (altered(e="0"), "exponent"),
        (altered(e=True), "exponent"),
        (altered(e=513), "exponent"),
        (altered(e=-512), "more digits than a float"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, document: Any, reason: str) -> None:
    with pytest.raises(UnfitNumbers, match=reason) as caught:
        read(tmp_path, document)
    assert caught.value.path.endswith("numbers.json")
    assert len(caught.value.reason) < 400


def test_a_number_that_phe_would_round_or_overflow_is_refused(tmp_path: Path) -> None:
    r = 7
    for mantissa, reason in ((2**60 + 1, "more digits than a float"), (int(N) // 2, "decode")):
        c = PUBLIC.raw_encrypt(mantissa, r_value=r)
        with pytest.raises(UnfitNumbers, match=reason):
            read(tmp_path, {"v": str(c), "e": -3, "r": str(r)})


def test_the_program_in_the_readme_writes_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    (program,) = [
        block for block in re.findall(r"```python\n(.*?)```", readme, re.S) if "phe" in block
    ]
    epoch = toy_epoch(3, 2).epoch
    monkeypatch.chdir(tmp_path)
    Path("joint-key.json").write_text(joint_key_jwk(epoch, "Toy"))
    exec(program, {})
    found = read_numbers(Path("visits.json"), epoch.joint_key().n)
    assert found.values == (3, Decimal("0.5"))


def test_the_exported_key_is_the_joint_key_as_pheutil_reads_it() -> None:
    epoch = toy_epoch(3, 2).epoch
    jwk = json.loads(joint_key_jwk(epoch, "Toy"))
    assert (jwk["kty"], jwk["alg"], jwk["key_ops"]) == ("DAJ", "PAI-GN1", ["encrypt"])
    assert phe.util.base64_to_int(jwk["n"]) == epoch.joint_key().n
    assert jwk["n"] == phe.util.int_to_base64(int(epoch.joint_key().n))
    assert "Toy, epoch 1" in jwk["kid"]


def test_numbers_that_nobody_waits_for_any_more_are_opened_no_further() -> None:
    opened = list[int]()

    def each() -> None:
        opened.append(1)
        if len(opened) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        numbers_in(json.dumps(serialised([1] * 10)).encode(), "n.json", N, each)
    assert len(opened) == 3
